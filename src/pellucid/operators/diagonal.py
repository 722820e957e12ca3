"""Elementwise multiplication."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import DTypeLike

from pellucid.errors import InvalidInputError
from pellucid.kernels import parallel_kernel, prange
from pellucid.operators.linear_operator import Array, LinearOperator, complex_dtype


class Diagonal(LinearOperator):
    """y = d · x, elementwise with broadcasting; Aᴴ y = Σ conj(d) · y over the axes that were broadcast.

    `diagonal`: weights of any shape; `shape_in`: shape of x (default: that of `diagonal`); y has their broadcast
    shape. Coil sensitivities `(coils, rows, columns)` with `shape_in = (rows, columns)` are the multi-coil map.
    `dtype`: of x and y (default: that of `diagonal`). Raises `InvalidInputError` where shapes do not broadcast
    or a complex diagonal meets a real dtype.
    """

    def __init__(
        self, diagonal: Array, *, shape_in: Sequence[int] | None = None, dtype: DTypeLike | None = None
    ) -> None:
        diagonal = np.asarray(diagonal)
        shape_in = diagonal.shape if shape_in is None else tuple(shape_in)
        try:
            shape_out = np.broadcast_shapes(diagonal.shape, shape_in)
        except ValueError:
            raise InvalidInputError(
                f"is {diagonal.shape}; expected a shape that broadcasts with {shape_in}", field="diagonal"
            ) from None
        super().__init__(shape_in, shape_out, diagonal.dtype if dtype is None else dtype)
        if diagonal.dtype.kind == "c" and self.dtype.kind != "c":
            raise InvalidInputError(f"is {diagonal.dtype}; expected real {self.dtype}", field="diagonal")
        self.diagonal = np.ascontiguousarray(diagonal, self.dtype)
        leading = len(shape_out) - len(self.shape_in)
        padded = (1,) * leading + self.shape_in
        self._summed = tuple(axis for axis, size in enumerate(padded) if size == 1 and shape_out[axis] > 1)
        self._leading_only = self.diagonal.shape == shape_out and self._summed == tuple(range(leading)) != ()

    def _apply(self, x: Array) -> Array:
        product: Array = self.diagonal * x
        return product

    def _adjoint(self, y: Array) -> Array:
        if self._leading_only:
            return self._coil_sum(y)
        product = np.conj(self.diagonal) * y
        summed: Array = product.sum(axis=self._summed, keepdims=True)
        return summed.reshape(self.shape_in)

    def _coil_sum(self, y: Array) -> Array:
        """The adjoint where whole leading axes are summed: one pass, no product array."""
        combined = np.empty(self.shape_in, self.dtype)
        pixels = combined.size
        weighted_sum(self.diagonal.reshape(-1, pixels), y.reshape(-1, pixels), combined.reshape(pixels))
        return combined

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Weights of the same shape, coil maps, and one weight per row."""
        weights = np.cos(np.arange(15.0)).reshape(3, 5)
        maps = np.exp(1j * np.arange(105.0)).reshape(7, 3, 5)
        yield cls(weights.astype(dtype))
        yield cls(maps.astype(complex_dtype(dtype)), shape_in=(3, 5))
        yield cls(weights[:, :1].astype(dtype), shape_in=(2, 3, 5), dtype=complex_dtype(dtype))
        yield cls(weights.astype(dtype), shape_in=(3, 1))


class Sampling(Diagonal):
    """y = mask · x: keeps the entries where `mask` is true and sets the others to 0 (a projection).

    `mask`: boolean, broadcasts to `shape_in` (default: its own shape); `dtype`: of x and y.
    """

    def __init__(self, mask: Array, *, shape_in: Sequence[int] | None = None, dtype: DTypeLike = np.complex64) -> None:
        mask = np.asarray(mask)
        if mask.dtype != np.bool_:
            raise InvalidInputError(f"is {mask.dtype}; expected a boolean array", field="mask")
        real = np.empty(0, dtype).real.dtype
        super().__init__(mask.astype(real), shape_in=mask.shape if shape_in is None else shape_in, dtype=dtype)
        if self.shape_out != self.shape_in:
            raise InvalidInputError(f"is {mask.shape}; expected to broadcast to {self.shape_in}", field="mask")
        self.diagonal = np.ascontiguousarray(self.diagonal.real)

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """A mask, and one mask for a batch."""
        mask = np.arange(15).reshape(3, 5) % 3 == 0
        yield cls(mask, dtype=dtype)
        yield cls(mask, shape_in=(2, 3, 5), dtype=complex_dtype(dtype))


@parallel_kernel
def weighted_sum(weights: Array, values: Array, out: Array) -> None:
    """Write out[i] = Σ_c conj(weights[c, i]) values[c, i], in blocks of i that stay in cache."""
    count, size = weights.shape
    block = 2048
    for part in prange((size + block - 1) // block):
        start, stop = part * block, min(size, (part + 1) * block)
        for i in range(start, stop):
            out[i] = np.conj(weights[0, i]) * values[0, i]
        for c in range(1, count):
            for i in range(start, stop):
                out[i] += np.conj(weights[c, i]) * values[c, i]
