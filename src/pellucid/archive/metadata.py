"""One DICOM file taken apart for the index: identifiers, columns, pixel layout, and all attributes as DICOM JSON."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json.encoder import encode_basestring as quoted
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, Protocol

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from pellucid.archive.columns import TAGS, folded, instance_columns, series_columns, study_columns
from pellucid.archive.dicom_json import PIXEL_TAGS
from pellucid.archive.levels import SERIES_TAGS, STUDY_TAGS, is_long
from pellucid.archive.lines import object_of
from pellucid.archive.pydicom_reading import PydicomReading, counted, quiet_pydicom
from pellucid.archive.refusals import FailureReason, StoreRefusedError
from pellucid.archive.values import NotCoveredError
from pellucid.archive.walker import PLACE, Walk

__all__ = ["NATIVE_SYNTAXES", "Parsed", "folded", "parse", "quiet_pydicom"]

NATIVE_SYNTAXES = frozenset(
    {ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian}
)
"""Transfer syntaxes whose pixels are plain samples; in any other they are encapsulated (PS3.5 annex A.4)."""

_NATIVE = frozenset(map(str, NATIVE_SYNTAXES))
_IMPLICIT, _BIG, _DEFLATED = map(str, (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian))
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_WANTED = frozenset({*TAGS.values(), *PIXEL_TAGS})
_MAPPED_BYTES = 1 << 20
_MAXIMUM_FILE_META = 1 << 20
_AVAILABLE_SYNTAX = '"00083002":'


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """What the index keeps of one DICOM file; `study`, `series` and `instance` are values by column name.

    `data_set`: where the data set begins in the file.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    study: dict[str, Any]
    series: dict[str, Any]
    instance: dict[str, Any]
    data_set: int


class _Reading(Protocol):
    """The attributes of a file: `lines` of DICOM JSON in the order of tags, `spans` of values (VR, begin, end)."""

    lines: list[str]
    spans: dict[int, tuple[str, int, int]]

    def text(self, tag: int, /) -> str:
        """A value as text."""


def parse(source: bytes | Path, *, inflated_limit: int) -> Parsed:
    """Take one DICOM file apart; raises `StoreRefusedError` where it cannot be kept."""
    with _opened(source) as data:
        syntax, start = file_meta(data)
        size = len(data)
        try:
            body, begin = (_inflated(data, start, inflated_limit), 0) if syntax == _DEFLATED else (data, start)
            _require_plain_file_meta(data, start)
            walk = Walk(body, begin, implicit=syntax == _IMPLICIT, big_endian=syntax == _BIG, wanted=_WANTED)
            return _parsed(walk, syntax, start, size)
        except NotCoveredError:
            pass
    with counted(source) as file:
        return _parsed(PydicomReading(file, syntax), syntax, start, size)


@contextmanager
def _opened(source: bytes | Path) -> Iterator[bytes | mmap]:
    """The bytes of a file; a large one is mapped, so that only what is looked at is read."""
    if isinstance(source, bytes):
        yield source
        return
    with source.open("rb") as file:
        if source.stat().st_size < _MAPPED_BYTES:
            yield file.read()
        else:
            with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
                yield data


def file_meta(data: bytes | mmap) -> tuple[str, int]:
    """Transfer syntax, and where the data set begins (DICOM PS3.10 section 7.1)."""
    head = data[:4096]
    if head[128:132] != b"DICM":
        raise _cannot_understand("is not a DICOM file: no DICM mark at byte 128")
    if head[132:138] != b"\x02\x00\x00\x00UL":
        raise _cannot_understand("has no File Meta Information group length", "FileMetaInformationGroupLength")
    start = 144 + int.from_bytes(head[140:144], "little")
    found = re.search(rb"\x02\x00\x10\x00UI(..)", head[:start], re.DOTALL)
    if not found:
        raise _cannot_understand("is missing", "TransferSyntaxUID")
    value = head[found.end() : found.end() + int.from_bytes(found[1], "little")]
    return value.decode("ascii", "replace").rstrip("\0 "), start


def _require_plain_file_meta(data: bytes | mmap, start: int) -> None:
    """The file meta group must fill the length that it says; where it does not, it is for pydicom to find its end."""
    position, end = 144, min(start, len(data), _MAXIMUM_FILE_META)
    while position + 8 <= end:
        group, code, length = struct.unpack_from("<H2x2sH", data, position)
        position += 8 + length
        if code in (b"OB", b"UN", b"OW", b"SQ", b"UT"):
            position += 4 + int.from_bytes(data[position - length : position - length + 4], "little") - length
        if group != 2:
            raise NotCoveredError
    if position != start or data[start : start + 2] == b"\x02\x00":
        raise NotCoveredError


def _inflated(data: bytes | mmap, start: int, limit: int) -> bytes:
    """The deflated data set, as long as it keeps to the limit."""
    inflater, parts, total = zlib.decompressobj(-zlib.MAX_WBITS), [], 0
    for position in range(start, len(data), 1 << 16):
        chunk = data[position : position + (1 << 16)]
        while chunk:
            try:
                parts.append(inflater.decompress(chunk, 1 << 20))
            except zlib.error:
                raise _cannot_understand("cannot be inflated: truncated or damaged") from None
            total += len(parts[-1])
            if total > limit:
                raise StoreRefusedError(f"inflates to more than {limit} bytes", FailureReason.OUT_OF_RESOURCES)
            chunk = inflater.unconsumed_tail
    parts.append(inflater.flush())
    if not inflater.eof:
        raise _cannot_understand("cannot be inflated: truncated or damaged")
    return b"".join(parts)


def _parsed(reading: _Reading, syntax: str, start: int, size: int) -> Parsed:
    def text(keyword: str) -> str:
        return reading.text(TAGS[keyword])

    study, series, instance, sop_class = (
        _uid(text(name), name) for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
    )
    lines = [line for line in reading.lines if not line.startswith(_AVAILABLE_SYNTAX)]
    lines.append(f'{_AVAILABLE_SYNTAX}{{"vr":"UI","Value":[{quoted(syntax)}]}}')
    lines.sort()
    long = [line for line in lines if is_long(line)]
    columns = instance_columns(text)
    place = f"/studies/{study}/series/{series}/instances/{instance}/bulkdata"
    return Parsed(
        study_instance_uid=study,
        series_instance_uid=series,
        sop_instance_uid=instance,
        sop_class_uid=sop_class,
        study=study_columns(text) | {"attributes": _joined(lines, place, STUDY_TAGS)},
        series=series_columns(text) | {"attributes": _joined(lines, place, SERIES_TAGS)},
        instance={
            **columns,
            **_pixel_layout(reading, syntax, size, columns, text("PhotometricInterpretation")),
            "transfer_syntax_uid": syntax,
            "content_sha256": "",
            "attributes": _joined([line for line in lines if line not in long] if long else lines, place),
            "long_attributes": _joined(long, place),
        },
        data_set=start,
    )


def _joined(lines: list[str], place: str, tags: frozenset[str] | None = None) -> str:
    """A JSON object with one attribute a line, so that lines can be chosen without reading the JSON."""
    chosen = lines if tags is None else [line for line in lines if line[1:9] in tags]
    return object_of(chosen).replace(PLACE, place) if chosen else ""


def _pixel_layout(
    reading: _Reading, syntax: str, size: int, columns: dict[str, Any], photometric: str
) -> dict[str, Any]:
    tag = next((tag for tag in PIXEL_TAGS if tag in reading.spans), None)
    if tag is None:
        return {"pixel_tag": "", "pixel_offset": -1, "pixel_length": 0}
    _, offset, end = reading.spans[tag]
    length = end - offset
    if syntax == _DEFLATED:
        offset = -1
    elif end > size:
        raise _cannot_understand(
            f"ends at byte {size}, within its pixel data of {length} bytes: truncated", "PixelData"
        )
    if syntax in _NATIVE:
        _require_all_frames(columns, photometric, length)
    return {"pixel_tag": f"{tag:08X}", "pixel_offset": offset, "pixel_length": length}


def _require_all_frames(columns: dict[str, Any], photometric: str, length: int) -> None:
    rows, width, frames = columns["rows"], columns["columns"], columns["number_of_frames"]
    samples = 2 if photometric == "YBR_FULL_422" else columns["samples_per_pixel"]
    needed = (rows * width * frames * samples * columns["bits_allocated"] + 7) // 8
    if length < needed:
        raise _cannot_understand(
            f"holds {length} bytes; {frames} frames of {rows} x {width} need {needed}", "PixelData"
        )


def _uid(value: str, keyword: str) -> str:
    if not value:
        raise _cannot_understand("is missing", keyword)
    if len(value) > 64 or not _UID.fullmatch(value):
        raise _cannot_understand("is not a UID of digits and dots, up to 64 characters", keyword)
    return value


def _cannot_understand(message: str, field: str | None = None) -> StoreRefusedError:
    return StoreRefusedError(message, FailureReason.CANNOT_UNDERSTAND, field=field)
