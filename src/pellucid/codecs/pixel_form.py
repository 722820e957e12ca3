"""What the pixels of an instance are (PS3.3 C.7.6.3): their size, bits and colour; refused before memory is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError, UnsupportedError

_ALLOCATED = (1, 8, 16, 32, 64)
_ALWAYS_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is decoded at most: of one frame and of one instance [byte], and how many times its coded size.

    Frames up to 64 MiB may have any ratio: an empty picture has next to no code.
    """

    frame_bytes: int = 1 << 30
    instance_bytes: int = 64 << 30
    ratio: int = 2000


@dataclass(frozen=True, kw_only=True)
class PixelForm:
    """Image Pixel module of one instance.

    `allocated`, `stored`: bits; `high_bit`: the highest of the stored ones; `planar`: Planar Configuration.
    """

    rows: int
    columns: int
    samples: int = 1
    allocated: int = 16
    stored: int = 16
    high_bit: int = 15
    signed: bool = False
    photometric: str = "MONOCHROME2"
    planar: int = 0
    frames: int = 1

    @property
    def dtype(self) -> np.dtype[Any]:
        """Little endian cells: of one bit, bytes 0 and 1."""
        return np.dtype(f"<{'i' if self.signed and self.allocated > 1 else 'u'}{max(1, self.allocated // 8)}")

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one frame: rows, columns and, of colour, samples."""
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)

    @property
    def subsampled(self) -> bool:
        """Whether native pixels have half the chroma columns (PS3.3 C.7.6.3.1.2: YBR_FULL_422)."""
        return self.photometric in ("YBR_FULL_422", "YBR_PARTIAL_422")

    @property
    def frame_bits(self) -> int:
        """Size of a native frame [bit]; frames of single bits follow each other without a gap."""
        samples = 2 if self.subsampled else self.samples
        return self.rows * self.columns * samples * self.allocated

    @property
    def native_bytes(self) -> int:
        """Size of all frames, native [byte]."""
        return (self.frame_bits * self.frames + 7) // 8

    @property
    def cell_bytes(self) -> int:
        """Size of one frame as an array [byte]."""
        return self.rows * self.columns * self.samples * self.dtype.itemsize

    def values(self, cells: NDArray[Any]) -> NDArray[Any]:
        """Stored values of raw cells: bits above and below the stored ones are not the pixel's."""
        if self.allocated == 1 or (self.stored == self.allocated):
            return cells
        moved: NDArray[Any] = (cells << (self.allocated - 1 - self.high_bit)) >> (self.allocated - self.stored)
        return moved

    def fits(self, values: NDArray[Any]) -> bool:
        """Whether these are values of `stored` bits."""
        if self.stored >= 8 * values.dtype.itemsize or values.size == 0:
            return True
        low = -(1 << (self.stored - 1)) if self.signed else 0
        high = (1 << (self.stored - int(self.signed))) - 1
        return int(values.min()) >= low and int(values.max()) <= high

    def require_sound(self, limits: Limits) -> None:
        """Raises `InvalidInputError` naming the attribute that contradicts the others or is too large."""
        for keyword, value in (
            ("Rows", self.rows), ("Columns", self.columns), ("NumberOfFrames", self.frames),
        ):  # fmt: skip
            if value < 1:
                raise InvalidInputError(f"is {value}; expected at least 1", field=keyword)
        if self.samples not in (1, 3, 4):
            raise InvalidInputError(f"is {self.samples}; expected 1 or 3", field="SamplesPerPixel")
        if self.allocated not in _ALLOCATED:
            raise UnsupportedError(f"is {self.allocated}; expected one of {_ALLOCATED}", field="BitsAllocated")
        if not 1 <= self.stored <= self.allocated:
            raise InvalidInputError(f"is {self.stored}; expected 1 … {self.allocated}", field="BitsStored")
        if not self.stored - 1 <= self.high_bit < self.allocated:
            raise InvalidInputError(
                f"is {self.high_bit}; expected {self.stored - 1} … {self.allocated - 1}", field="HighBit"
            )
        if self.cell_bytes > limits.frame_bytes or self.native_bytes > limits.instance_bytes:
            raise InvalidInputError(
                f"{self.frames} frames of {self.rows} x {self.columns} x {self.samples} need {self.native_bytes} "
                f"bytes; the limits are {limits.frame_bytes} for a frame and {limits.instance_bytes} for all",
                field="PixelData",
            )

    def require_ratio(self, coded_bytes: int, limits: Limits) -> None:
        """Raises `InvalidInputError` where so few bytes claim to be a frame of this size."""
        if self.cell_bytes > _ALWAYS_BYTES and self.cell_bytes > limits.ratio * coded_bytes:
            raise InvalidInputError(
                f"{coded_bytes} bytes claim to be a frame of {self.cell_bytes}; the limit is {limits.ratio} times",
                field="PixelData",
            )
