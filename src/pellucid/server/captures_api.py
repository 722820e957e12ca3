"""Recordings of the browser (camera, screen) and video files, made into DICOM objects by a job."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from pellucid.access import Caller
from pellucid.capture import CaptureContext, CaptureSettings, Crop, Region
from pellucid.capture.settings import Deinterlace, Kind, View
from pellucid.dicomweb.problems import EVERYWHERE, RequestError
from pellucid.dimse.data_set import Attributes
from pellucid.dimse.worklist import Worklist
from pellucid.errors import InvalidInputError
from pellucid.server import answers, captures, uploads
from pellucid.server.answers import problems
from pellucid.server.callers import Finder, Storer
from pellucid.server.job import Job
from pellucid.server.platform import Platform
from pellucid.server.uploads import UploadLimits

_REQUEST_FILE = "capture.json"
_LONGEST_LIST = 500
_LARGEST_REQUEST = 1 << 16


class Patient(BaseModel):
    """A patient who is given by hand."""

    model_config = ConfigDict(extra="forbid")

    patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    accession_number: str = ""
    study_description: str = ""


class CaptureRequest(BaseModel):
    """What to make of a recording, and of whom it is: one of `patient`, `worklist` (an item's id) and `study`."""

    model_config = ConfigDict(extra="forbid")

    kind: Kind = "sc"
    view: View = "photographic"
    body_part: str = ""
    series_description: str = ""
    start_s: float = 0.0
    stop_s: float | None = None
    every: int = 1
    stills_s: Annotated[list[float], Field(max_length=1000)] = []
    crop: str = ""
    regions: Annotated[list[str], Field(max_length=100)] = []
    deinterlace: Deinterlace = "auto"
    patient: Patient | None = None
    worklist: str = ""
    study: str = ""

    def settings(self) -> CaptureSettings:
        """How to capture; raises `InvalidInputError`."""
        return CaptureSettings(
            kind=self.kind,
            view=self.view,
            body_part=self.body_part,
            series_description=self.series_description,
            start_s=self.start_s,
            stop_s=self.stop_s,
            every=self.every,
            stills_s=tuple(self.stills_s),
            crop=Crop.parse(self.crop) if self.crop else None,
            regions=tuple(map(Region.parse, self.regions)),
            deinterlace=self.deinterlace,
        )

    def context(self, platform: Platform, caller: Caller, item: Attributes | None) -> CaptureContext:
        """Of whom it is, as the caller sees it; `item`: of the worklist. Raises `InvalidInputError`."""
        given = [name for name in ("patient", "worklist", "study") if getattr(self, name)]
        if len(given) != 1:
            raise InvalidInputError(
                f"needs one of patient, worklist and study; got {', '.join(given) or 'none'}", field=_REQUEST_FILE
            )
        if self.patient is not None:
            return CaptureContext(**self.patient.model_dump())
        if item is not None:
            return CaptureContext.of_worklist_item(item)
        return captures.study_context(platform.archive.seen_by(caller.visible), self.study)


def captures_api(platform: Platform) -> APIRouter:
    """The routes below /api/captures."""
    router = APIRouter(responses=problems(*EVERYWHERE))
    limits = UploadLimits(total_bytes=platform.settings.upload_bytes, files=2)

    @router.get("/api/captures/worklist", response_model=answers.CaptureWorklist)
    def worklist(_caller: Finder) -> dict[str, Any]:
        """What is scheduled and still to be done, for the choice of whom a capture is."""
        return {"items": captures.open_items(Worklist(platform.archive), _LONGEST_LIST)}

    @router.post(
        "/api/captures",
        status_code=202,
        response_model=answers.JobStarted,
        responses=problems(400, 413, 415, 422, 507),
        openapi_extra=_FILES,
    )
    async def capture(request: Request, caller: Storer) -> dict[str, Any]:
        """Make a recording into DICOM objects: two files, `capture.json` (a CaptureRequest) and the recording."""
        try:
            folder, names = await uploads.receive(
                platform, limits, request.headers.get("content-type", ""), request.stream()
            )
        except RequestError as error:
            raise HTTPException(error.status, error.detail) from error
        job = await run_in_threadpool(_submit, platform, folder, names, caller)
        return {"job": job.to_json()}

    return router


def _submit(platform: Platform, folder: Path, names: list[str], caller: Caller) -> Job:
    try:
        wanted = _wanted(folder / "files", names)
        recording = (folder / "files" / next(name for name in names if name != _REQUEST_FILE)).rename(folder / "video")
        item = captures.worklist_item(Worklist(platform.archive), wanted.worklist) if wanted.worklist else None
        context = wanted.context(platform, caller, item)
        return captures.submit(platform, recording, context, wanted.settings(), caller, item)
    except InvalidInputError:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _wanted(folder: Path, names: list[str]) -> CaptureRequest:
    """The request among the files."""
    if len(names) != 2 or names.count(_REQUEST_FILE) != 1:
        raise InvalidInputError(f"expected two: {_REQUEST_FILE} and the recording", field="files")
    file = folder / _REQUEST_FILE
    if file.stat().st_size > _LARGEST_REQUEST:
        raise InvalidInputError(f"is larger than {_LARGEST_REQUEST} bytes", field=_REQUEST_FILE)
    try:
        return CaptureRequest.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidInputError(f"{where}: {first['msg']}" if where else first["msg"], field=_REQUEST_FILE) from None


_FILES = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"files": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                    "required": ["files"],
                }
            }
        },
    }
}
