"""Reading by pydicom: the same that `Walk` finds, of files that are not quite as the standard has them."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import BufferedReader, BytesIO, FileIO
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.multival import MultiValue
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from pellucid.archive.dicom_json import PIXEL_TAGS, UNREADABLE, DicomJson
from pellucid.archive.refusals import FailureReason, StoreRefusedError
from pellucid.archive.walker import MAXIMUM_ELEMENTS, MAXIMUM_INLINE_BYTES, PLACE

MAXIMUM_SEQUENCE_BYTES = 16 << 20
"""Of sequences, which pydicom takes apart whole: each of their bytes may cost it a hundred."""

_DEFER_BYTES = 1 << 16
_pydicom_lock = Lock()
_reading_quietly = ContextVar("reading_quietly", default=False)


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


class PydicomReading:
    """A file's attributes as `Walk` gives them: `lines`, `text` by tag, and `spans` of pixel data."""

    def __init__(self, file: BinaryIO, syntax: str) -> None:
        with quiet_pydicom():
            try:
                self._read(file, syntax)
            except StoreRefusedError:
                raise
            except (*UNREADABLE, OSError) as error:
                raise _cannot_understand(
                    f"cannot be read as DICOM ({type(error).__name__}: truncated or damaged?)"
                ) from error

    def _read(self, file: BinaryIO, syntax: str) -> None:
        size = file.seek(0, 2)
        file.seek(0)
        self._dataset = pydicom.dcmread(file, defer_size=_DEFER_BYTES)
        if syntax != DeflatedExplicitVRLittleEndian:
            _require_end(self._dataset, file, size)
        _require_limits(self._dataset)
        attributes = DicomJson(PLACE, big_endian=syntax == ExplicitVRBigEndian).of(self._dataset)
        if "00080005" in attributes:
            attributes["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
        self.lines = [f'"{tag}":{_dump(value)}' for tag, value in sorted(attributes.items())]
        tag = next((tag for tag in PIXEL_TAGS if tag in self._dataset), None)
        self.spans = {} if tag is None else {int(tag): _span(self._dataset, tag, size)}

    def text(self, tag: int) -> str:
        """The value of an attribute as text; empty where there is none."""
        with quiet_pydicom():
            try:
                value = self._dataset[tag].value if tag in self._dataset else None
                parts = list(value) if isinstance(value, MultiValue | list) else [value]
                return "" if value is None else "\\".join(str(part) for part in parts).strip("\0 ")
            except UNREADABLE:
                return ""


def counted(source: bytes | Path) -> BinaryIO:
    """A file to read from, a limited number of times: each element takes a few."""
    return _CountedBytes(source) if isinstance(source, bytes) else _CountedFile(FileIO(source))


class _Counted:
    """Reads that are counted."""

    _left = 8 * MAXIMUM_ELEMENTS

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise StoreRefusedError(f"has more than {MAXIMUM_ELEMENTS} attributes", FailureReason.OUT_OF_RESOURCES)


class _CountedBytes(BytesIO, _Counted):
    def read(self, size: int | None = -1, /) -> bytes:
        self._count()
        return super().read(size)


class _CountedFile(BufferedReader, _Counted):
    def read(self, size: int | None = -1, /) -> bytes:
        self._count()
        return super().read(size)


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


def _require_limits(dataset: Dataset) -> None:
    """Sequences and texts are in memory several times over before they are JSON."""
    sequences = inline = 0
    for tag in dataset.keys():  # noqa: SIM118 (iterating a data set itself converts every element)
        element: Any = dataset.get_item(tag, keep_deferred=True)
        if isinstance(element, RawDataElement) and tag not in PIXEL_TAGS and element.length != 0xFFFFFFFF:
            inline += 0 if element.VR in ("OB", "OD", "OF", "OL", "OV", "OW") else element.length
            sequences += element.length if element.VR in ("SQ", "UN", None) else 0
    if sequences > MAXIMUM_SEQUENCE_BYTES or inline > MAXIMUM_INLINE_BYTES:
        raise StoreRefusedError(
            f"is not as the standard has it and has {max(sequences, inline)} bytes of sequences and texts",
            FailureReason.OUT_OF_RESOURCES,
        )


def _span(dataset: FileDataset, tag: int, size: int) -> tuple[str, int, int]:
    """VR of the pixel element, and where its value begins and ends."""
    element: Any = dataset.get_item(tag, keep_deferred=True)
    if not isinstance(element, RawDataElement):
        start = int(element.file_tell or 0)
        return element.VR, start, start + len(element.value or b"")
    length = element.length
    if length == 0xFFFFFFFF:
        length = len(element.value) if element.value is not None else size - element.value_tell - 8
    return element.VR or "OW", element.value_tell, element.value_tell + length


def _dump(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace('"BulkDataURI":"\\u0000', f'"BulkDataURI":"{PLACE}')


def _cannot_understand(message: str) -> StoreRefusedError:
    return StoreRefusedError(message, FailureReason.CANNOT_UNDERSTAND)
