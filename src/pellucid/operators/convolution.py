"""Blurring."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.fft
from numpy.typing import DTypeLike

from pellucid.errors import InvalidInputError
from pellucid.kernels import parallel_kernel, prange, thread_count
from pellucid.operators.finite_difference import BLOCK, add_multiple, lines
from pellucid.operators.fourier import checked_axes
from pellucid.operators.linear_operator import Array, LinearOperator, complex_dtype, real_dtype

_FWHM_PER_SIGMA = 2.0 * (2.0 * np.log(2.0)) ** 0.5
_REACH = 4.0


class Convolution(LinearOperator):
    """y[n] = Σₘ q[m + c] x[n − m], c the kernel's centre ⌊size/2⌋; x is 0 outside its grid.

    `shape`: of x; `kernel`: q, with as many axes as `axes` (default: the last ones of x), real or complex;
    `dtype`: of x and y. By FFTs on a padded grid: nothing wraps around.
    """

    def __init__(
        self,
        shape: Sequence[int],
        kernel: Array,
        *,
        axes: Sequence[int] | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(shape, shape, dtype)
        kernel = np.asarray(kernel)
        dimensions = len(self.shape_in)
        self.axes = checked_axes(range(dimensions - kernel.ndim, dimensions) if axes is None else axes, dimensions)
        if kernel.ndim != len(self.axes) or kernel.size == 0:
            raise InvalidInputError(f"is {kernel.shape}; expected {len(self.axes)} axes", field="kernel")
        if np.iscomplexobj(kernel) and self.dtype.kind != "c":
            raise InvalidInputError(f"is {kernel.dtype}; expected real for {self.dtype}", field="kernel")
        self._sizes = tuple(
            scipy.fft.next_fast_len(self.shape_in[axis] + size - 1, self.dtype.kind == "f")
            for axis, size in zip(self.axes, kernel.shape, strict=True)
        )
        padded = np.zeros(self._sizes, self.dtype)
        padded[tuple(slice(n) for n in kernel.shape)] = kernel
        padded = np.roll(padded, [-(n // 2) for n in kernel.shape], range(kernel.ndim))
        transform = self._forward(padded, range(kernel.ndim))
        spread = [1] * dimensions
        for axis, size in zip(self.axes, transform.shape, strict=True):
            spread[axis] = size
        self._multiplier = transform.reshape(spread)
        self._image = tuple(slice(n) for n in self.shape_in)

    def _forward(self, x: Array, axes: Sequence[int]) -> Array:
        if self.dtype.kind == "c":
            return np.asarray(scipy.fft.fftn(x, self._sizes, axes, workers=thread_count()))
        return np.asarray(scipy.fft.rfftn(x, self._sizes, axes, workers=thread_count()))

    def _filtered(self, x: Array, multiplier: Array) -> Array:
        spectrum = self._forward(x, self.axes)
        spectrum *= multiplier
        inverse = scipy.fft.ifftn if self.dtype.kind == "c" else scipy.fft.irfftn
        full = np.asarray(inverse(spectrum, self._sizes, self.axes, overwrite_x=True, workers=thread_count()))
        return np.ascontiguousarray(full[self._image])

    def _apply(self, x: Array) -> Array:
        return self._filtered(x, self._multiplier)

    def _adjoint(self, y: Array) -> Array:
        return self._filtered(y, np.conj(self._multiplier))

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Odd and even kernels, one larger than the image, a complex one, chosen axes."""
        generator = np.random.default_rng(13)
        yield cls((7, 5), generator.standard_normal((3, 4)), dtype=dtype)
        yield cls((2, 5, 4), generator.standard_normal((9, 3)), axes=(0, 2), dtype=dtype)
        kernel = generator.standard_normal((2, 3)) + 1j * generator.standard_normal((2, 3))
        yield cls((3, 4, 5), kernel, dtype=complex_dtype(dtype))


class GaussianBlur(LinearOperator):
    """y = G x, a separable Gaussian along chosen axes; x is 0 outside its grid.

    `fwhm_mm`: full width at half maximum, one number or one per axis (0: no blur); `spacing_mm`: distance of
    samples along each of `axes` (default: all). Taps integrate the Gaussian over each sample, reach 4 standard
    deviations and sum to 1, so counts are kept away from the edges. Self-adjoint.
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        fwhm_mm: float | Sequence[float],
        spacing_mm: Sequence[float],
        axes: Sequence[int] | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__(shape, shape, dtype)
        self.axes = checked_axes(axes, len(self.shape_in))
        count = len(self.axes)
        widths = [float(w) for w in np.broadcast_to(np.asarray(fwhm_mm, float), (count,))]
        spacing = [float(s) for s in spacing_mm]
        if any(not np.isfinite(w) or w < 0 for w in widths):
            raise InvalidInputError(f"is {fwhm_mm}; expected >= 0 [mm]", field="fwhm_mm")
        if len(spacing) != count or any(not np.isfinite(s) or s <= 0 for s in spacing):
            raise InvalidInputError(f"is {spacing_mm}; expected {count} numbers > 0 [mm]", field="spacing_mm")
        real = real_dtype(self.dtype)
        self._taps = [gaussian_taps(w / s).astype(real) for w, s in zip(widths, spacing, strict=True)]

    def _apply(self, x: Array) -> Array:
        for axis, taps in zip(self.axes, self._taps, strict=True):
            if taps.size > 1:
                out = np.empty(self.shape_in, self.dtype)
                source, target = lines(axis, x, out)
                filter_lines(source, target, taps)
                x = out
        return x

    def _adjoint(self, y: Array) -> Array:
        return self._apply(y)

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Three axes with unequal spacing, wider than the grid; chosen axes, one without blur, complex."""
        yield cls((5, 7, 9), fwhm_mm=5.0, spacing_mm=(2.0, 1.0, 0.5), dtype=dtype)
        yield cls((2, 5, 7), fwhm_mm=(0.0, 2.0), spacing_mm=(1.0, 1.5), axes=(1, 2), dtype=complex_dtype(dtype))


def gaussian_taps(fwhm: float) -> Array:
    """Half of a sampled Gaussian, centre first: its integral over each sample; the whole sums to 1."""
    from scipy.special import erf

    sigma = fwhm / _FWHM_PER_SIGMA
    reach = int(np.ceil(_REACH * sigma))
    if sigma == 0.0 or reach == 0:
        return np.ones(1)
    edges = (np.arange(reach + 2) - 0.5) / (sigma * 2.0**0.5)
    taps = np.diff(erf(edges))
    normalised: Array = taps / (taps[0] + 2.0 * taps[1:].sum())
    return normalised


@parallel_kernel
def filter_lines(x: Array, out: Array, taps: Array) -> None:
    """Symmetric filter along the middle axis with zeros outside; `taps` from the centre outwards."""
    outer, length, inner = x.shape
    size = length * inner
    parts = (size + BLOCK - 1) // BLOCK
    for part in prange(outer * parts):
        o, start = part // parts, (part % parts) * BLOCK
        here, there = x[o].reshape(size), out[o].reshape(size)
        stop = min(start + BLOCK, size)
        there[start:stop] = 0
        add_multiple(here, there, 0, start, stop, taps[0])
        for j in range(1, min(taps.size, length)):
            add_multiple(here, there, j * inner, start, stop, taps[j])
            add_multiple(here[j * inner :], there, 0, start, stop, taps[j])
