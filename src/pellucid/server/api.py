"""The JSON interface under /api: uploads, jobs, raw signals and reconstructions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict

from pellucid import __version__
from pellucid.access import AuditEvent, Caller
from pellucid.acquisition import Acquisition
from pellucid.archive import AcquisitionRecord
from pellucid.dicomweb.problems import EVERYWHERE, RequestError
from pellucid.modality import Method, all_modalities, modality, reconstruct
from pellucid.progress import Progress
from pellucid.server import answers, uploads
from pellucid.server.answers import problems
from pellucid.server.callers import Anyone, Finder, Reader, Storer
from pellucid.server.job import Job
from pellucid.server.job_access import owner_of, seen
from pellucid.server.platform import Platform, described
from pellucid.server.raw_details import RawDetails
from pellucid.server.uploads import UploadLimits

JobId = Annotated[str, PathParameter(pattern="^[0-9a-f]{32}$")]
AcquisitionId = Annotated[str, PathParameter(pattern="^[0-9a-f]{32}$")]
_POLL_SECONDS = 0.1
_KEEP_ALIVE_SECONDS = 15.0


class Reconstruction(BaseModel):
    """What to reconstruct with."""

    model_config = ConfigDict(extra="forbid")

    method: str
    parameters: dict[str, Any] = {}


def api(platform: Platform) -> APIRouter:
    """The routes of /api."""
    router = APIRouter(responses=problems(*EVERYWHERE))
    _add_general(router, platform)
    _add_jobs(router, platform)
    _add_acquisitions(router, platform)
    return router


def _add_general(router: APIRouter, platform: Platform) -> None:
    limits = UploadLimits(total_bytes=platform.settings.upload_bytes, files=platform.settings.upload_files)

    @router.get("/api/info", response_model=answers.Information)
    def info(_caller: Anyone) -> dict[str, Any]:
        """Name, version, and the modalities there are."""
        modalities = [{"key": m.key, "title": m.title} for m in all_modalities()]
        return {"name": "Pellucid", "version": __version__, "modalities": modalities}

    @router.post(
        "/api/uploads",
        status_code=202,
        response_model=answers.JobStarted,
        responses=problems(400, 413, 415, 422, 507),
        openapi_extra=_FILES,
    )
    async def upload(request: Request, caller: Storer) -> dict[str, Any]:
        """Store DICOM files as received; keep raw signals and reconstruct them by their default method."""
        try:
            folder, names = await uploads.receive(
                platform, limits, request.headers.get("content-type", ""), request.stream()
            )
        except RequestError as error:
            raise HTTPException(error.status, error.detail) from error
        job = uploads.submit(platform, folder, names, limits, caller)
        return {"job": job.to_json()}


def _add_jobs(router: APIRouter, platform: Platform) -> None:
    @router.get("/api/jobs", response_model=answers.Jobs)
    def jobs(caller: Finder) -> dict[str, Any]:
        """All jobs that are remembered and that the caller sees, the newest first."""
        return {"jobs": [job.to_json() for job in seen(platform.jobs.all(), caller, platform.archive)]}

    @router.get("/api/jobs/{job_id}", response_model=answers.JobState, responses=problems(404, 422))
    def job(job_id: JobId, caller: Finder) -> dict[str, Any]:
        """One job."""
        return _job(platform, job_id, caller).to_json()

    @router.delete("/api/jobs/{job_id}", status_code=202, response_model=answers.JobState, responses=problems(404, 422))
    def cancel(job_id: JobId, caller: Storer) -> dict[str, Any]:
        """Ask a job to stop; a cancelled job has stored nothing."""
        job = _job(platform, job_id, caller)
        return (platform.jobs.cancel(job.id) or job).to_json()

    @router.get(
        "/api/jobs/{job_id}/events",
        response_class=StreamingResponse,
        responses={200: _EVENTS, **problems(404, 422)},
    )
    def events(job_id: JobId, caller: Finder) -> StreamingResponse:
        """Server-sent events: the job whenever it changes, until it ends."""
        _job(platform, job_id, caller)
        # Neither kept by a cache nor held back by a proxy.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_events(platform, job_id), media_type="text/event-stream", headers=headers)


def _add_acquisitions(router: APIRouter, platform: Platform) -> None:
    @router.get("/api/acquisitions", response_model=answers.Acquisitions)
    def acquisitions(caller: Finder) -> dict[str, Any]:
        """All raw signals, the newest first."""
        return {"acquisitions": [_listed(record) for record in platform.archive.seen_by(caller.visible).acquisitions()]}

    @router.get(
        "/api/acquisitions/{acquisition_id}",
        response_model=answers.DetailedAcquisition,
        responses=problems(404, 422),
    )
    def acquisition(acquisition_id: AcquisitionId, caller: Reader) -> dict[str, Any]:
        """A raw signal: what was acquired, and by which methods it can be reconstructed."""
        return _detailed(_record(platform, acquisition_id, caller), _details(platform, acquisition_id))

    @router.get(
        "/api/acquisitions/{acquisition_id}/signal/{number}",
        response_class=Response,
        responses={200: _file("image/png"), **problems(404, 422)},
    )
    def signal(acquisition_id: AcquisitionId, number: Annotated[int, PathParameter(ge=0)], caller: Reader) -> Response:
        """A picture of the signal."""
        _record(platform, acquisition_id, caller)
        pictures = _details(platform, acquisition_id).pictures
        if number >= len(pictures):
            raise HTTPException(404, f"signal view {number} does not exist; there are {len(pictures)}")
        headers = {"cache-control": "private, max-age=86400"}
        return Response(pictures[number].png, media_type="image/png", headers=headers)

    @router.get(
        "/api/acquisitions/{acquisition_id}/raw",
        response_class=FileResponse,
        responses={200: _file("application/x-hdf5"), **problems(404, 422)},
    )
    def raw_file(acquisition_id: AcquisitionId, caller: Reader) -> FileResponse:
        """The signal's file."""
        record = _record(platform, acquisition_id, caller)
        file = platform.archive.acquisition_file(acquisition_id)
        if file is None:
            raise HTTPException(404, "no such acquisition")
        _note(platform, caller, "Export", "R", record)
        return FileResponse(file, media_type="application/x-hdf5", filename=f"{acquisition_id}.pellucid.h5")

    @router.post(
        "/api/acquisitions/{acquisition_id}/reconstructions",
        status_code=202,
        response_model=answers.JobStarted,
        responses=problems(400, 404, 413, 422),
    )
    def reconstruct_again(acquisition_id: AcquisitionId, wanted: Reconstruction, caller: Storer) -> dict[str, Any]:
        """Reconstruct a signal into a new series of its study."""
        record = _record(platform, acquisition_id, caller)
        raw = _raw(platform, acquisition_id)
        owner = modality(raw.modality)
        method = owner.method(wanted.method)
        if reason := method.refuses(raw):
            raise HTTPException(422, f"{method.name}: cannot be used on this acquisition: {reason}")
        values = method.checked(raw, wanted.parameters)
        job = platform.jobs.submit(
            "reconstruction",
            f"{raw.description or owner.title}: {method.title}",
            lambda progress: _reconstruct(platform, acquisition_id, raw, method, values, progress),
            owner=owner_of(caller),
            studies=(record.study_instance_uid,),
        )
        _note(platform, caller, "DICOM Instances Accessed", "U", record)
        return {"job": job.to_json()}

    @router.get(
        "/api/series/{series_uid}/acquisition", response_model=answers.SeriesSource, responses=problems(404, 422)
    )
    def source(series_uid: Annotated[str, PathParameter(pattern="^[0-9.]{1,64}$")], caller: Reader) -> dict[str, Any]:
        """What a series was reconstructed from."""
        found = platform.archive.seen_by(caller.visible).source_of(series_uid)
        if found is None:
            raise HTTPException(404, "the series was not reconstructed here")
        return {"acquisition_id": found.acquisition_id, "method": found.method, "parameters": dict(found.parameters)}


def _reconstruct(
    platform: Platform,
    acquisition_id: str,
    raw: Acquisition,
    method: Method,
    values: Mapping[str, Any],
    progress: Progress,
) -> dict[str, list[str]]:
    image = reconstruct(raw, method.name, progress=progress, parameters=values)
    with platform.deposit() as deposit:
        deposit.add_image(described(image, raw, method, values), acquisition_id=acquisition_id)
        progress(1.0, "Stored")
    return replace(deposit.made, acquisition_ids=[acquisition_id]).to_json()


async def _events(platform: Platform, job_id: str) -> AsyncIterator[str]:
    last: Job | None = None
    quiet = 0.0
    while not platform.jobs.stopping.is_set():
        job = platform.jobs.get(job_id)
        if job is None:
            return
        if job != last:
            yield f"data: {json.dumps(job.to_json())}\n\n"
            last, quiet = job, 0.0
        elif quiet >= _KEEP_ALIVE_SECONDS:
            yield ": still here\n\n"
            quiet = 0.0
        if job.ended:
            return
        await asyncio.sleep(_POLL_SECONDS)
        quiet += _POLL_SECONDS


def _job(platform: Platform, job_id: str, caller: Caller) -> Job:
    job = platform.jobs.get(job_id)
    if job is None or not seen([job], caller, platform.archive):
        raise HTTPException(404, "no such job")
    return job


def _note(platform: Platform, caller: Caller, event: str, action: str, record: AcquisitionRecord) -> None:
    studies = {record.study_instance_uid: ""} if record.study_instance_uid else {}
    detail = {"acquisition": record.id}
    platform.keeper.audit(AuditEvent(event=event, action=action, caller=caller, studies=studies, detail=detail))


def _record(platform: Platform, acquisition_id: str, caller: Caller) -> AcquisitionRecord:
    record = platform.archive.seen_by(caller.visible).acquisition(acquisition_id)
    if record is None:
        raise HTTPException(404, "no such acquisition")
    return record


def _raw(platform: Platform, acquisition_id: str) -> Acquisition:
    raw = platform.acquisition(acquisition_id)
    if raw is None:
        raise HTTPException(404, "no such acquisition")
    return raw


def _listed(record: AcquisitionRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "modality": record.modality,
        "description": record.description,
        "patient_name": record.patient_name,
        "study_instance_uid": record.study_instance_uid,
        "created": record.created,
        "series_instance_uids": list(record.series_instance_uids),
    }


def _detailed(record: AcquisitionRecord, details: RawDetails) -> dict[str, Any]:
    return {
        **_listed(record),
        "summary": details.summary,
        "default_method": details.default_method,
        "methods": details.methods,
        "signal_views": [
            {
                "title": picture.title,
                "row_axis": picture.row_axis,
                "column_axis": picture.column_axis,
                "url": f"/api/acquisitions/{record.id}/signal/{number}",
            }
            for number, picture in enumerate(details.pictures)
        ],
    }


def _details(platform: Platform, acquisition_id: str) -> RawDetails:
    details = platform.details.get(acquisition_id)
    if details is None:
        raise HTTPException(404, "no such acquisition")
    return details


def _file(media_type: str) -> dict[str, Any]:
    """The description of an answer that is a file."""
    return {
        "description": "The file",
        "content": {media_type: {"schema": {"type": "string", "contentMediaType": media_type}}},
    }


_EVENTS: dict[str, Any] = {
    "description": "Server-sent events until the job ends: the data of each is the job, a JobState",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}
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
