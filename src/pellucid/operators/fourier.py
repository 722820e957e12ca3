"""Fourier transform of a regular grid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.fft
from numpy.typing import DTypeLike

from pellucid.errors import InvalidInputError
from pellucid.kernels import thread_count
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
        shifted = scipy.fft.ifftshift(x, self.axes)
        spectrum = scipy.fft.fftn(shifted, axes=self.axes, norm="ortho", overwrite_x=True, workers=thread_count())
        centred: Array = scipy.fft.fftshift(spectrum, self.axes)
        return centred

    def _adjoint(self, y: Array) -> Array:
        shifted = scipy.fft.ifftshift(y, self.axes)
        image = scipy.fft.ifftn(shifted, axes=self.axes, norm="ortho", overwrite_x=True, workers=thread_count())
        centred: Array = scipy.fft.fftshift(image, self.axes)
        return centred

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
