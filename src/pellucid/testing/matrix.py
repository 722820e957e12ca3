"""A matrix as an operator: small problems whose solutions linear algebra knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pellucid.operators.linear_operator import LinearOperator, complex_dtype


class Matrix(LinearOperator):
    """y = M x.

    `matrix`: M, real or complex, one row per number of y; `shape_in`: of x (default: one axis).
    """

    def __init__(self, matrix: NDArray[Any], shape_in: Sequence[int] | None = None) -> None:
        super().__init__((matrix.shape[1],) if shape_in is None else shape_in, (matrix.shape[0],), matrix.dtype)
        self.matrix = matrix

    def _apply(self, x: NDArray[Any]) -> NDArray[Any]:
        y: NDArray[Any] = self.matrix @ x.ravel()
        return y

    def _adjoint(self, y: NDArray[Any]) -> NDArray[Any]:
        x: NDArray[Any] = self.matrix.conj().T @ y
        return x.reshape(self.shape_in)

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """A complex matrix of 5 × 6."""
        values = np.exp(1j * np.arange(30.0) ** 2).reshape(5, 6)
        yield cls(values.astype(complex_dtype(dtype)), (2, 3))
