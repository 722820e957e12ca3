"""Conjugate gradients for least squares."""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.operators.linear_operator import Array, LinearOperator
from pellucid.operators.vectors import combine, dot
from pellucid.solvers.state import State, signal, start


def cgls(
    operator: LinearOperator,
    y: Array,
    *,
    x0: Array | None = None,
    iterations: int,
    damping: float = 0.0,
    tolerance: float = 0.0,
) -> Iterator[State]:
    """Minimise ‖A x − y‖² + damping² ‖x‖².

    One application of A and one of Aᴴ per iteration. Stops early where the gradient's norm is at most
    tolerance times that at x = 0. `State.value` is ½ ‖A x − y‖² + ½ damping² ‖x‖².
    Source: Björck, Numerical Methods for Least Squares Problems, algorithm 7.4.1, doi 10.1137/1.9781611971484.
    """
    y = signal(operator, y)
    x = start(operator, x0)
    residual = y.copy() if x0 is None else combine(1.0, y, -1.0, operator(x))
    gradient = combine(1.0, operator.adjoint(residual), -(damping**2), x)
    at_zero = gradient if x0 is None else operator.adjoint(y)
    limit = tolerance * dot(at_zero, at_zero) ** 0.5
    direction = gradient.copy()
    square = dot(gradient, gradient)
    for iteration in range(1, iterations + 1):
        mapped = operator(direction)
        curvature = dot(mapped, mapped) + damping**2 * dot(direction, direction)
        length = square / curvature if curvature > 0.0 else 0.0
        combine(1.0, x, length, direction, out=x)
        combine(1.0, residual, -length, mapped, out=residual)
        yield State(iteration, x, 0.5 * (dot(residual, residual) + damping**2 * dot(x, x)))
        gradient = combine(1.0, operator.adjoint(residual), -(damping**2), x)
        previous, square = square, dot(gradient, gradient)
        if square**0.5 <= limit or square == 0.0:
            return
        combine(1.0, gradient, square / previous, direction, out=direction)
