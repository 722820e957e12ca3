"""Fourier transform of a regular grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.fft
from numpy.typing import DTypeLike

from pellucid.errors import InvalidInputError
from pellucid.kernels import parallel_kernel, prange, thread_count
from pellucid.operators.linear_operator import Array, LinearOperator, complex_dtype


class Fourier(LinearOperator):
    """Centred unitary discrete Fourier transform over chosen axes.

    y[k] = 1/√N Σₙ x[n] exp(−2πi Σₐ (kₐ − cₐ)(nₐ − cₐ)/Nₐ), with the centre cₐ = ⌊Nₐ/2⌋ in both domains.

    `shape`: of the array; `axes`: those transformed (default: all), the others are a batch; `dtype`: complex.
    The adjoint is the inverse. Raises `InvalidInputError` for axes that are not there or a real dtype.
    """

    def __init__(
        self, shape: Sequence[int], axes: Sequence[int] | None = None, dtype: DTypeLike = np.complex64
    ) -> None:
        super().__init__(shape, shape, dtype)
        if self.dtype.kind != "c":
            raise InvalidInputError(f"is {self.dtype}; expected a complex dtype", field="dtype")
        self.axes = checked_axes(axes, len(self.shape_in))

    def _apply(self, x: Array) -> Array:
        spectrum = scipy.fft.fftn(
            rolled(x, self.axes, -1), axes=self.axes, norm="ortho", overwrite_x=True, workers=thread_count()
        )
        return rolled(np.asarray(spectrum), self.axes, 1)

    def _adjoint(self, y: Array) -> Array:
        image = scipy.fft.ifftn(
            rolled(y, self.axes, -1), axes=self.axes, norm="ortho", overwrite_x=True, workers=thread_count()
        )
        return rolled(np.asarray(image), self.axes, 1)

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """All axes of an odd grid; some axes of a mixed one."""
        yield cls((5, 7), dtype=complex_dtype(dtype))
        yield cls((3, 4, 5), (2, 1), complex_dtype(dtype))


def checked_axes(axes: Sequence[int] | None, dimensions: int) -> tuple[int, ...]:
    """`axes` as sorted non-negative numbers (None: all); raises `InvalidInputError` where one is not there."""
    if axes is None:
        return tuple(range(dimensions))
    result = tuple(sorted(axis % dimensions for axis in axes if -dimensions <= axis < dimensions))
    if len(result) != len(axes) or len(set(result)) != len(result) or not result:
        raise InvalidInputError(
            f"is {tuple(axes)}; expected different axes of an array with {dimensions}", field="axes"
        )
    return result


def rolled(x: Array, axes: tuple[int, ...], direction: int) -> Array:
    """A copy with the centre ⌊n/2⌋ of each axis moved to 0 (`direction` −1) or back (1)."""
    shifts = {axis: (direction * (x.shape[axis] // 2)) % max(x.shape[axis], 1) for axis in axes}
    first = max(x.ndim - 3, 0)
    if min(axes) < first:
        return np.roll(x, [shifts[axis] for axis in axes], axes)
    spatial = x.shape[first:]
    volume = np.ascontiguousarray(x).reshape(-1, *(1,) * (3 - len(spatial)), *spatial)
    out = np.empty_like(volume)
    roll_rows(volume, out, *(shifts.get(x.ndim - back, 0) for back in (3, 2, 1)))
    return out.reshape(x.shape)


@parallel_kernel
def roll_rows(x: Array, out: Array, shift0: int, shift1: int, shift2: int) -> None:
    """Move x circularly along the last three axes, two contiguous pieces per row."""
    batch, n0, n1, n2 = x.shape
    for line in prange(batch * n0 * n1):
        b, i, j = line // (n0 * n1), (line // n1) % n0, line % n1
        row, target = x[b, i, j], out[b, (i + shift0) % n0, (j + shift1) % n1]
        left, right = target[:shift2], target[shift2:]
        for k in range(right.size):
            right[k] = row[k]
        tail = row[n2 - shift2 :]
        for k in range(left.size):
            left[k] = tail[k]
