"""STOW-RS: store what arrives and say for each object what became of it (PS3.18 section 10.5)."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pellucid.access import Permission
from pellucid.archive import Batch, FailureReason, Sender, Stored, StoreRefusedError
from pellucid.dicomweb.accept import MediaRange, not_acceptable
from pellucid.dicomweb.answering import base_of, caller_of, ranges_of, warning
from pellucid.dicomweb.composing import BulkParts, compose, data_sets, text_of
from pellucid.dicomweb.context import Context
from pellucid.dicomweb.dicom_xml import to_xml
from pellucid.dicomweb.limits import StoreLimits
from pellucid.dicomweb.multipart import MultipartReader, ReceivedPart, boundary_of, new_folder, received
from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.resource import DICOM, DICOM_JSON, DICOM_XML, MULTIPART, STUDY, Answer, Resource

METADATA = (DICOM_JSON, DICOM_XML)
_PIECE = 1 << 20
_SIDE_BY_SIDE, _SMALL_GROUP = 4, 4


@dataclass(frozen=True)
class _Outcome:
    stored: list[Stored]
    refused: list[StoreRefusedError]


async def store(context: Context, request: Request) -> Response:
    """Store the request's objects; those that can be stored are, whatever becomes of the others."""
    caller_of(request).require(Permission.STORE)
    archive, study_uid = context.archive, request.path_params.get("study")
    folder = await run_in_threadpool(new_folder, archive.incoming, "store-")
    try:
        form = answer_form(ranges_of(request))
        parts = await _receive(folder, context.limits, request.headers.get("content-type", ""), request.stream())
        caller = caller_of(request)
        sender = Sender(title=caller.name, visible=caller.visible)
        outcome = await run_in_threadpool(_store_all, context, parts, study_uid, sender)
    finally:
        await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)
    studies = {stored.study_instance_uid for stored in outcome.stored}
    context.audit(request, "DICOM Instances Transferred", "C", studies, instances=len(outcome.stored))
    return _response(outcome, study_uid, base_of(request), form)


async def _receive(
    folder: Path, limits: StoreLimits, content_type: str, body: AsyncIterator[bytes]
) -> list[ReceivedPart]:
    kind = content_type.partition(";")[0].strip().lower()
    if kind in (DICOM, *METADATA):
        part = await _receive_one(folder / "000000", limits.part_bytes, body)
        part.headers["content-type"] = content_type
        return [part]
    if kind != MULTIPART:
        expected = ", ".join(f'{MULTIPART}; type="{media}"' for media in (DICOM, *METADATA))
        raise RequestError(415, f"Content-Type is {kind or 'missing'}; expected {expected}")
    reader = MultipartReader(
        boundary_of(content_type),
        folder,
        part_bytes=limits.part_bytes,
        total_bytes=limits.total_bytes,
        parts=limits.parts,
    )
    try:
        async for piece in _larger(body):
            await run_in_threadpool(reader.feed, piece)
        parts = reader.finish()
    finally:
        reader.close()
    if not parts:
        raise RequestError(400, "the request has no parts")
    wrong = next((part for part in parts if part.content_type not in (DICOM, "")), None)
    if wrong is not None and not any(part.content_type in METADATA for part in parts):
        raise RequestError(415, f"a part is {wrong.content_type}; expected {DICOM}")
    return parts


async def _receive_one(file: Path, limit: int, body: AsyncIterator[bytes]) -> ReceivedPart:
    part = ReceivedPart(file=file)
    with received(), file.open("wb") as target:
        async for piece in _larger(body):
            part.size += len(piece)
            if part.size > limit:
                raise RequestError(413, f"the object is larger than {limit} bytes")
            await run_in_threadpool(target.write, piece)
    return part


async def _larger(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The body in pieces of at least 1 MiB: each costs a change of thread."""
    pieces: list[bytes] = []
    size = 0
    async for piece in body:
        pieces.append(piece)
        size += len(piece)
        if size >= _PIECE:
            yield b"".join(pieces)
            pieces, size = [], 0
    if pieces:
        yield b"".join(pieces)


def _store_all(context: Context, parts: list[ReceivedPart], study_uid: str | None, sender: Sender) -> _Outcome:
    """Store files as they came, and those made of metadata and bulk data.

    Groups of them are stored side by side, for storing is mostly waiting for the disk.
    """
    metadata = [part for part in parts if part.content_type in METADATA]
    found = [(part, data_sets(part, context.limits.metadata_bytes)) for part in metadata]
    objects = [_Object(part.file) for part in parts if part.content_type in (DICOM, "")]
    bulk = BulkParts.of([p for p in parts if p.content_type not in (DICOM, *METADATA)], context.limits.bulk_bytes)
    for part, several in found:
        for number, data in enumerate(several):
            objects.append(_Object(part.file.with_suffix(f".{number}.dcm"), data, bulk))
    count = min(_SIDE_BY_SIDE, -(-len(objects) // _SMALL_GROUP))
    groups = [objects[number::count] for number in range(count)]
    if count > 1:
        with ThreadPoolExecutor(count, "store") as pool:
            list(pool.map(lambda group: _store_group(context, group, study_uid, sender), groups))
    else:
        for group in groups:
            _store_group(context, group, study_uid, sender)
    results = [one.result for one in objects]
    return _Outcome(
        [result for result in results if isinstance(result, Stored)],
        [result for result in results if isinstance(result, StoreRefusedError)],
    )


@dataclass
class _Object:
    """One object to be stored: a file, or what is made of metadata and bulk data; and what became of it."""

    file: Path
    data: dict[str, Any] | None = None
    bulk: BulkParts | None = None
    result: Stored | StoreRefusedError | None = None

    def store(self, batch: Batch, study_uid: str | None) -> None:
        try:
            if self.data is not None and self.bulk is not None and not self.file.exists():
                compose(self.data, self.bulk, self.file)
            self.result = batch.store(self.file, study_uid=study_uid)
        except StoreRefusedError as error:
            self.refuse(error)

    def refuse(self, error: StoreRefusedError) -> None:
        if self.data is not None and not error.sop_instance_uid:
            error.sop_class_uid, error.sop_instance_uid = text_of(self.data, "00080016"), text_of(self.data, "00080018")
        self.result = error


def _store_group(context: Context, group: list[_Object], study_uid: str | None, sender: Sender) -> None:
    """Store some objects in one transaction; where another request was quicker with one of them, each in its own."""
    try:
        with context.archive.batch(sender) as batch:
            for one in group:
                one.store(batch, study_uid)
    except StoreRefusedError as error:
        if len(group) == 1:
            group[0].refuse(error)
            return
        for one in group:
            _store_group(context, [one], study_uid, sender)


def answer_form(ranges: list[MediaRange]) -> str:
    """The media type of a single data set in an answer: JSON or XML."""
    for wanted in ranges:
        for media in (DICOM_JSON, DICOM_XML):
            if wanted.allows(media) or (wanted.part == "application/json" and media == DICOM_JSON):
                return media
    raise not_acceptable(f"{DICOM_JSON} or {DICOM_XML}")


def _response(outcome: _Outcome, study_uid: str | None, base: str, form: str) -> Response:
    content: dict[str, Any] = {}
    studies = {stored.study_instance_uid for stored in outcome.stored}
    if study_uid or len(studies) == 1:
        content["00081190"] = {"vr": "UR", "Value": [f"{base}/studies/{study_uid or studies.pop()}"]}
    named = [error for error in outcome.refused if error.sop_instance_uid]
    others = [error for error in outcome.refused if not error.sop_instance_uid]
    if named:
        content["00081198"] = {"vr": "SQ", "Value": [_failed(error) for error in named]}
    if outcome.stored:
        content["00081199"] = {"vr": "SQ", "Value": [_referenced(stored, base) for stored in outcome.stored]}
    if others:
        content["0008119A"] = {"vr": "SQ", "Value": [{"00081197": _reason(error.reason)} for error in others]}
    status = 200 if not outcome.refused else 202 if outcome.stored else 409
    headers = warning(map(str, outcome.refused[:1]))
    if form == DICOM_XML:
        return Response(to_xml(content), status, headers, media_type=DICOM_XML)
    return JSONResponse(content, status, headers, media_type=DICOM_JSON)


def _referenced(stored: Stored, base: str) -> dict[str, Any]:
    series = f"{base}/studies/{stored.study_instance_uid}/series/{stored.series_instance_uid}"
    return {
        "00081150": {"vr": "UI", "Value": [stored.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [stored.sop_instance_uid]},
        "00081190": {"vr": "UR", "Value": [f"{series}/instances/{stored.sop_instance_uid}"]},
    }


def _failed(error: StoreRefusedError) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [error.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [error.sop_instance_uid]},
        "00081197": _reason(error.reason),
    }


def _reason(reason: FailureReason) -> dict[str, Any]:
    return {"vr": "US", "Value": [int(reason)]}


def _resource(path: str, text: str) -> Resource:
    return Resource(
        method="POST",
        path=path,
        text=f"{text} (STOW-RS)",
        section="10.5",
        handler=store,
        permission=Permission.STORE,
        answers={
            200: Answer("All are stored", METADATA, "DicomObject"),
            202: Answer("Some are refused, with the reasons of PS3.18 table I.2-2", METADATA, "DicomObject"),
            409: Answer("All are refused, with the reasons", METADATA, "DicomObject"),
        },
        query={"accept": ("string", "Media type; instead of the header")},
        body=(*(f'{MULTIPART}; type="{media}"' for media in (DICOM, *METADATA)), DICOM, *METADATA),
        problems=(400, 406, 413, 415, 507),
    )


RESOURCES = (_resource("/studies", "Store instances"), _resource(STUDY, "Store instances of one study"))
