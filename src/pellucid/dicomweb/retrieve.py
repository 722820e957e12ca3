"""WADO-RS: instances, metadata, frames and bulk data in a representation that the client accepts (PS3.18 10.4)."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import pydicom
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian
from starlette.responses import Response, StreamingResponse

from pellucid.archive import InstanceRecord, View
from pellucid.archive.dicom_json import PIXEL_TAGS, UNREADABLE, little_endian
from pellucid.archive.metadata import NATIVE_SYNTAXES, quiet_pydicom
from pellucid.dicomweb.accept import ANY, MULTIPART, MediaRange, not_acceptable
from pellucid.dicomweb.multipart import MultipartWriter, Part
from pellucid.dicomweb.pixels import HTJ2K_SYNTAXES, OCTETS, Pixels
from pellucid.dicomweb.problems import RequestError

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
_EXPLICIT = str(ExplicitVRLittleEndian)


def instances(archive: View, records: list[InstanceRecord], ranges: list[MediaRange], base: str) -> Response:
    """Whole instances as multipart/related; one instance also as a single part."""
    for wanted in ranges:
        if not wanted.allows(DICOM) or (not wanted.multipart and len(records) > 1):
            continue
        syntax = wanted.transfer_syntax or _EXPLICIT
        if syntax not in (ANY, _EXPLICIT) and any(record.transfer_syntax_uid != syntax for record in records):
            continue
        if not wanted.multipart:
            part = _instance(archive, records[0], syntax, base)
            return Response(part.data, media_type=part.content_type)
        writer = MultipartWriter(DICOM)
        parts = (_instance(archive, record, syntax, base) for record in records)
        return StreamingResponse(writer.stream(_first_now(parts)), media_type=writer.content_type)
    raise not_acceptable(
        f'{MULTIPART}; type="{DICOM}" in Explicit VR Little Endian or, with transfer-syntax=*, as stored'
    )


def metadata(texts: list[str], ranges: list[MediaRange], base: str) -> Response:
    """All attributes as DICOM JSON; bulk data by reference."""
    if not any(wanted.allows(DICOM_JSON) or wanted.allows("application/json") for wanted in ranges):
        raise not_acceptable(DICOM_JSON)
    text = f"[{','.join(texts)}]".replace('"BulkDataURI":"/', f'"BulkDataURI":"{base}/')
    return Response(text, media_type=DICOM_JSON)


def frames(pixels: Pixels, numbers: list[int], ranges: list[MediaRange], location: str) -> Response:
    """Frames (counted from 1) as multipart/related; one frame also as a single part."""
    for wanted in ranges:
        if not wanted.multipart and len(numbers) > 1:
            continue
        chosen = _frame_encoding(pixels, wanted)
        if chosen is None:
            continue
        media_type, syntax, encode = chosen
        content_type = f"{media_type}; transfer-syntax={syntax}"
        if not wanted.multipart:
            return Response(encode(numbers[0] - 1), media_type=content_type)
        writer = MultipartWriter(media_type)
        parts = (Part(content_type, encode(number - 1), f"{location}/{number}") for number in numbers)
        return StreamingResponse(writer.stream(_first_now(parts)), media_type=writer.content_type)
    raise not_acceptable(
        f"{OCTETS} (Explicit VR Little Endian), image/jphc (HTJ2K lossless), or with transfer-syntax=* as stored "
        f"({pixels.stored_media_type})"
    )


def frame_numbers(text: str, count: int) -> list[int]:
    """The frame list of a path, such as "1,3"."""
    if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", text):
        raise RequestError(400, f"frame list {text!r}; expected frame numbers separated by commas, from 1")
    numbers = [int(part) for part in text.split(",")]
    for number in numbers:
        if not 1 <= number <= count:
            raise RequestError(404, f"frame {number} does not exist; the instance has {count}")
    return numbers


def bulk_data(archive: View, record: InstanceRecord, path: str, ranges: list[MediaRange], location: str) -> Response:
    """The value of one element: `path` is its tag, below sequences with item numbers ("00081140/0/00091002")."""
    if not re.fullmatch(r"[0-9A-Fa-f]{8}(/[0-9]{1,6}/[0-9A-Fa-f]{8})*", path):
        raise RequestError(400, f"bulk data {path!r}; expected a tag, such as 7FE00010")
    if path.upper() == record.pixel_tag and any(wanted.multipart for wanted in ranges):
        pixels = Pixels(archive, record)
        return frames(
            pixels,
            list(range(1, record.number_of_frames + 1)),
            ranges,
            f"{location.rpartition('/bulkdata/')[0]}/frames",
        )
    for wanted in ranges:
        if wanted.allows(OCTETS):
            data = _bulk_value(archive, record, path)
            if not wanted.multipart:
                return Response(data, media_type=OCTETS)
            writer = MultipartWriter(OCTETS)
            return StreamingResponse(writer.stream([Part(OCTETS, data, location)]), media_type=writer.content_type)
    raise not_acceptable(OCTETS)


def _frame_encoding(pixels: Pixels, wanted: MediaRange) -> tuple[str, str, Callable[[int], bytes]] | None:
    """Media type, transfer syntax and encoder for one alternative, or None where it cannot be given."""
    stored, syntax = pixels.stored_media_type, wanted.transfer_syntax
    if syntax == ANY:
        as_stored = wanted.allows(stored) or wanted.part == OCTETS
        return (stored, pixels.stored_syntax, pixels.stored) if as_stored else None
    if wanted.allows(OCTETS) and syntax in ("", _EXPLICIT):
        return OCTETS, _EXPLICIT, pixels.samples
    if not pixels.is_native and wanted.allows(stored) and syntax in ("", pixels.stored_syntax):
        return stored, pixels.stored_syntax, pixels.stored
    if syntax == pixels.stored_syntax and wanted.part == OCTETS:
        return stored, syntax, pixels.stored
    if (syntax in HTJ2K_SYNTAXES and (wanted.allows("image/jphc") or wanted.part == OCTETS)) or (
        not syntax and wanted.part == "image/jphc"
    ):
        return "image/jphc", syntax or HTJ2K_SYNTAXES[0], pixels.htj2k
    return None


def _instance(archive: View, record: InstanceRecord, syntax: str, base: str) -> Part:
    location = (
        f"{base}/studies/{record.study_instance_uid}/series/{record.series_instance_uid}"
        f"/instances/{record.sop_instance_uid}"
    )
    data = archive.fetch(record)
    if syntax not in (ANY, record.transfer_syntax_uid):
        data = _explicit_little_endian(data, record)
    given = record.transfer_syntax_uid if syntax == ANY else syntax
    return Part(f"{DICOM}; transfer-syntax={given}", data, location)


def _explicit_little_endian(data: bytes, record: InstanceRecord) -> bytes:
    """The instance in the default transfer syntax; its pixels decompressed."""
    try:
        with quiet_pydicom():
            dataset = pydicom.dcmread(io.BytesIO(data))
            if record.transfer_syntax_uid not in NATIVE_SYNTAXES and record.pixel_tag:
                dataset.decompress(generate_instance_uid=False)
            elif record.transfer_syntax_uid == ExplicitVRBigEndian:
                _swap(dataset)
            dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            target = io.BytesIO()
            pydicom.dcmwrite(target, dataset, implicit_vr=False, little_endian=True, enforce_file_format=True)
    except (*UNREADABLE, RuntimeError) as error:
        name = UID(record.transfer_syntax_uid).name
        raise RequestError(
            406, f"stored as {name}, cannot be given as Explicit VR Little Endian; ask for transfer-syntax=*"
        ) from error
    return target.getvalue()


def _swap(dataset: pydicom.Dataset) -> None:
    """Pydicom writes the bytes of OW and its like as they are: turn them from big to little endian."""
    for element in dataset.iterall():
        if element.VR in ("OW", "OF", "OL", "OD", "OV") and element.value:
            element.value = little_endian(element)


def _bulk_value(archive: View, record: InstanceRecord, path: str) -> bytes:
    if path.upper() == record.pixel_tag:
        pixels = Pixels(archive, record)
        return b"".join(pixels.samples(frame) for frame in range(record.number_of_frames))
    try:
        with quiet_pydicom(), archive.objects.open(record.object_sha256) as file:
            element = _element(pydicom.dcmread(file, stop_before_pixels=int(path[:8], 16) < min(PIXEL_TAGS)), path)
            if record.transfer_syntax_uid == ExplicitVRBigEndian:
                return little_endian(element)
            return bytes(element.value)
    except UNREADABLE:
        raise RequestError(404, f"the instance has no bulk data {path}") from None


def _element(dataset: pydicom.Dataset, path: str) -> Any:
    tag, _, rest = path.partition("/")
    element = dataset[int(tag, 16)]
    if not rest:
        return element
    item, _, below = rest.partition("/")
    return _element(element.value[int(item)], below)


def _first_now(parts: Iterator[Part]) -> Iterator[Part]:
    """Make the first part before the response begins, so that what cannot be made is an error, not a broken stream."""
    first = next(parts)

    def chained() -> Iterator[Part]:
        yield first
        yield from parts

    return chained()
