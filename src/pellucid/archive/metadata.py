"""One DICOM file taken apart for the index: identifiers, columns, pixel layout, and all attributes as DICOM JSON."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import unicodedata
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.multival import MultiValue
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from pellucid.archive.dicom_json import PIXEL_TAGS, UNREADABLE, DicomJson
from pellucid.archive.levels import SERIES_TAGS, STUDY_TAGS
from pellucid.archive.refusals import FailureReason, StoreRefusedError

NATIVE_SYNTAXES = frozenset(
    {ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian}
)
"""Transfer syntaxes whose pixels are plain samples; in any other they are encapsulated (PS3.5 annex A.4)."""

_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_DEFER_BYTES = 1 << 16
_pydicom_lock = Lock()
_reading_quietly = ContextVar("reading_quietly", default=False)


@dataclass(frozen=True, kw_only=True)
class Parsed:
    """What the index keeps of one DICOM file; `study`, `series` and `instance` are values by column name."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    study: dict[str, Any]
    series: dict[str, Any]
    instance: dict[str, Any]


def parse(source: bytes | Path, *, inflated_limit: int) -> Parsed:
    """Take one DICOM file apart; raises `StoreRefusedError` where it cannot be kept."""
    with _opened(source) as file:
        head = file.read(4096)
        size = file.seek(0, 2)
        file.seek(0)
        syntax, start = _file_meta(head)
        if syntax == DeflatedExplicitVRLittleEndian:
            _refuse_bomb(file, start, inflated_limit)
        try:
            with quiet_pydicom():
                dataset = pydicom.dcmread(file, defer_size=_DEFER_BYTES if isinstance(source, Path) else None)
                if syntax != DeflatedExplicitVRLittleEndian:
                    _require_end(dataset, file, size)
                return _parsed(dataset, syntax, size, _digest(file, start))
        except StoreRefusedError:
            raise
        except UNREADABLE as error:
            raise _cannot_understand(
                f"cannot be read as DICOM ({type(error).__name__}: truncated or damaged?)"
            ) from error


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Read without warnings and logs: they quote values, and values may identify a patient.

    One thread at a time, because Python's warning filters belong to the whole process.
    """
    logging.getLogger("pydicom").addFilter(_unless_quiet)  # a second time does nothing
    with _pydicom_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        token = _reading_quietly.set(True)
        try:
            yield
        finally:
            _reading_quietly.reset(token)


def _unless_quiet(_record: logging.LogRecord) -> bool:
    return not _reading_quietly.get()


def read_dataset(file: BinaryIO) -> FileDataset:
    """A stored object as a pydicom data set."""
    with quiet_pydicom():
        return pydicom.dcmread(file)


def folded(name: str) -> str:
    """A person's name for matching: lower case, no accents, no empty trailing components."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(c))
    return "=".join(group.strip().rstrip("^ ") for group in plain.split("=")).rstrip("=")


@contextmanager
def _opened(source: bytes | Path) -> Iterator[BinaryIO]:
    with BytesIO(source) if isinstance(source, bytes) else source.open("rb") as file:
        yield file


def _file_meta(head: bytes) -> tuple[UID, int]:
    """Transfer syntax, and where the data set begins (DICOM PS3.10 section 7.1)."""
    if head[128:132] != b"DICM":
        raise _cannot_understand("is not a DICOM file: no DICM mark at byte 128")
    if head[132:138] != b"\x02\x00\x00\x00UL":
        raise _cannot_understand("has no File Meta Information group length", "FileMetaInformationGroupLength")
    start = 144 + int.from_bytes(head[140:144], "little")
    found = re.search(rb"\x02\x00\x10\x00UI(..)", head[:start], re.DOTALL)
    if not found:
        raise _cannot_understand("is missing", "TransferSyntaxUID")
    value = head[found.end() : found.end() + int.from_bytes(found[1], "little")]
    return UID(value.decode("ascii", "replace").rstrip("\0 ")), start


def _refuse_bomb(file: BinaryIO, start: int, limit: int) -> None:
    """Inflate within the limit, before pydicom does so without one."""
    file.seek(start)
    inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while chunk := file.read(1 << 16):
        while chunk:
            try:
                total += len(inflater.decompress(chunk, 1 << 20))
            except zlib.error:
                raise _cannot_understand("cannot be inflated: truncated or damaged") from None
            if total > limit:
                raise StoreRefusedError(f"inflates to more than {limit} bytes", FailureReason.OUT_OF_RESOURCES)
            chunk = inflater.unconsumed_tail
    file.seek(0)


def _require_end(dataset: Dataset, file: BinaryIO, size: int) -> None:
    """Refuse a file that ends within an element; pydicom reads what there is without a word."""
    if not len(dataset):
        raise _cannot_understand("holds no readable attributes: truncated or damaged?")
    last: Any = dataset.get_item(max(dataset.keys()), keep_deferred=True)
    defined = isinstance(last, RawDataElement) and last.length != 0xFFFFFFFF
    end = last.value_tell + last.length if defined else size - 8
    file.seek(max(0, min(end, size)))
    tail = file.read(8)
    delimiter = tail in (b"\xfe\xff\xdd\xe0\0\0\0\0", b"\xff\xfe\xe0\xdd\0\0\0\0")
    if end > size or (defined and len(tail) < 8 and tail.strip(b"\0")) or not (defined or delimiter):
        raise _cannot_understand(f"ends at byte {size} within an attribute: truncated")


def _digest(file: BinaryIO, start: int) -> str:
    """SHA-256 of the data set alone: a sender's file meta says nothing about the image."""
    file.seek(start)
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def _parsed(dataset: FileDataset, syntax: UID, size: int, content: str) -> Parsed:
    uids = {
        name: _uid(dataset, name) for name in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
    }
    place = f"/studies/{uids['StudyInstanceUID']}/series/{uids['SeriesInstanceUID']}/instances/{uids['SOPInstanceUID']}"
    attributes = DicomJson(f"{place}/bulkdata", big_endian=syntax == ExplicitVRBigEndian).of(dataset)
    if "00080005" in attributes:
        attributes["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
    attributes["00083002"] = {"vr": "UI", "Value": [str(syntax)]}
    return Parsed(
        study_instance_uid=uids["StudyInstanceUID"],
        series_instance_uid=uids["SeriesInstanceUID"],
        sop_instance_uid=uids["SOPInstanceUID"],
        sop_class_uid=uids["SOPClassUID"],
        study=_study_columns(dataset, attributes),
        series=_series_columns(dataset, attributes),
        instance={
            **_instance_columns(dataset),
            **_pixel_layout(dataset, syntax, size),
            "transfer_syntax_uid": str(syntax),
            "content_sha256": content,
            "attributes": _dump(attributes),
        },
    )


def _study_columns(dataset: Dataset, attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "patient_id": _text(dataset, "PatientID"),
        "patient_name_folded": folded(_text(dataset, "PatientName")),
        "patient_birth_date": _text(dataset, "PatientBirthDate")[:8],
        "patient_sex": _text(dataset, "PatientSex")[:16],
        "study_date": _text(dataset, "StudyDate")[:8],
        "study_time": _text(dataset, "StudyTime")[:16],
        "study_id": _text(dataset, "StudyID"),
        "study_description": _text(dataset, "StudyDescription"),
        "accession_number": _text(dataset, "AccessionNumber"),
        "referring_physician_name_folded": folded(_text(dataset, "ReferringPhysicianName")),
        "attributes": _dump({tag: value for tag, value in attributes.items() if tag in STUDY_TAGS}),
    }


def _series_columns(dataset: Dataset, attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        "modality": _text(dataset, "Modality")[:16],
        "series_number": _integer(dataset, "SeriesNumber"),
        "series_description": _text(dataset, "SeriesDescription"),
        "series_date": _text(dataset, "SeriesDate")[:8],
        "series_time": _text(dataset, "SeriesTime")[:16],
        "body_part_examined": _text(dataset, "BodyPartExamined")[:16],
        "performed_procedure_step_start_date": _text(dataset, "PerformedProcedureStepStartDate")[:8],
        "performed_procedure_step_start_time": _text(dataset, "PerformedProcedureStepStartTime")[:16],
        "attributes": _dump({tag: value for tag, value in attributes.items() if tag in SERIES_TAGS}),
    }


def _instance_columns(dataset: Dataset) -> dict[str, Any]:
    return {
        "instance_number": _integer(dataset, "InstanceNumber"),
        "content_date": _text(dataset, "ContentDate")[:8],
        "content_time": _text(dataset, "ContentTime")[:16],
        "number_of_frames": max(1, _integer(dataset, "NumberOfFrames") or 1),
        "rows": _integer(dataset, "Rows") or 0,
        "columns": _integer(dataset, "Columns") or 0,
        "samples_per_pixel": _integer(dataset, "SamplesPerPixel") or 1,
        "bits_allocated": _integer(dataset, "BitsAllocated") or 0,
    }


def _pixel_layout(dataset: FileDataset, syntax: UID, size: int) -> dict[str, Any]:
    tag = next((tag for tag in PIXEL_TAGS if tag in dataset), None)
    if tag is None:
        return {"pixel_tag": "", "pixel_offset": -1, "pixel_length": 0}
    element = dataset.get_item(tag, keep_deferred=True)
    length, offset = _length_and_offset(element, size)
    if syntax == DeflatedExplicitVRLittleEndian:
        return {"pixel_tag": f"{tag:08X}", "pixel_offset": -1, "pixel_length": length}
    if offset + length > size:
        raise _cannot_understand(
            f"ends at byte {size}, within its pixel data of {length} bytes: truncated", "PixelData"
        )
    if syntax in NATIVE_SYNTAXES:
        _require_all_frames(dataset, length)
    return {"pixel_tag": f"{tag:08X}", "pixel_offset": offset, "pixel_length": length}


def _length_and_offset(element: Any, size: int) -> tuple[int, int]:
    if isinstance(element, RawDataElement):
        undefined = element.length == 0xFFFFFFFF
        known = len(element.value) if element.value is not None else size - element.value_tell
        return known if undefined else element.length, element.value_tell
    return len(element.value or b""), int(element.file_tell or 0)


def _require_all_frames(dataset: Dataset, length: int) -> None:
    columns = _instance_columns(dataset)
    samples = columns["samples_per_pixel"]
    if _text(dataset, "PhotometricInterpretation") == "YBR_FULL_422":
        samples = 2
    bits = columns["rows"] * columns["columns"] * columns["number_of_frames"] * samples * columns["bits_allocated"]
    if length < (bits + 7) // 8:
        raise _cannot_understand(
            f"holds {length} bytes; {columns['number_of_frames']} frames of {columns['rows']} x {columns['columns']} "
            f"need {(bits + 7) // 8}",
            "PixelData",
        )


def _dump(attributes: dict[str, Any]) -> str:
    return json.dumps(attributes, ensure_ascii=False, separators=(",", ":"))


def _text(dataset: Dataset, keyword: str) -> str:
    try:
        value = dataset.get(keyword)
    except UNREADABLE:
        return ""
    if value is None:
        return ""
    parts = list(value) if isinstance(value, MultiValue | list) else [value]
    return "\\".join(str(part) for part in parts).strip("\0 ")


def _integer(dataset: Dataset, keyword: str) -> int | None:
    try:
        return int(_text(dataset, keyword))
    except ValueError:
        return None


def _uid(dataset: Dataset, keyword: str) -> str:
    value = _text(dataset, keyword)
    if not value:
        raise _cannot_understand("is missing", keyword)
    if len(value) > 64 or not _UID.fullmatch(value):
        raise _cannot_understand("is not a UID of digits and dots, up to 64 characters", keyword)
    return value


def _cannot_understand(message: str, field: str | None = None) -> StoreRefusedError:
    return StoreRefusedError(message, FailureReason.CANNOT_UNDERSTAND, field=field)
