"""RLE (PS3.5 annex G) and Deflated Image Frame Compression (PS3.5 section A.4.13): both keep every bit."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.codecs.frame_codec import DECODER_ERRORS, Cells, FrameCodec, Lossy, broken
from pellucid.codecs.pixel_form import PixelForm
from pellucid.errors import InvalidInputError

_HEADER = 64
_SEGMENTS = 15


class RunLength(FrameCodec):
    """RLE: one segment per byte of a cell and sample, the highest byte first; each row of a segment by itself."""

    keeps_unused_bits = True

    def decode(self, coded: bytes, form: PixelForm) -> Cells:
        """See `FrameCodec`."""
        segments = _segments(coded)
        if form.allocated == 1:
            count = form.rows * form.columns
            return _bits(_unfolded(segments, 1, (count + 7) // 8)[0], form)
        width = form.dtype.itemsize
        planes = _unfolded(segments, form.samples * width, form.rows * form.columns)
        cells = np.empty((form.rows * form.columns, form.samples, width), np.uint8)
        for number, plane in enumerate(planes):
            sample, byte = divmod(number, width)
            cells[:, sample, width - 1 - byte] = plane
        return cells.reshape(-1).view(form.dtype).reshape(form.shape)

    def encode(self, frame: Cells, form: PixelForm, lossy: Lossy | None) -> bytes:  # noqa: ARG002
        """See `FrameCodec`."""
        import imagecodecs

        if form.allocated == 1:
            packed = np.packbits(frame.reshape(-1).astype(bool), bitorder="little")
            return _joined([_even(bytes(imagecodecs.packbits_encode(packed.tobytes())))])
        width = form.dtype.itemsize
        cells = np.ascontiguousarray(frame, form.dtype).view(np.uint8).reshape(*form.shape[:2], form.samples, width)
        planes = (cells[:, :, sample, byte] for sample in range(form.samples) for byte in reversed(range(width)))
        coded = (imagecodecs.packbits_encode(plane.copy(), axis=-1) for plane in planes)
        return _joined([_even(bytes(segment)) for segment in coded])

    def refusal(self, form: PixelForm, lossy: Lossy | None) -> str | None:
        """See `FrameCodec`."""
        if lossy is not None:
            return "it cannot lose anything"
        if form.allocated > 32 or form.samples * form.dtype.itemsize > _SEGMENTS:
            return f"{form.samples} samples of {form.allocated} bits need more than {_SEGMENTS} segments"
        return None


class DeflatedFrames(FrameCodec):
    """Each frame a deflated stream of its native bytes."""

    keeps_unused_bits = True

    def decode(self, coded: bytes, form: PixelForm) -> Cells:
        """See `FrameCodec`."""
        size = (form.rows * form.columns + 7) // 8 if form.allocated == 1 else form.cell_bytes
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(coded, size)
        except zlib.error as error:
            raise broken(error) from error
        if len(data) < size:
            raise InvalidInputError(f"a frame inflates to {len(data)} bytes; expected {size}", field="PixelData")
        if form.allocated == 1:
            return _bits(np.frombuffer(data, np.uint8), form)
        return np.frombuffer(data, form.dtype).reshape(form.shape)

    def encode(self, frame: Cells, form: PixelForm, lossy: Lossy | None) -> bytes:  # noqa: ARG002
        """See `FrameCodec`."""
        if form.allocated == 1:
            data = np.packbits(frame.reshape(-1).astype(bool), bitorder="little").tobytes()
        else:
            data = np.ascontiguousarray(frame, form.dtype).tobytes()
        deflater = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        return deflater.compress(data) + deflater.flush()

    def refusal(self, form: PixelForm, lossy: Lossy | None) -> str | None:
        """See `FrameCodec`."""
        if lossy is not None:
            return "it cannot lose anything"
        return "it holds one sample per pixel" if form.samples != 1 else None


def _segments(coded: bytes) -> list[bytes]:
    if len(coded) <= _HEADER:
        raise InvalidInputError("a frame is shorter than an RLE header. Truncated?", field="PixelData")
    header = np.frombuffer(coded, "<u4", 16).tolist()
    starts = header[1 : 1 + min(header[0], _SEGMENTS)]
    ends = [*starts[1:], len(coded)]
    if not starts or any(not _HEADER <= start < end <= len(coded) for start, end in zip(starts, ends, strict=True)):
        raise InvalidInputError("a frame's RLE header names impossible segments", field="PixelData")
    return [coded[start:end] for start, end in zip(starts, ends, strict=True)]


def _unfolded(segments: list[bytes], count: int, size: int) -> list[NDArray[Any]]:
    import imagecodecs

    if len(segments) != count:
        raise InvalidInputError(f"a frame has {len(segments)} RLE segments; expected {count}", field="PixelData")
    planes = []
    for segment in segments:
        try:
            plane = bytes(imagecodecs.packbits_decode(segment))
        except DECODER_ERRORS as error:
            raise broken(error) from error
        if len(plane) < size:
            raise InvalidInputError(f"an RLE segment unfolds to {len(plane)} bytes; expected {size}", field="PixelData")
        planes.append(np.frombuffer(plane, np.uint8, size))
    return planes


def _bits(packed: NDArray[Any], form: PixelForm) -> Cells:
    count = form.rows * form.columns
    return np.unpackbits(packed, bitorder="little")[:count].reshape(form.shape)


def _joined(segments: list[bytes]) -> bytes:
    offsets, position = [], _HEADER
    for segment in segments:
        offsets.append(position)
        position += len(segment)
    header = np.zeros(16, "<u4")
    header[0] = len(segments)
    header[1 : 1 + len(offsets)] = offsets
    return header.tobytes() + b"".join(segments)


def _even(segment: bytes) -> bytes:
    return segment + b"\0" * (len(segment) % 2)
