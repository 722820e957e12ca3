"""A whole instance in another transfer syntax."""

from __future__ import annotations

import io
import zlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any, BinaryIO, cast

import numpy as np

from pellucid.codecs.changes import MEDIA_SOP_INSTANCE_UID, SOP_INSTANCE_UID, Changes, EmbeddedOverlays, changes
from pellucid.codecs.conversion import Conversion, Converter
from pellucid.codecs.elements import (
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    Encoding,
    Recoding,
    elements,
    header,
    swapped,
)
from pellucid.codecs.fragments import offset_tables, write_item
from pellucid.codecs.frame_codec import Lossy
from pellucid.codecs.instance import EXTENDED_LENGTHS, EXTENDED_OFFSETS, Instance
from pellucid.codecs.pixel_form import Limits, PixelForm
from pellucid.codecs.sandbox import in_sandbox
from pellucid.codecs.syntaxes import DEFLATED, EXPLICIT, Kind, Syntax, require_known
from pellucid.codecs.table import CODECS, codec_of
from pellucid.errors import UnsupportedError
from pellucid.progress import Progress, no_progress

_IN_MEMORY = 64 << 20
_SWAPPED = 2
_LARGEST_NATIVE = 0xFFFFFFFE
_IN_ADVANCE = 2


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to transcode: `lossy` allows loss and says how much. `converter` decodes, in a process of its own by default.

    `parallel`: frames at the same time; memory is a few frames for each.
    """

    lossy: Lossy | None = None
    limits: Limits = field(default_factory=Limits)
    converter: Converter = in_sandbox
    parallel: int = 1
    progress: Progress = no_progress


def transcode(data: bytes | Path, to_syntax: str, options: Options | None = None) -> bytes:
    """A DICOM file (its bytes, or where it is) in the transfer syntax `to_syntax`, as bytes.

    Lossless unless `options.lossy` is given: what was encoded is decoded again, by another library where there is
    one, and compared. Only attributes that must change do (PS3.5 section 8.2); a lossy copy is a new instance.
    Raises `InvalidInputError` where the file is damaged and `UnsupportedError` with the reason where its pixels
    cannot become that.
    """
    target = io.BytesIO()
    transcode_into(target, data, to_syntax, options)
    return target.getvalue()


def transcode_into(
    target: BinaryIO, data: bytes | Path | IO[bytes], to_syntax: str, options: Options | None = None
) -> None:
    """As `transcode`, written as it is made: memory is bounded by a few frames, whatever the size of the file.

    `data` may be an open file too, which is closed.
    """
    options, wanted = options or Options(), require_known(to_syntax)
    with Instance.open(data, options.limits) as instance:
        if wanted.uid == instance.syntax.uid and options.lossy is None:
            _copy(instance, target)
            return
        if instance.syntax.kind in (Kind.VIDEO, Kind.OTHER) and instance.pixel is not None:
            codec_of(instance.syntax.uid)
        if wanted.native and (instance.pixel is None or instance.syntax.native):
            _Writer(instance, wanted, target).write(Changes())
            return
        _convert(instance, wanted, target, options)


def _copy(instance: Instance, target: BinaryIO) -> None:
    source = instance.file
    for start in range(0, source.size, 1 << 20):
        target.write(source.read(start, min(1 << 20, source.size - start)))


def _convert(instance: Instance, wanted: Syntax, target: BinaryIO, options: Options) -> None:
    if instance.pixel is None:
        raise UnsupportedError(f"has no pixels that could be {wanted.name}", field="PixelData")
    if instance.pixel.tag != PIXEL_DATA:
        raise UnsupportedError(f"cannot become {wanted.name}: floating point has no codec", field="PixelData")
    form = instance.form()
    conversion = Conversion(
        given=instance.syntax.uid, form=form, wanted=wanted.uid, lossy=options.lossy, limits=options.limits
    )
    conversion.require_possible()
    after = conversion.result()
    if wanted.native and after.native_bytes > _LARGEST_NATIVE:
        raise UnsupportedError(f"is {after.native_bytes} bytes; native pixels hold 4 GiB at most", field="PixelData")
    overlays = _moved_overlays(instance, conversion, options)
    with SpooledTemporaryFile(max_size=_IN_MEMORY) as spool:
        store = _Bits(spool) if wanted.native and form.allocated == 1 else _Frames(spool)
        for number, frame in enumerate(_frames(instance, conversion, options), 1):
            store.add(frame)
            options.progress(number / form.frames)
        store.finish()
        coded = sum(store.lengths) if not wanted.native else sum(map(len, _coded(instance, form.frames)))
        made = changes(instance, conversion, after.native_bytes, max(1, coded))
        overlays.write(made)
        writer = _Writer(instance, wanted, target)
        if wanted.native:
            writer.write(made, _Native(spool, after))
        else:
            writer.write(made, _Encapsulated(spool, store.lengths))


def _coded(instance: Instance, frames: int) -> Iterator[bytes]:
    return (instance.coded_frame(index) for index in range(frames))


def _frames(instance: Instance, conversion: Conversion, options: Options) -> Iterator[bytes]:
    """All frames converted, in order, `parallel` of them at the same time."""
    form = conversion.form

    def one(index: int) -> bytes:
        if instance.encapsulated:
            return options.converter(conversion, instance.coded_frame(index))
        return conversion.of_cells(instance.native_frame(index, form))

    if options.parallel <= 1 or form.frames == 1:
        yield from map(one, range(form.frames))
        return
    yield from _in_parallel(instance, conversion, options)


def _in_parallel(instance: Instance, conversion: Conversion, options: Options) -> Iterator[bytes]:
    """The file is read here; threads only compute."""
    with ThreadPoolExecutor(options.parallel, thread_name_prefix="transcode") as pool:
        waiting: deque[Future[bytes]] = deque()
        try:
            for index in range(conversion.form.frames):
                if instance.encapsulated:
                    waiting.append(pool.submit(options.converter, conversion, instance.coded_frame(index)))
                else:
                    cells = instance.native_frame(index, conversion.form)
                    waiting.append(pool.submit(conversion.of_cells, cells))
                if len(waiting) >= _IN_ADVANCE * options.parallel:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _moved_overlays(instance: Instance, conversion: Conversion, options: Options) -> EmbeddedOverlays:
    """Overlays in unused bits, where the wanted codec does not keep those."""
    form = conversion.form
    overlays = EmbeddedOverlays(instance, form)
    codec = CODECS.get(conversion.wanted)
    if codec is None or codec.keeps_unused_bits or conversion.copies or not overlays.bits:
        return overlays
    native = Conversion(given=conversion.given, form=form, wanted=EXPLICIT, limits=options.limits)
    for index in range(form.frames):
        if instance.encapsulated:
            data = options.converter(native, instance.coded_frame(index))
            overlays.take(np.frombuffer(data, form.dtype))
        else:
            overlays.take(instance.native_frame(index, form))
    return overlays


class _Frames:
    """Frames on their way: their bytes in a temporary file, their lengths here."""

    def __init__(self, spool: IO[bytes]) -> None:
        self._spool = spool
        self.lengths: list[int] = []

    def add(self, frame: bytes) -> None:
        """The next frame."""
        self._spool.write(frame)
        self.lengths.append(len(frame))

    def finish(self) -> None:
        """All frames are there."""


class _Bits(_Frames):
    """Frames of single bits without a gap (PS3.5 section 8.1.1)."""

    _rest = np.zeros(0, np.uint8)

    def add(self, frame: bytes) -> None:
        """The next frame, one byte per bit."""
        bits = np.concatenate([self._rest, np.frombuffer(frame, np.uint8)])
        whole = len(bits) // 8 * 8
        self._spool.write(np.packbits(bits[:whole], bitorder="little").tobytes())
        self._rest = bits[whole:]

    def finish(self) -> None:
        """The last, incomplete byte."""
        self._spool.write(np.packbits(self._rest, bitorder="little").tobytes())


@dataclass(frozen=True)
class _Native:
    spool: IO[bytes]
    form: PixelForm

    def write(self, target: BinaryIO, wanted: Syntax) -> None:
        size = self.spool.tell()
        vr = "OB" if self.form.allocated <= 8 and wanted.explicit else "OW"
        encoding = Encoding(explicit=wanted.explicit, little=not wanted.big_endian)
        target.write(header(PIXEL_DATA, vr, size + size % 2, encoding))
        width = max(_SWAPPED, self.form.allocated // 8) if wanted.big_endian and vr == "OW" else 1
        self.spool.seek(0)
        while chunk := self.spool.read(1 << 20):
            target.write(swapped(chunk, width))
        target.write(b"\0" * (size % 2))


@dataclass(frozen=True)
class _Encapsulated:
    spool: IO[bytes]
    lengths: list[int]

    def write(self, target: BinaryIO, wanted: Syntax) -> None:  # noqa: ARG002 (as `_Native.write`)
        basic, offsets, lengths = offset_tables([length + length % 2 for length in self.lengths])
        encoding = Encoding()
        if offsets:
            for tag, data in ((EXTENDED_OFFSETS, offsets), (EXTENDED_LENGTHS, lengths)):
                target.write(header(tag, "OV", len(data), encoding) + data)
        target.write(header(PIXEL_DATA, "OB", UNDEFINED, encoding))
        write_item(target, basic)
        self.spool.seek(0)
        for length in self.lengths:
            write_item(target, self.spool.read(length))
        target.write(header(SEQUENCE_END, "", 0, encoding))


class _Writer:
    """Writes an instance in another transfer syntax, its attributes in order."""

    def __init__(self, instance: Instance, wanted: Syntax, target: BinaryIO) -> None:
        self._instance = instance
        self._wanted = wanted
        self._file = target
        self._deflater = _Deflater(target) if wanted.uid == DEFLATED else None
        self._target = cast("BinaryIO", self._deflater) if self._deflater else target
        self._encoding = Encoding(explicit=wanted.explicit, little=not wanted.big_endian)

    def write(self, made: Changes, pixels: _Native | _Encapsulated | None = None) -> None:
        """The file; `pixels` None: the value is written as it is."""
        self._write_meta(made)
        instance = self._instance
        signed = instance.values.get(0x00280103, b"\0\0").strip(b"\0") == b"\1"
        recoding = Recoding(instance.source, instance.encoding, self._encoding, signed=signed)
        waiting = sorted(made.values.items())
        if pixels is not None:
            made.values |= {EXTENDED_OFFSETS: None, EXTENDED_LENGTHS: None}
        for element in elements(instance.source, instance.encoding, instance.start, instance.source.size):
            while waiting and waiting[0][0] <= element.tag:
                self._write_change(*waiting.pop(0))
            if element.tag == (instance.pixel.tag if instance.pixel else -1):
                break
            if element.tag not in made.values and element.tag & 0xFFFF:
                recoding.write(element, self._target)
        self._write_pixels(recoding, pixels)
        after = instance.end_of_pixels()
        for element in elements(instance.source, instance.encoding, after, instance.source.size):
            recoding.write(element, self._target)
        if self._deflater:
            self._deflater.finish()

    def _write_pixels(self, recoding: Recoding, pixels: _Native | _Encapsulated | None) -> None:
        element, instance = self._instance.pixel, self._instance
        if pixels is not None:
            pixels.write(self._target, self._wanted)
        elif element is not None:
            vr = element.vr or recoding.representation(element)
            self._target.write(header(element.tag, vr, element.length, self._encoding))
            width = instance.swap_width(vr) if instance.encoding.little != self._encoding.little else 1
            for start in range(element.start, element.end, 1 << 20):
                data = instance.source.read(start, min(1 << 20, element.end - start))
                self._target.write(swapped(data, width))

    def _write_change(self, tag: int, value: tuple[str, bytes] | None) -> None:
        if value is not None:
            vr, data = value
            if vr == "US" and not self._encoding.little:
                data = swapped(data, 2)
            self._target.write(header(tag, vr, len(data), self._encoding) + data)

    def _write_meta(self, made: Changes) -> None:
        """File Meta Information (PS3.10 section 7.1): only what must change does, and its length."""
        meta = dict(self._instance.meta)
        meta.pop(0x00020000, None)
        uid = self._wanted.uid.encode()
        meta[0x00020010] = "UI", uid + b"\0" * (len(uid) % 2)
        new = made.values.get(SOP_INSTANCE_UID)
        if new is not None:
            meta[MEDIA_SOP_INSTANCE_UID] = new
        explicit = Encoding()
        written = b"".join(header(tag, vr, len(data), explicit) + data for tag, (vr, data) in sorted(meta.items()))
        length = header(0x00020000, "UL", 4, explicit) + len(written).to_bytes(4, "little")
        self._file.write(self._instance.preamble + length + written)


class _Deflater:
    """A target that deflates (PS3.5 section A.5)."""

    def __init__(self, target: BinaryIO) -> None:
        self._target = target
        self._deflater = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._size = 0

    def write(self, data: Any) -> int:
        """The next bytes."""
        made = self._deflater.compress(data)
        self._size += len(made)
        self._target.write(made)
        return len(data)

    def finish(self) -> None:
        """What is left, and the padding to an even length."""
        made = self._deflater.flush()
        self._target.write(made + b"\0" * ((self._size + len(made)) % 2))
