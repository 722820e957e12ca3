"""Convolution with a Hermitian kernel: the normal operator of a Fourier transform at any places."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import scipy.fft
from numpy.typing import DTypeLike

from pellucid.errors import InvalidInputError
from pellucid.kernels import thread_count
from pellucid.operators.linear_operator import Array, LinearOperator, complex_dtype


class Toeplitz(LinearOperator):
    """y[n] = Σₘ q[n − m] x[m] with q[−n] = conj(q[n]), by FFTs on the doubled grid.

    `shape`: of the image; `kernel`: q at −shape … shape − 1 along each axis, complex, twice the shape (q at
    −shape is not used); `batch`: leading axes of x. Self-adjoint.
    Source: Fessler et al. 2005, doi 10.1109/TSP.2005.853152.
    """

    def __init__(self, shape: Sequence[int], kernel: Array, *, batch: Sequence[int] = ()) -> None:
        super().__init__((*batch, *shape), (*batch, *shape), kernel.dtype)
        self.image_shape = tuple(shape)
        if kernel.shape != tuple(2 * n for n in shape) or kernel.dtype.kind != "c":
            raise InvalidInputError(
                f"is {kernel.shape} {kernel.dtype}; expected complex {tuple(2 * n for n in shape)}", field="kernel"
            )
        self._sizes = tuple(scipy.fft.next_fast_len(2 * n - 1) for n in shape)
        padded = np.zeros(self._sizes, kernel.dtype)
        used = kernel[(slice(1, None),) * kernel.ndim]
        padded[tuple(slice(n) for n in used.shape)] = used
        padded = np.roll(padded, [1 - n for n in shape], range(len(shape)))
        self.multiplier = scipy.fft.fftn(padded, workers=thread_count()).real.copy()

    def _apply(self, x: Array) -> Array:
        axes = range(x.ndim - len(self.image_shape), x.ndim)
        spectrum = x
        for axis, size in zip(reversed(axes), reversed(self._sizes), strict=True):
            spectrum = scipy.fft.fft(spectrum, size, axis, workers=thread_count())
        spectrum *= self.multiplier
        for axis, length in zip(axes, self.image_shape, strict=True):
            full = scipy.fft.ifft(spectrum, axis=axis, overwrite_x=True, workers=thread_count())
            spectrum = full[(slice(None),) * axis + (slice(length),)]
        result: Array = np.ascontiguousarray(spectrum)
        return result

    def _adjoint(self, y: Array) -> Array:
        return self._apply(y)

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """A Hermitian kernel on an odd grid, with a batch."""
        generator = np.random.default_rng(11)
        kernel = generator.standard_normal((10, 14)) + 1j * generator.standard_normal((10, 14))
        inner = kernel[1:, 1:]
        kernel[1:, 1:] = inner + np.conj(inner[::-1, ::-1])
        yield cls((5, 7), kernel.astype(complex_dtype(dtype)), batch=(2,))
