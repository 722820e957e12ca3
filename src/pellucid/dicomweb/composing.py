"""DICOM files made of metadata and bulk data that came apart (PS3.18 sections 10.5.2, 8.7.3)."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO, Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian

from pellucid.archive import FailureReason, StoreRefusedError
from pellucid.archive.dicom_json import UNREADABLE
from pellucid.archive.metadata import quiet_pydicom
from pellucid.codecs.codestreams import J2K, Header, j2k_header, jpeg_header
from pellucid.dicomweb.dicom_xml import from_xml
from pellucid.dicomweb.multipart import ReceivedPart
from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.resource import DICOM_XML, OCTETS
from pellucid.errors import InvalidInputError

_DEFAULT_SYNTAXES = {
    "image/jpeg": "1.2.840.10008.1.2.4.50",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jphc": "1.2.840.10008.1.2.4.203",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    "video/mpeg2": "1.2.840.10008.1.2.4.100",
    "video/mpeg": "1.2.840.10008.1.2.4.100",
    "video/mp4": "1.2.840.10008.1.2.4.102",
    "video/H265": "1.2.840.10008.1.2.4.107",
}
"""Media type → transfer syntax where none is named (PS3.18 tables 8.7.3-2 … 8.7.3-5)."""

_JPEG_PROCESSES = {0xC0: "1.2.840.10008.1.2.4.50", 0xC1: "1.2.840.10008.1.2.4.51", 0xC3: "1.2.840.10008.1.2.4.70"}
_HEADER_BYTES = 1 << 20
_COLOURS = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
_PIXELS = {"7FE00010": "OW", "7FE00008": "OF", "7FE00009": "OD"}
_LARGEST_VALUE = 0xFFFFFFFE
_DEEPEST = 64


@dataclass(frozen=True)
class BulkParts:
    """Parts that hold bulk data, by where the metadata say they are; several of one place are frames in order."""

    by_location: Mapping[str, Sequence[ReceivedPart]]
    largest_value: int

    @classmethod
    def of(cls, parts: Sequence[ReceivedPart], largest_value: int) -> BulkParts:
        """From the parts of a request."""
        found: dict[str, list[ReceivedPart]] = {}
        for part in parts:
            found.setdefault(part.headers.get("content-location", "").strip(), []).append(part)
        return cls(found, largest_value)

    def at(self, uri: str) -> Sequence[ReceivedPart]:
        """The parts of one place; an address elsewhere is never asked."""
        if not uri or uri not in self.by_location:
            raise _refusal(f"refers to {uri[:200]!r}; no part of the request has this Content-Location", "BulkDataURI")
        return self.by_location[uri]


def data_sets(part: ReceivedPart, largest: int) -> list[dict[str, Any]]:
    """The data sets of a part of metadata, in the DICOM JSON model; raises `RequestError` 400 or 413."""
    if part.size > largest:
        raise RequestError(413, f"metadata of {part.size} bytes; up to {largest} are read")
    content = part.file.read_bytes()
    if part.content_type == DICOM_XML:
        return [from_xml(content)]
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the metadata are not JSON ({str(error)[:100]})") from None
    found = found if isinstance(found, list) else [found]
    if not all(isinstance(item, dict) for item in found):
        raise RequestError(400, "the metadata are not an array of DICOM JSON objects")
    return found


def compose(data: dict[str, Any], bulk: BulkParts, file: Path) -> Path:
    """Write a data set, with its bulk data, as a DICOM file; raises `StoreRefusedError`."""
    try:
        pixel_tag = next((tag for tag in _PIXELS if tag in data), "")
        pixels = _Pixels(pixel_tag, data.pop(pixel_tag), bulk) if pixel_tag else None
        with quiet_pydicom():
            dataset = Dataset.from_json(_checked(data), lambda _tag, _vr, uri: _value(bulk, uri))
            if pixels is not None and pixels.syntax != ExplicitVRLittleEndian:
                _describe(dataset, pixels.header(), len(pixels.parts))
            _write(dataset, pixels, file)
        return file
    except StoreRefusedError:
        raise
    except UNREADABLE as error:
        message = f"the metadata are not a data set ({type(error).__name__})"
        raise StoreRefusedError(message, FailureReason.CANNOT_UNDERSTAND) from error


class _Pixels:
    """The pixel element: plain samples, or an encapsulated stream for each frame."""

    def __init__(self, tag: str, element: Any, bulk: BulkParts) -> None:
        if not isinstance(element, dict):
            raise _refusal("is not an element of DICOM JSON", tag)
        self.tag = int(tag, 16)
        vr = str(element.get("vr"))
        self.vr = vr if vr in ("OB", "OW", "OF", "OD") else _PIXELS[tag]
        self.parts: Sequence[ReceivedPart] = ()
        self.inline = b""
        self.syntax = str(ExplicitVRLittleEndian)
        if "BulkDataURI" in element:
            self.parts = bulk.at(str(element["BulkDataURI"]))
            self.syntax = _syntax(self.parts[0])
        elif "InlineBinary" in element:
            self.inline = base64.b64decode(element["InlineBinary"], validate=True)

    def header(self) -> Header | None:
        """What the first stream says of itself, where it is an image."""
        with self.parts[0].file.open("rb") as stream:
            start = stream.read(_HEADER_BYTES)
        try:
            if start[:2] == b"\xff\xd8":
                return jpeg_header(start)
            if start[:4] == b"\xff\x4f\xff\x51" or start[4:8] == b"jP  ":
                return j2k_header(start)
        except InvalidInputError as error:
            raise _refusal(str(error), "PixelData") from None
        return None

    def write(self, target: IO[bytes]) -> None:
        """The element, copied from the parts' files piece by piece."""
        head = self.tag.to_bytes(4, "little")[2:] + self.tag.to_bytes(4, "little")[:2]
        if self.syntax == ExplicitVRLittleEndian:
            size = sum(part.size for part in self.parts) + len(self.inline)
            if size > _LARGEST_VALUE:
                raise _refusal(f"has {size} bytes; plain samples take up to 4 GiB", "PixelData")
            target.write(head + self.vr.encode() + bytes(2) + (size + size % 2).to_bytes(4, "little") + self.inline)
            for part in self.parts:
                _copy(part, target)
            target.write(bytes(size % 2))
            return
        target.write(head + b"OB" + bytes(2) + b"\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0" + bytes(4))
        for part in self.parts:
            if part.size > _LARGEST_VALUE:
                raise _refusal(f"has a stream of {part.size} bytes; expected up to 4 GiB", "PixelData")
            target.write(b"\xfe\xff\x00\xe0" + (part.size + part.size % 2).to_bytes(4, "little"))
            _copy(part, target)
            target.write(bytes(part.size % 2))
        target.write(b"\xfe\xff\xdd\xe0" + bytes(4))


def _syntax(part: ReceivedPart) -> str:
    """The transfer syntax of a part: as named, as a JPEG's frame header says, or the default of its media type."""
    message = Message()
    message["content-type"] = part.headers.get("content-type", "")
    named = str(message.get_param("transfer-syntax") or "")
    if named:
        if len(named) > 64 or not set(named) <= set("0123456789."):
            raise _refusal(f"is {named[:80]!r}; expected a UID", "transfer-syntax")
        return named
    kind = part.content_type
    if kind in ("", OCTETS):
        return str(ExplicitVRLittleEndian)
    default = {media.lower(): uid for media, uid in _DEFAULT_SYNTAXES.items()}.get(kind)
    if default is None:
        raise _refusal(f"is {kind!r}; expected {OCTETS}, or a media type of PS3.18 section 8.7.3", "Content-Type")
    if kind == "image/jpeg":
        with part.file.open("rb") as stream:
            try:
                default = _JPEG_PROCESSES.get(jpeg_header(stream.read(_HEADER_BYTES)).process, default)
            except InvalidInputError as error:
                raise _refusal(str(error), "PixelData") from None
    return default


def _describe(dataset: Dataset, header: Header | None, frames: int) -> None:
    """Image attributes that the metadata leave to the stream (PS3.18 section 10.5.2.2); what they say must be true."""
    if frames > 1 and "NumberOfFrames" not in dataset:
        dataset.NumberOfFrames = frames
    if header is None:
        return
    stored = header.bits
    told = {"Rows": header.rows, "Columns": header.columns, "SamplesPerPixel": header.samples}
    for keyword, value in told.items():
        if keyword in dataset and dataset.get(keyword) != value:
            raise _refusal(f"is {dataset.get(keyword)}; the coded image says {value}", keyword)
    signed, photometric = int(header.signed), _photometric(header)
    if _is_of_other_samples(dataset.get("PhotometricInterpretation"), photometric, header):
        dataset.PhotometricInterpretation = photometric
    guessed: dict[str, int | str] = {
        **told,
        "BitsAllocated": 8 if stored <= 8 else 16 if stored <= 16 else 32,
        "BitsStored": stored,
        "HighBit": stored - 1,
        "PixelRepresentation": signed,
        "PhotometricInterpretation": photometric,
        **({"PlanarConfiguration": 0} if header.samples > 1 else {}),
    }
    for keyword, guess in guessed.items():
        if keyword not in dataset:
            setattr(dataset, keyword, guess)


def _photometric(header: Header) -> str:
    """What the coded samples are (PS3.5 sections 8.2.1, 8.2.4)."""
    if header.samples == 1 or not header.transformed:
        return "MONOCHROME2" if header.samples == 1 else "RGB"
    if header.process != J2K:
        return "YBR_FULL_422"
    return "YBR_RCT" if header.reversible else "YBR_ICT"


def _is_of_other_samples(told: str | None, photometric: str, header: Header) -> bool:
    """Whether the metadata tell of colours as they were before they were coded, or are afterwards, as they often do."""
    if header.transformed is None or not {told, photometric} <= _COLOURS:
        return False
    return told != photometric if header.process == J2K else (told == "RGB") == header.transformed


def _write(dataset: Dataset, pixels: _Pixels | None, file: Path) -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.UID(pixels.syntax if pixels else ExplicitVRLittleEndian)
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID", "")
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", "")
    before, after = Dataset(), Dataset()
    for element in dataset:
        if element.tag.group not in (0, 2) and element.tag != 0xFFFCFFFC:
            (after if pixels and element.tag > pixels.tag else before).add(element)
    before.file_meta = meta
    head, tail = io.BytesIO(), io.BytesIO()
    try:
        pydicom.dcmwrite(head, before, implicit_vr=False, little_endian=True, enforce_file_format=True)
        rest = DicomFileLike(tail)
        rest.is_little_endian, rest.is_implicit_VR = True, False
        write_dataset(rest, after)
    except OSError as error:  # so pydicom calls a value that does not fit its value representation
        raise ValueError from error
    try:
        with file.open("wb") as target:
            target.write(head.getbuffer())
            if pixels is not None:
                pixels.write(target)
            target.write(tail.getbuffer())
    except OSError as error:
        message = f"cannot be written: {error.strerror or error}"
        raise StoreRefusedError(message, FailureReason.OUT_OF_RESOURCES) from error


def _copy(part: ReceivedPart, target: IO[bytes]) -> None:
    with part.file.open("rb") as source:
        shutil.copyfileobj(source, target, 1 << 20)


def _value(bulk: BulkParts, uri: Any) -> bytes:
    parts = bulk.at(str(uri))
    size = sum(part.size for part in parts)
    if size > bulk.largest_value:
        raise StoreRefusedError(
            f"a value has {size} bytes; other than pixels up to {bulk.largest_value} are taken",
            FailureReason.OUT_OF_RESOURCES,
        )
    data = b"".join(part.file.read_bytes() for part in parts)
    return data + bytes(len(data) % 2)


def _checked(data: dict[str, Any]) -> dict[str, Any]:
    """The data set, unless it is nested too deep for what reads it."""
    for depth, _ in _levels(data, 0):
        if depth > _DEEPEST:
            raise _refusal(f"is nested deeper than {_DEEPEST}", "sequence")
    return data


def _levels(data: dict[str, Any], depth: int) -> Iterator[tuple[int, dict[str, Any]]]:
    yield depth, data
    if depth <= _DEEPEST:
        for element in data.values():
            for item in element.get("Value") or () if element.get("vr") == "SQ" else ():
                if isinstance(item, dict):
                    yield from _levels(item, depth + 1)


def text_of(data: Mapping[str, Any], tag: str) -> str:
    """The first value of an element, where it is text that can be repeated in an answer."""
    element = data.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    text = values[0] if isinstance(values, list) and values else ""
    return text[:64] if isinstance(text, str) else ""


def _refusal(message: str, field: str) -> StoreRefusedError:
    return StoreRefusedError(message, FailureReason.CANNOT_UNDERSTAND, field=field)
