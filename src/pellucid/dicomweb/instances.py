"""WADO-RS: whole instances, as multipart, alone, or in a zip file (PS3.18 sections 10.4.1.1.1, 8.7.8)."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast
from urllib.parse import urljoin

from pydicom.uid import UID, ExplicitVRLittleEndian
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pellucid.access import Permission
from pellucid.archive import InstanceRecord, View
from pellucid.archive.referenced import JPIP, can_be_referenced, referenced
from pellucid.codecs.syntaxes import SYNTAXES, syntax_of
from pellucid.dicom.pixel_data_provider import REFERENCED
from pellucid.dicomweb.accept import ANY, MediaRange, not_acceptable
from pellucid.dicomweb.answering import base_of, ranges_of
from pellucid.dicomweb.context import Context
from pellucid.dicomweb.multipart import Part
from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.related import related
from pellucid.dicomweb.representation import Body, entity_tag, http_date, respond
from pellucid.dicomweb.resource import DICOM, INSTANCE, MULTIPART, SERIES, STUDY, Answer, Resource
from pellucid.errors import InvalidInputError, UnsupportedError

ZIP = "application/zip"
EXPLICIT = str(ExplicitVRLittleEndian)
_IN_MEMORY = 64 << 20
"""Up to this size an instance is held in memory, and its checksum compared before the first byte is sent [byte]."""


def instances(context: Context, request: Request) -> Response:
    """The instances of a study or series, or one instance."""
    view, records = context.view(request), context.records(request)
    study = records[0].study_instance_uid
    context.audit(request, "DICOM Instances Transferred", "R", [study], instances=len(records))
    for wanted in ranges_of(request):
        if wanted.part == ZIP:
            headers = {"Content-Disposition": 'attachment; filename="study.zip"'}
            return StreamingResponse(_zipped(view, records, wanted), headers=headers, media_type=ZIP)
        syntax = _syntax(view, wanted, records)
        if syntax is None:
            continue
        if not wanted.multipart:
            return respond(request, instance(view, records[0], syntax, base_of(request)))
        bodies = (instance(view, record, syntax, base_of(request)) for record in records)
        return related(DICOM, (Part(body.media_type, body, body.location) for body in bodies))
    raise not_acceptable(
        f'{MULTIPART}; type="{DICOM}" in a transfer syntax without loss or, with transfer-syntax=*, as stored, or {ZIP}'
    )


def instance(view: View, record: InstanceRecord, syntax: str, base: str) -> Body:
    """One instance in a transfer syntax ("*": as stored)."""
    location = (
        f"{base}/studies/{record.study_instance_uid}/series/{record.series_instance_uid}"
        f"/instances/{record.sop_instance_uid}"
    )
    given = record.transfer_syntax_uid if syntax == ANY else syntax
    size, read = _bytes(view, record, given, base)
    return Body(
        size=size,
        read=read,
        media_type=f"{DICOM}; transfer-syntax={given}",
        tag=entity_tag(record.object_sha256, given),
        modified=http_date(record.received),
        location=location,
    )


def _bytes(view: View, record: InstanceRecord, syntax: str, base: str) -> tuple[int, Callable[[int, int], bytes]]:
    """Size, and a function that reads a part; what is large is never in memory as a whole."""
    if syntax in REFERENCED:
        file = referenced(view, record, syntax, urljoin(base, JPIP))
        return len(file), lambda start, length: file[start : start + length]
    if syntax != record.transfer_syntax_uid:
        made = _Transcoded(view, record, syntax)
        return made.size, made.read
    if record.object_size > _IN_MEMORY:
        return record.object_size, lambda start, length: view.objects.get_range(record.object_sha256, start, length)
    data = view.fetch(record)
    return len(data), lambda start, length: data[start : start + length]


class _Transcoded:
    """An instance in another transfer syntax: in memory, a large one in a file that goes when nobody needs it."""

    def __init__(self, view: View, record: InstanceRecord, syntax: str) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        try:
            view.frames.write(cast("BinaryIO", self._file), record, syntax)
        except (InvalidInputError, UnsupportedError) as error:
            names = UID(record.transfer_syntax_uid).name, UID(syntax).name
            text = f"stored as {names[0]}, cannot be given as {names[1]} ({error}); ask for transfer-syntax=*"
            raise RequestError(406, text) from error
        self.size = self._file.tell()

    def read(self, start: int, length: int) -> bytes:
        self._file.seek(start)
        return self._file.read(length)

    def __del__(self) -> None:
        self._file.close()


def _syntax(view: View, wanted: MediaRange, records: list[InstanceRecord]) -> str | None:
    """The transfer syntax for one alternative, or None where it cannot be given."""
    if not wanted.allows(DICOM) or (not wanted.multipart and len(records) > 1):
        return None
    syntax = wanted.transfer_syntax or EXPLICIT
    if syntax in (ANY, EXPLICIT):
        return syntax
    if syntax in REFERENCED:
        return syntax if all(can_be_referenced(view, record, syntax) for record in records) else None
    if syntax not in SYNTAXES or any(refuses(view, record, syntax) for record in records):
        return None
    return syntax


def refuses(view: View, record: InstanceRecord, syntax: str) -> bool:
    """Whether an instance cannot be given in a transfer syntax without loss."""
    if not record.pixel_tag:  # without pixels there is nothing that a codec could change
        return not syntax_of(syntax).native
    try:
        return view.frames.refusal(record, syntax) is not None
    except (InvalidInputError, UnsupportedError):
        return True


def _zipped(view: View, records: list[InstanceRecord], wanted: MediaRange) -> Iterator[bytes]:
    """A zip file as it grows; the instances are as stored unless Explicit VR Little Endian is asked for."""
    target = _Growing()
    syntax = wanted.transfer_syntax if wanted.transfer_syntax == EXPLICIT else ANY
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for number, record in enumerate(records, start=1):
            body = instance(view, record, syntax, "")
            # Names are numbers: what senders call their objects never becomes a path.
            with archive.open(f"{number:06d}.dcm", "w", force_zip64=body.size > 1 << 31) as file:
                for piece in body.pieces(0, body.size):
                    file.write(piece)
                    yield target.taken()
    yield target.taken()


class _Growing(io.RawIOBase):
    """A file that is only written to, and read from as it is."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._pieces.append(piece)
        return len(piece)

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _resource(path: str, level: str) -> Resource:
    return Resource(
        method="GET",
        path=path,
        text=f"The instances of the {level} (WADO-RS)" if level != "instance" else "The instance (WADO-RS)",
        section="10.4",
        handler=instances,
        permission=Permission.READ,
        answers={
            200: Answer("DICOM files; one alone also as it is", (MULTIPART, DICOM, ZIP)),
            **(
                {206: Answer("The range of it", (DICOM,)), 304: Answer("It has not changed")}
                if level == "instance"
                else {}
            ),
        },
        query={"accept": ("string", "Media type; instead of the header")},
        problems=(400, 404, 406, 416) if level == "instance" else (400, 404, 406),
    )


RESOURCES = tuple(
    _resource(path, level) for path, level in ((STUDY, "study"), (SERIES, "series"), (INSTANCE, "instance"))
)
