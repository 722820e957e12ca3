"""Frames that the libraries at hand do not decode: RLE of single bits, and deflated frames."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.encaps import get_frame
from pydicom.uid import RLELossless

DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
"""Deflated Image Frame Compression (PS3.5 section A.4.13)."""

_RLE_HEADER_BYTES = 64
_TYPES = {8: "u1", 16: "<u2", 32: "<u4"}


def is_packed(dataset: FileDataset) -> bool:
    """Whether the pixels are of this kind."""
    syntax = dataset.file_meta.TransferSyntaxUID
    return syntax == DEFLATED_FRAMES or (syntax == RLELossless and dataset.BitsAllocated == 1)


def packed_frame(dataset: FileDataset, frame: int) -> NDArray[Any]:
    """A frame (counted from 0) of one sample per pixel, `[row, column]`, as stored.

    Single bits lie eight to a byte, the first lowest, each frame in whole bytes (PS3.5 sections 8.2.2, 8.2.16).
    Raises ValueError where the data is not what the header says.
    """
    bits, count = int(dataset.BitsAllocated), int(dataset.Rows) * int(dataset.Columns)
    if int(dataset.SamplesPerPixel) != 1 or bits not in (1, *_TYPES):
        raise ValueError("one sample per pixel expected")
    size = (count * bits + 7) // 8
    coded = get_frame(dataset.PixelData, frame, number_of_frames=int(dataset.get("NumberOfFrames") or 1))
    data = _inflated(coded, size) if dataset.file_meta.TransferSyntaxUID == DEFLATED_FRAMES else _run_lengths(coded)
    if len(data) < size:
        raise ValueError(f"a frame unfolds to {len(data)} bytes; expected {size}")
    shape = (int(dataset.Rows), int(dataset.Columns))
    if bits == 1:
        return np.unpackbits(np.frombuffer(data, np.uint8, size), bitorder="little")[:count].reshape(shape)
    values: NDArray[Any] = np.frombuffer(data, _TYPES[bits], count).reshape(shape)
    return values.view(values.dtype.str.replace("u", "i")) if dataset.get("PixelRepresentation") else values


def _inflated(coded: bytes, size: int) -> bytes:
    """At most `size` bytes: what a stream claims beyond them is not unfolded."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(coded, size)
    except zlib.error as error:
        raise ValueError(f"a frame is not a deflated stream ({error})") from error


def _run_lengths(coded: bytes) -> bytes:
    """The one segment of a frame of single bits (PS3.5 annex G); run lengths unfold to 64 times their size at most."""
    import imagecodecs

    if len(coded) <= _RLE_HEADER_BYTES or int.from_bytes(coded[:4], "little") != 1:
        raise ValueError("one run-length segment expected")
    return bytes(imagecodecs.packbits_decode(coded[int.from_bytes(coded[4:8], "little") :]))
