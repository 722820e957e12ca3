"""A DICOM file opened for its pixels: where its parts lie, what its pixels are, and its frames one by one."""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, Self, cast

import numpy as np

from pellucid.codecs.elements import (
    DOUBLE_PIXEL_DATA,
    FLOAT_PIXEL_DATA,
    PIXEL_DATA,
    Element,
    Encoding,
    Source,
    elements,
    swapped,
)
from pellucid.codecs.fragments import EncapsulatedFrames
from pellucid.codecs.frame_codec import Cells
from pellucid.codecs.pixel_form import Limits, PixelForm
from pellucid.codecs.syntaxes import DEFLATED, Syntax, syntax_of
from pellucid.errors import InvalidInputError

_SMALL = 4096
_FLOATS: dict[int, np.dtype[Any]] = {FLOAT_PIXEL_DATA: np.dtype("<f4"), DOUBLE_PIXEL_DATA: np.dtype("<f8")}
_IN_MEMORY = 64 << 20
EXTENDED_OFFSETS, EXTENDED_LENGTHS = 0x7FE00001, 0x7FE00002
_KEYWORDS = {
    0x00280002: "SamplesPerPixel", 0x00280010: "Rows", 0x00280011: "Columns", 0x00280100: "BitsAllocated",
    0x00280101: "BitsStored", 0x00280102: "HighBit",
}  # fmt: skip


@dataclass
class Instance:
    """One open DICOM file.

    `meta`: attributes of group 2 by tag. `values`: short attributes of the data set by tag, as bytes. `pixel`: the
    pixel element, None where there is none. `source` holds the data set, inflated where it was deflated in `file`.
    """

    file: Source
    source: Source
    syntax: Syntax
    meta: dict[int, tuple[str, bytes]]
    preamble: bytes
    start: int
    limits: Limits
    values: dict[int, bytes] = field(default_factory=dict)
    pixel: Element | None = None
    after: int = 0
    _frames: EncapsulatedFrames | None = None

    @classmethod
    def open(cls, data: bytes | Path | IO[bytes], limits: Limits | None = None) -> Instance:
        """Read a file up to its pixels; raises `InvalidInputError` where it is no DICOM file or damaged."""
        limits = limits or Limits()
        source = Source(data)
        try:
            return cls._opened(source, limits)
        except BaseException:
            source.close()
            raise

    @classmethod
    def _opened(cls, source: Source, limits: Limits) -> Instance:
        preamble = source.read(0, 132) if source.size >= 132 else b""
        if preamble[128:] != b"DICM":
            raise InvalidInputError("is not a DICOM file: no DICM mark at byte 128")
        meta, start = _file_meta(source)
        uid = meta.get(0x00020010, ("UI", b""))[1].rstrip(b"\0 ").decode("ascii", "replace")
        inner, start = (_inflated(source, start, limits), 0) if uid == DEFLATED else (source, start)
        instance = cls(source, inner, syntax_of(uid), meta, preamble, start, limits)
        try:
            instance._walk()
        except BaseException:
            inner.close()
            raise
        return instance

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.source.close()
        self.file.close()

    @cached_property
    def encoding(self) -> Encoding:
        """How its attributes are written; some writers leave the representations out whatever they promise."""
        explicit = self.syntax.explicit
        if explicit and self.source.size >= self.start + 8:
            code = self.source.read(self.start + 4, 2)
            explicit = code.isalpha() and code.isupper()
        return Encoding(explicit=explicit, little=not self.syntax.big_endian)

    @property
    def encapsulated(self) -> bool:
        """Whether the pixels are fragments."""
        return self.pixel is not None and (self.pixel.end < 0 or self._fragments_of_known_length())

    def _fragments_of_known_length(self) -> bool:
        """Some writers give the length of the fragments together, which the standard leaves undefined."""
        pixel = self.pixel
        if pixel is None or self.syntax.native or pixel.length < 16:
            return False
        return self.source.read(pixel.start, 4) == b"\xfe\xff\x00\xe0"

    def form(self) -> PixelForm:
        """What its pixels are; raises `InvalidInputError` where they are none that can be."""
        stored = self._number(0x00280101, self._number(0x00280100, 0))
        form = PixelForm(
            rows=self._number(0x00280010, 0),
            columns=self._number(0x00280011, 0),
            samples=self._number(0x00280002, 1),
            allocated=self._number(0x00280100, 0),
            stored=stored,
            high_bit=self._number(0x00280102, stored - 1),
            signed=self._number(0x00280103, 0) == 1,
            photometric=self.text(0x00280004) or "MONOCHROME2",
            planar=self._number(0x00280006, 0),
            frames=self.frame_count,
        )
        form.require_sound(self.limits)
        return form

    @property
    def frame_count(self) -> int:
        """Number of Frames, at least 1."""
        text = self.text(0x00280008)
        with suppress(ValueError):
            return max(1, int(text or 1))
        raise InvalidInputError(f"is {text!r}; expected a number", field="NumberOfFrames")

    def text(self, tag: int) -> str:
        """A short attribute as text."""
        return self.values.get(tag, b"").decode("latin-1").strip("\0 ")

    def coded_frame(self, index: int) -> bytes:
        """An encapsulated frame, counted from 0."""
        return self.fragments().frame(index)

    def fragments(self) -> EncapsulatedFrames:
        """The encapsulated frames; where they lie is found once."""
        if self._frames is None:
            assert self.pixel is not None
            extended = self.values.get(EXTENDED_OFFSETS), self.values.get(EXTENDED_LENGTHS)
            stop = self.pixel.end if self.pixel.end >= 0 else None
            self._frames = EncapsulatedFrames(self.source, self.pixel.start, stop, self.frame_count, extended)
        return self._frames

    def native_frame(self, index: int, form: PixelForm) -> Cells:
        """A native frame as cells (or floating point), colour by pixel and with all chroma columns."""
        first = index * form.frame_bits
        data = self._native(first // 8, (first + form.frame_bits + 7) // 8)
        if form.allocated == 1:
            count, shift = form.frame_bits, first % 8
            bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[shift : shift + count]
            return _by_pixel(bits, form)
        assert self.pixel is not None
        dtype: np.dtype[Any] = _FLOATS.get(self.pixel.tag, form.dtype)
        if dtype.itemsize != form.dtype.itemsize:
            raise InvalidInputError(f"is {form.allocated}; expected {8 * dtype.itemsize}", field="BitsAllocated")
        return _by_pixel(np.frombuffer(data, dtype), form)

    def end_of_pixels(self) -> int:
        """Where the attribute after the pixels begins."""
        if self.pixel is None:
            return self.source.size
        return self.fragments().end if self.encapsulated else self.pixel.next

    def _native(self, start: int, stop: int) -> bytes:
        """Little endian bytes of the pixel value, which the byte order turns in groups."""
        assert self.pixel is not None
        length = self.pixel.end - self.pixel.start
        if stop > length:
            raise InvalidInputError(f"has {length} bytes; its frames need {stop} at least", field="PixelData")
        width = self.swap_width(self.pixel.vr) if self.syntax.big_endian else 1
        begin, end = start // width * width, min(length, -(-stop // width) * width)
        data = self.source.read(self.pixel.start + begin, end - begin)
        return swapped(data, width)[start - begin : stop - begin]

    def swap_width(self, vr: str) -> int:
        """Bytes that turn together where the pixel value, of representation `vr`, changes its byte order."""
        if vr == "OB":
            return 1
        cell = self._number(0x00280100, 16) // 8
        return {"OF": 4, "OD": 8}.get(vr, cell if cell in (4, 8) else 2)

    def _walk(self) -> None:
        for element in elements(self.source, self.encoding, self.start, self.source.size):
            if element.tag in (PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA):
                self.pixel = element
                break
            if element.tag in (EXTENDED_OFFSETS, EXTENDED_LENGTHS) or (
                element.length <= _SMALL and _needed(element.tag)
            ):
                self.values[element.tag] = self.source.read(element.start, element.length)
        if self.encapsulated == self.syntax.native and self.pixel is not None:
            wanted = "plain samples" if self.syntax.native else "encapsulated frames"
            raise InvalidInputError(f"is not {wanted}, as {self.syntax.name} must be", field="PixelData")

    def _number(self, tag: int, default: int) -> int:
        data = self.values.get(tag, b"")
        if len(data) < 2:
            if tag in _KEYWORDS and default == 0:
                raise InvalidInputError("is missing", field=_KEYWORDS[tag])
            return default
        return int.from_bytes(data[:2], "big" if self.syntax.big_endian else "little")


def _needed(tag: int) -> bool:
    return tag >> 16 in (0x0008, 0x0028) or 0x6000 <= tag >> 16 <= 0x60FF


def _by_pixel(data: Any, form: PixelForm) -> Cells:
    if form.subsampled and (form.columns % 2 or form.samples != 3):
        raise InvalidInputError(f"is {form.columns}: {form.photometric} stores columns in pairs", field="Columns")
    if form.subsampled:  # two pixels: luminance, luminance, both chromas (PS3.3 C.7.6.3.1.2)
        pairs = data.reshape(form.rows, form.columns // 2, 4)
        cells = np.empty((form.rows, form.columns // 2, 2, 3), form.dtype)
        cells[..., 0] = pairs[..., :2]
        cells[..., 1:] = pairs[..., None, 2:]
        return cells.reshape(form.shape)
    if form.samples > 1 and form.planar == 1:
        planes = data.reshape(form.samples, form.rows, form.columns)
        return np.ascontiguousarray(planes.transpose(1, 2, 0))
    return np.asarray(data.reshape(form.shape))


def _file_meta(source: Source) -> tuple[dict[int, tuple[str, bytes]], int]:
    """Group 2, always explicit little endian (PS3.10 section 7.1), and where the data set begins."""
    meta: dict[int, tuple[str, bytes]] = {}
    position = 132
    while position + 8 <= source.size and source.read(position, 2) == b"\x02\0":
        element = next(elements(source, Encoding(), position, source.size))
        if element.length > 1 << 16:
            raise InvalidInputError("has absurd File Meta Information")
        meta[element.tag] = element.vr, source.read(element.start, element.length)
        position = element.next
    if 0x00020010 not in meta:
        raise InvalidInputError("is missing", field="TransferSyntaxUID")
    return meta, position


def _inflated(source: Source, start: int, limits: Limits) -> Source:
    """The data set inflated, within the limits, in memory or, where it is large, in a temporary file."""
    target = SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 (the source keeps it open)
    try:
        _inflate(source, start, limits, target)
    except BaseException:
        target.close()
        raise
    return Source(cast("IO[bytes]", target))


def _inflate(source: Source, start: int, limits: Limits, target: SpooledTemporaryFile[bytes]) -> None:
    inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while start < source.size and not inflater.eof:
        piece = source.read(start, min(1 << 20, source.size - start))
        start += len(piece)
        while piece and not inflater.eof:
            try:
                data = inflater.decompress(piece, 1 << 24)
            except zlib.error as error:
                raise InvalidInputError("cannot be inflated: its deflated data are damaged") from error
            total += len(data)
            if total > limits.instance_bytes:
                raise InvalidInputError(f"inflates to more than {limits.instance_bytes} bytes")
            target.write(data)
            piece = inflater.unconsumed_tail
