"""Orthogonal wavelet transform."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import DTypeLike

from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.kernels import kernel, parallel_kernel, prange
from pellucid.operators.finite_difference import lines
from pellucid.operators.fourier import checked_axes
from pellucid.operators.linear_operator import Array, LinearOperator, complex_dtype, real_dtype

_ROOT = 3.0**0.5
_DAUBECHIES = tuple(c / 32.0**0.5 for c in (1.0 + _ROOT, 3.0 + _ROOT, 3.0 - _ROOT, 1.0 - _ROOT))
_LOW_PASS: dict[str, tuple[float, ...]] = {
    "haar": (0.5**0.5, 0.5**0.5, 0.0, 0.0),
    "daubechies4": _DAUBECHIES,
}
_HIGH_PASS: dict[str, tuple[float, ...]] = {
    "haar": (0.5**0.5, -(0.5**0.5), 0.0, 0.0),
    "daubechies4": (_DAUBECHIES[3], -_DAUBECHIES[2], _DAUBECHIES[1], -_DAUBECHIES[0]),
}
_COARSEST = 8
_ENOUGH_LINES = 64


class Wavelet(LinearOperator):
    """Multi-level orthogonal periodic wavelet transform.

    Each level maps x along every axis to a[k] = Σⱼ h[j] x[2k + j] and d[k] = Σⱼ g[j] x[2k + j], g the quadrature
    mirror of h, and the next one continues with the corner of all a. The first corner of the result holds the
    coarsest approximation.

    `shape`: of x; `axes`: those transformed (default: all), the others are a batch; `levels`: at most this many
    (default: 5, or fewer so that the coarsest axis keeps 8 samples; each axis stops on its own);
    `wavelet`: "daubechies4" (4 taps, 2 vanishing moments) or "haar"; `shift`: of x along each of `axes`, circular,
    before the transform. Sizes that 2^levels does not divide are padded with zeros at the end, so
    WᴴW = 1 always, and W Wᴴ = 1 where nothing is padded.
    Source: Daubechies 1988, doi 10.1002/cpa.3160410705.
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        axes: Sequence[int] | None = None,
        levels: int = 5,
        wavelet: Literal["daubechies4", "haar"] = "daubechies4",
        shift: Sequence[int] | None = None,
        dtype: DTypeLike = np.complex64,
    ) -> None:
        if wavelet not in _LOW_PASS:
            raise UnknownOptionError("wavelet", wavelet, _LOW_PASS)
        if levels < 1:
            raise InvalidInputError(f"is {levels}; expected at least 1", field="levels")
        self.axes = checked_axes(axes, len(shape))
        self.levels = {axis: _levels(shape[axis], levels) for axis in self.axes}
        padded = [_padded(size, self.levels.get(axis, 0)) for axis, size in enumerate(shape)]
        super().__init__(shape, padded, dtype)
        self.wavelet = wavelet
        self.shift = (0,) * len(self.axes) if shift is None else tuple(int(step) for step in shift)
        if len(self.shift) != len(self.axes):
            raise InvalidInputError(f"is {shift}; expected one per axis of {self.axes}", field="shift")
        self._taps = np.array([*_LOW_PASS[wavelet], *_HIGH_PASS[wavelet]], real_dtype(self.dtype))
        self._image = tuple(slice(size) for size in self.shape_in)

    def shifted(self, shift: Sequence[int]) -> Wavelet:
        """The same transform of an image shifted circularly by `shift` samples along each of `axes`."""
        return Wavelet(
            self.shape_in,
            axes=self.axes,
            levels=max(1, *self.levels.values()),
            wavelet=self.wavelet,
            shift=shift,
            dtype=self.dtype,
        )

    def randomly_shifted(self, generator: np.random.Generator) -> Wavelet:
        """A transform with a shift drawn from all that differ (cycle spinning)."""
        return self.shifted([int(generator.integers(2 ** self.levels[axis])) for axis in self.axes])

    def details(self) -> Array:
        """1 for every coefficient but those of the coarsest approximation, which have 0: weights for `L1`."""
        mask = np.ones(self.shape_out, real_dtype(self.dtype))
        mask[self._corner(max(self.levels.values()))] = 0
        return mask

    def _corner(self, level: int) -> tuple[slice, ...]:
        sizes = (size >> min(level, self.levels.get(axis, 0)) for axis, size in enumerate(self.shape_out))
        return tuple(slice(size) for size in sizes)

    def _apply(self, x: Array) -> Array:
        low = x
        if self.shape_in != self.shape_out:
            low = np.zeros(self.shape_out, self.dtype)
            low[self._image] = x
        if any(self.shift):
            low = np.roll(low, self.shift, self.axes)
        low = np.ascontiguousarray(low)
        result = np.empty(self.shape_out, self.dtype)
        for level in range(max(self.levels.values())):
            for axis in self.axes:
                if level < self.levels[axis]:
                    low = _along("analyse", low, axis, self._taps)
            result[self._corner(level)] = low
            low = np.ascontiguousarray(result[self._corner(level + 1)])
        if max(self.levels.values()) == 0:
            result[...] = low
        return result

    def _adjoint(self, y: Array) -> Array:
        result = np.array(y, order="C")
        for level in reversed(range(max(self.levels.values()))):
            low = np.ascontiguousarray(result[self._corner(level)])
            for axis in reversed(self.axes):
                if level < self.levels[axis]:
                    low = _along("synthesise", low, axis, self._taps)
            result[self._corner(level)] = low
        if any(self.shift):
            result = np.roll(result, [-step for step in self.shift], self.axes)
        return np.ascontiguousarray(result[self._image])

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Padded odd sizes, a batch with a shift, both wavelets, a line too short to transform."""
        yield cls((19, 37), dtype=dtype)
        yield cls((2, 17, 16), axes=(1, 2), shift=(3, 1), dtype=complex_dtype(dtype))
        yield cls((1, 16, 33), levels=2, wavelet="haar", dtype=dtype)
        yield cls((3, 1), dtype=dtype)


def _levels(size: int, most: int) -> int:
    """How often an axis is halved: `most` times, or until fewer than 8 samples would be left."""
    levels = 0
    while levels < most and size >> (levels + 1) >= _COARSEST:
        levels += 1
    return levels


def _padded(size: int, levels: int) -> int:
    return -((-size) >> levels) << levels


def _along(direction: Literal["analyse", "synthesise"], x: Array, axis: int, taps: Array) -> Array:
    """One level along an axis."""
    out = np.empty_like(x)
    source, target = lines(axis, x, out)
    if direction == "analyse":
        analyse(source, target, taps)
    else:
        synthesise(source, target, taps)
    return out


@kernel
def analyse_row(x: Array, out: Array, h: Array, k: int) -> None:
    """Write approximation and detail number k of x (length, inner)."""
    length, inner = x.shape
    half = length // 2
    after = 0 if 2 * k + 2 == length else 2 * k + 2
    for i in range(inner):
        a, b, c, d = x[2 * k, i], x[2 * k + 1, i], x[after, i], x[after + 1, i]
        out[k, i] = h[0] * a + h[1] * b + h[2] * c + h[3] * d
        out[half + k, i] = h[4] * a + h[5] * b + h[6] * c + h[7] * d


@kernel
def synthesise_row(x: Array, out: Array, h: Array, k: int) -> None:
    """Write samples 2k and 2k + 1 from approximation and detail x (length, inner)."""
    length, inner = x.shape
    half = length // 2
    before = half - 1 if k == 0 else k - 1
    for i in range(inner):
        a, b, c, d = x[k, i], x[half + k, i], x[before, i], x[half + before, i]
        out[2 * k, i] = h[0] * a + h[4] * b + h[2] * c + h[6] * d
        out[2 * k + 1, i] = h[1] * a + h[5] * b + h[3] * c + h[7] * d


@parallel_kernel
def analyse(x: Array, out: Array, taps: Array) -> None:
    """Approximation (first half) and detail (second half) of the middle axis."""
    outer, half = x.shape[0], x.shape[1] // 2
    if outer >= _ENOUGH_LINES:
        for o in prange(outer):
            for k in range(half):
                analyse_row(x[o], out[o], taps, k)
    else:
        for k in prange(half):
            for o in range(outer):
                analyse_row(x[o], out[o], taps, k)


@parallel_kernel
def synthesise(x: Array, out: Array, taps: Array) -> None:
    """The adjoint, which is the inverse, of `analyse`."""
    outer, half = x.shape[0], x.shape[1] // 2
    if outer >= _ENOUGH_LINES:
        for o in prange(outer):
            for k in range(half):
                synthesise_row(x[o], out[o], taps, k)
    else:
        for k in prange(half):
            for o in range(outer):
                synthesise_row(x[o], out[o], taps, k)
