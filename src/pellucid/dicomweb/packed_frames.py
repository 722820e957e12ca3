"""Frames of single bits, native or RLE, and deflated frames: what pydicom does not decode, or only in whole bytes."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.encaps import get_frame
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
"""Deflated Image Frame Compression (PS3.5 section A.4.13)."""

_NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian)
_RLE_HEADER_BYTES = 64
_TYPES = {8: "u1", 16: "<u2", 32: "<u4"}


def is_packed(dataset: FileDataset) -> bool:
    """Whether the pixels are of this kind."""
    syntax = dataset.file_meta.TransferSyntaxUID
    single = dataset.BitsAllocated == 1 and (syntax == RLELossless or syntax in _NATIVE)
    return single or syntax == DEFLATED_FRAMES


def packed_frame(dataset: FileDataset, frame: int) -> NDArray[Any]:
    """A frame (counted from 0) of one sample per pixel, `[row, column]`, as stored.

    Single bits lie eight to a byte, the first lowest: native frames without a gap (PS3.5 section 8.1.1), coded ones
    each in whole bytes (sections 8.2.2, 8.2.16).
    Raises ValueError where the data is not what the header says.
    """
    bits, count = int(dataset.BitsAllocated), int(dataset.Rows) * int(dataset.Columns)
    if int(dataset.SamplesPerPixel) != 1 or bits not in (1, *_TYPES):
        raise ValueError("one sample per pixel expected")
    native = dataset.file_meta.TransferSyntaxUID in _NATIVE
    first, shift = divmod(frame * count, 8) if native else (0, 0)
    size = (shift + count * bits + 7) // 8
    data = dataset.PixelData[first : first + size] if native else _unfolded(dataset, frame, size)
    if len(data) < size:
        raise ValueError(f"a frame unfolds to {len(data)} bytes; expected {size}")
    shape = (int(dataset.Rows), int(dataset.Columns))
    if bits == 1:
        unpacked = np.unpackbits(np.frombuffer(data, np.uint8, size), bitorder="little")
        return unpacked[shift : shift + count].reshape(shape)
    values: NDArray[Any] = np.frombuffer(data, _TYPES[bits], count).reshape(shape)
    return values.view(values.dtype.str.replace("u", "i")) if dataset.get("PixelRepresentation") else values


def _unfolded(dataset: FileDataset, frame: int, size: int) -> bytes:
    coded = get_frame(dataset.PixelData, frame, number_of_frames=int(dataset.get("NumberOfFrames") or 1))
    return _inflated(coded, size) if dataset.file_meta.TransferSyntaxUID == DEFLATED_FRAMES else _run_lengths(coded)


def _inflated(coded: bytes, size: int) -> bytes:
    """At most `size` bytes: what a stream claims beyond them is not unfolded."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(coded, size)
    except zlib.error as error:
        raise ValueError(f"a frame is not a deflated stream ({error})") from error


def _run_lengths(coded: bytes) -> bytes:
    """The one segment of a frame of single bits (PS3.5 annex G); runs unfold to 64 times their size at most."""
    import imagecodecs

    if len(coded) <= _RLE_HEADER_BYTES or int.from_bytes(coded[:4], "little") != 1:
        raise ValueError("one run-length segment expected")
    return bytes(imagecodecs.packbits_decode(coded[int.from_bytes(coded[4:8], "little") :]))
