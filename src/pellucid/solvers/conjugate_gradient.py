"""Conjugate gradients for a Hermitian positive operator."""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.errors import InvalidInputError
from pellucid.operators.linear_operator import Array, LinearOperator
from pellucid.operators.vectors import combine, dot
from pellucid.solvers.state import State, signal, start


def conjugate_gradient(
    operator: LinearOperator,
    b: Array,
    *,
    x0: Array | None = None,
    iterations: int,
    tolerance: float = 0.0,
) -> Iterator[State]:
    """Solve A x = b for Hermitian positive (semi)definite A, e.g. AᴴA + λ.

    Stops early where ‖b − A x‖ ≤ tolerance ‖b‖ or the residual vanishes. `State.value` is ‖b − A x‖ (by the
    recurrence). Real, complex, any shape. Raises `InvalidInputError` where A turns out not to be positive.
    Source: Hestenes and Stiefel 1952, doi 10.6028/jres.049.044.
    """
    b = signal(operator, b, "b")
    x = start(operator, x0)
    residual = b.copy() if x0 is None else combine(1.0, b, -1.0, operator(x))
    direction = residual.copy()
    square = dot(residual, residual)
    limit = max(tolerance * dot(b, b) ** 0.5, 0.0)
    for iteration in range(1, iterations + 1):
        if square == 0.0:
            yield State(iteration, x, 0.0)
            return
        mapped = operator(direction)
        curvature = dot(direction, mapped)
        if curvature < 0.0:
            raise InvalidInputError("is not positive semidefinite; expected AᴴA or alike", field=repr(operator))
        if curvature == 0.0:
            yield State(iteration, x, square**0.5)
            return
        length = square / curvature
        combine(1.0, x, length, direction, out=x)
        combine(1.0, residual, -length, mapped, out=residual)
        previous, square = square, dot(residual, residual)
        yield State(iteration, x, square**0.5)
        if square**0.5 <= limit:
            return
        combine(1.0, residual, square / previous, direction, out=direction)
