"""The linear operator and its algebra."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pellucid.errors import InvalidInputError

Array = NDArray[Any]


class LinearOperator(ABC):
    """A linear map from arrays of `shape_in` to arrays of `shape_out`, both of one `dtype`.

    A new operator writes `_apply` and `_adjoint`, which may assume an argument of the right shape and dtype
    (and must not change it), and `examples`: small instances on odd-sized grids by which the adjoint test
    finds and checks the class. A result may share memory with the argument: copy it before changing it.
    Inner products are plain Euclidean sums.
    """

    def __init__(self, shape_in: Sequence[int], shape_out: Sequence[int], dtype: DTypeLike) -> None:
        self.shape_in = tuple(int(n) for n in shape_in)
        self.shape_out = tuple(int(n) for n in shape_out)
        self.dtype = np.dtype(dtype)

    @abstractmethod
    def _apply(self, x: Array) -> Array:
        """A x."""

    @abstractmethod
    def _adjoint(self, y: Array) -> Array:
        """Aᴴ y."""

    @classmethod
    @abstractmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Small instances on odd-sized grids of the given real dtype (or its complex partner)."""

    def __call__(self, x: Array) -> Array:
        """A x; raises `InvalidInputError` where the shape is wrong."""
        return self._apply(self._checked(x, self.shape_in, "in"))

    def adjoint(self, y: Array) -> Array:
        """Aᴴ y; raises `InvalidInputError` where the shape is wrong."""
        return self._adjoint(self._checked(y, self.shape_out, "out"))

    def _checked(self, array: Array, shape: tuple[int, ...], side: str) -> Array:
        array = np.asarray(array)
        if array.shape != shape:
            raise InvalidInputError(f"array is {array.shape}; expected shape_{side} = {shape}", field=repr(self))
        if np.iscomplexobj(array) and self.dtype.kind != "c":
            raise InvalidInputError(f"array is {array.dtype}; expected real {self.dtype}", field=repr(self))
        return array.astype(self.dtype, copy=False)

    @property
    def H(self) -> LinearOperator:  # noqa: N802 (the field's symbol)
        """The adjoint operator."""
        return Adjoint(self)

    @property
    def gram(self) -> LinearOperator:
        """The normal operator AᴴA."""
        return self.H @ self

    def norm(self, *, iterations: int = 30, seed: int = 0) -> float:
        """Largest singular value, by seeded power iteration on AᴴA (a lower bound that converges)."""
        generator = np.random.default_rng(seed)
        x = generator.standard_normal(self.shape_in).astype(self.dtype)
        size = 0.0
        for _ in range(iterations):
            x = x / max(float(np.linalg.norm(x)), np.finfo(np.float32).tiny)
            x = self.adjoint(self(x))
            size = float(np.linalg.norm(x))
            if size == 0.0:
                return 0.0
        return float(np.sqrt(size))

    def __matmul__(self, other: LinearOperator) -> LinearOperator:
        return Composed(self, other)

    def __add__(self, other: LinearOperator) -> LinearOperator:
        return Sum([self, other])

    def __mul__(self, factor: complex) -> LinearOperator:
        return Scaled(self, factor)

    __rmul__ = __mul__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shape_in} -> {self.shape_out}, {self.dtype})"


def complex_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """The complex dtype of the same precision."""
    return np.result_type(dtype, np.complex64)


def real_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """The real dtype of the same precision."""
    return np.empty(0, dtype).real.dtype


def _added(terms: Iterator[Array]) -> Array:
    """The sum of arrays, one at a time; the terms themselves stay as they are."""
    total: Array | None = None
    for count, term in enumerate(terms):
        if total is None:
            total = term
        elif count == 1:
            total = total + term
        else:
            total += term
    assert total is not None
    return total


class Identity(LinearOperator):
    """y = x."""

    def __init__(self, shape: Sequence[int], dtype: DTypeLike = np.float32) -> None:
        super().__init__(shape, shape, dtype)

    def _apply(self, x: Array) -> Array:
        return x

    def _adjoint(self, y: Array) -> Array:
        return y

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """One 3 × 5 instance."""
        yield cls((3, 5), dtype)


class Adjoint(LinearOperator):
    """y = Aᴴ x."""

    def __init__(self, operator: LinearOperator) -> None:
        super().__init__(operator.shape_out, operator.shape_in, operator.dtype)
        self.operator = operator

    def _apply(self, x: Array) -> Array:
        return self.operator._adjoint(x)

    def _adjoint(self, y: Array) -> Array:
        return self.operator._apply(y)

    @property
    def H(self) -> LinearOperator:  # noqa: N802
        """The operator itself."""
        return self.operator

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """The adjoint of a stack."""
        for operator in VerticalStack.examples(dtype):
            yield cls(operator)


class Composed(LinearOperator):
    """y = A B x."""

    def __init__(self, outer: LinearOperator, inner: LinearOperator) -> None:
        if outer.shape_in != inner.shape_out:
            raise InvalidInputError(
                f"{outer!r} cannot follow {inner!r}: {outer.shape_in} != {inner.shape_out}", field="@"
            )
        super().__init__(inner.shape_in, outer.shape_out, np.result_type(outer.dtype, inner.dtype))
        self.outer, self.inner = outer, inner

    def _apply(self, x: Array) -> Array:
        return self.outer(self.inner(x))

    def _adjoint(self, y: Array) -> Array:
        return self.inner.adjoint(self.outer.adjoint(y))

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """A scaling after a stack."""
        for operator in VerticalStack.examples(dtype):
            yield cls(Scaled(Identity(operator.shape_out, dtype), -2.5), operator)


class Scaled(LinearOperator):
    """y = c A x."""

    def __init__(self, operator: LinearOperator, factor: complex) -> None:
        if np.iscomplexobj(factor) and operator.dtype.kind != "c":
            raise InvalidInputError(f"factor {factor} is complex; expected a real one for {operator!r}", field="*")
        super().__init__(operator.shape_in, operator.shape_out, operator.dtype)
        self.operator, self.factor = operator, np.asarray(factor, self.dtype)

    def _apply(self, x: Array) -> Array:
        scaled: Array = self.factor * self.operator._apply(x)
        return scaled

    def _adjoint(self, y: Array) -> Array:
        scaled: Array = np.conj(self.factor) * self.operator._adjoint(y)
        return scaled

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Real and complex factors."""
        yield cls(Identity((3, 5), dtype), 1.75)
        yield cls(Identity((3, 5), complex_dtype(dtype)), 0.5 - 2j)


class Sum(LinearOperator):
    """y = Σᵢ Aᵢ x."""

    def __init__(self, operators: Sequence[LinearOperator]) -> None:
        first = operators[0]
        for other in operators[1:]:
            if (other.shape_in, other.shape_out) != (first.shape_in, first.shape_out):
                raise InvalidInputError(f"{other!r} cannot be added to {first!r}: other shapes", field="+")
        super().__init__(first.shape_in, first.shape_out, np.result_type(*(op.dtype for op in operators)))
        self.operators = tuple(operators)

    def _apply(self, x: Array) -> Array:
        return _added(operator(x) for operator in self.operators)

    def _adjoint(self, y: Array) -> Array:
        return _added(operator.adjoint(y) for operator in self.operators)

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Two scalings added."""
        yield cls([Scaled(Identity((3, 5), dtype), 2.0), Scaled(Identity((3, 5), dtype), -0.25)])


class VerticalStack(LinearOperator):
    """y = (A₁ x, A₂ x, …) along a new first axis: all Aᵢ have equal shapes."""

    def __init__(self, operators: Sequence[LinearOperator]) -> None:
        summed = Sum(operators)
        super().__init__(summed.shape_in, (len(operators), *summed.shape_out), summed.dtype)
        self.operators = summed.operators

    def _apply(self, x: Array) -> Array:
        return np.stack([operator(x) for operator in self.operators])

    def _adjoint(self, y: Array) -> Array:
        return _added(op.adjoint(part) for op, part in zip(self.operators, y, strict=True))

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Three scalings stacked."""
        yield cls([Scaled(Identity((3, 5), dtype), factor) for factor in (1.0, -2.0, 0.5)])
