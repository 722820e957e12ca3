"""Forward differences: the discrete gradient."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import DTypeLike

from pellucid.errors import InvalidInputError
from pellucid.kernels import kernel, parallel_kernel, prange
from pellucid.operators.fourier import checked_axes
from pellucid.operators.linear_operator import Array, LinearOperator, complex_dtype, real_dtype

BLOCK = 8192
"""Numbers a thread handles at a time: they stay in its cache."""


class FiniteDifference(LinearOperator):
    """y[a, n] = (x[n + eₐ] − x[n]) / sₐ for each axis a, 0 at the last index (Neumann edge).

    `shape`: of x; `axes`: those differentiated (default: all), stacked on a new axis 0 of y; `spacing`: sₐ of
    each of these axes (default 1; give it relative to the finest axis so that weights stay comparable).
    The norm is at most √(Σₐ 4/sₐ²).
    """

    def __init__(
        self,
        shape: Sequence[int],
        *,
        axes: Sequence[int] | None = None,
        spacing: Sequence[float] | None = None,
        dtype: DTypeLike = np.float32,
    ) -> None:
        self.axes = checked_axes(axes, len(shape))
        super().__init__(shape, (len(self.axes), *shape), dtype)
        self.spacing = checked_spacing(spacing, len(self.axes))
        self._scales = tuple(real_dtype(self.dtype).type(1.0 / size) for size in self.spacing)

    @property
    def norm_bound(self) -> float:
        """An upper bound of the norm, reached as the grid grows."""
        return float(np.sqrt(sum(4.0 / size**2 for size in self.spacing)))

    def _apply(self, x: Array) -> Array:
        y = np.empty(self.shape_out, self.dtype)
        for out, axis, scale in zip(y, self.axes, self._scales, strict=True):
            source, target = lines(axis, x, out)
            forward_difference(source, target, scale)
        return y

    def _adjoint(self, y: Array) -> Array:
        x = np.zeros(self.shape_in, self.dtype)
        for part, axis, scale in zip(y, self.axes, self._scales, strict=True):
            source, target = lines(axis, part, x)
            add_backward_difference(source, target, scale)
        return x

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Two and three axes, unequal spacing, a batch axis, a single row, complex values."""
        yield cls((5, 7), dtype=dtype)
        yield cls((3, 4, 5), spacing=(2.5, 1.0, 0.75), dtype=complex_dtype(dtype))
        yield cls((3, 1, 5), axes=(1, 2), dtype=dtype)


def checked_spacing(spacing: Sequence[float] | None, count: int) -> tuple[float, ...]:
    """`spacing` as `count` positive numbers (None: ones); raises `InvalidInputError` otherwise."""
    result = (1.0,) * count if spacing is None else tuple(float(size) for size in spacing)
    if len(result) != count or not all(np.isfinite(size) and size > 0 for size in result):
        raise InvalidInputError(f"is {spacing}; expected {count} positive numbers", field="spacing")
    return result


def lines(axis: int, *arrays: Array) -> tuple[Array, ...]:
    """Contiguous real views (outer, length of `axis`, inner) of arrays; a complex number is two of `inner`."""
    views = []
    for array in arrays:
        flat = np.ascontiguousarray(array)
        real = flat.view(real_dtype(flat.dtype)) if flat.dtype.kind == "c" else flat
        length = array.shape[axis]
        views.append(real.reshape(int(np.prod(array.shape[:axis])), length, -1))
    return tuple(views)


@parallel_kernel
def forward_difference(x: Array, out: Array, scale: float) -> None:
    """Write scale · (next − this) along the middle axis, 0 at its end; (length, inner) is walked as one line."""
    outer, length, inner = x.shape
    size = length * inner
    parts = (size + BLOCK - 1) // BLOCK
    for part in prange(outer * parts):
        o, start = part // parts, (part % parts) * BLOCK
        stop = min(start + BLOCK, size)
        inside = max(start, min(stop, size - inner))
        here, after = x[o].reshape(size)[start:inside], x[o].reshape(size)[start + inner : inside + inner]
        there = out[o].reshape(size)[start:stop]
        for f in range(here.size):
            there[f] = scale * (after[f] - here[f])
        for f in range(here.size, there.size):
            there[f] = 0


@parallel_kernel
def add_backward_difference(y: Array, out: Array, scale: float) -> None:
    """Add the adjoint of `forward_difference` of y to `out`."""
    outer, length, inner = y.shape
    size = length * inner
    parts = (size + BLOCK - 1) // BLOCK
    for part in prange(outer * parts):
        o, start = part // parts, (part % parts) * BLOCK
        stop = min(start + BLOCK, size)
        add_multiple(y[o].reshape(size), out[o].reshape(size), inner, start, stop, scale)
        add_multiple(y[o].reshape(size)[: size - inner], out[o].reshape(size), 0, start, stop, -scale)


@kernel
def add_multiple(x: Array, out: Array, offset: int, start: int, stop: int, factor: float) -> None:
    """Add factor · x[f − offset] to out[f] for start ≤ f < stop where there is such an x."""
    first, last = max(start, offset), min(stop, x.size + offset)
    if first < last:
        here, there = x[first - offset : last - offset], out[first:last]
        for f in range(there.size):
            there[f] += factor * here[f]
