"""Simultaneous iterative reconstruction technique."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.errors import InvalidInputError
from pellucid.operators.linear_operator import Array, LinearOperator
from pellucid.operators.vectors import combine, dot
from pellucid.solvers.state import State, signal, start


def sirt(
    operator: LinearOperator,
    y: Array,
    *,
    x0: Array | None = None,
    iterations: int,
    relaxation: float = 1.0,
    non_negative: bool = False,
) -> Iterator[State]:
    """Repeat x ← x + relaxation C Aᵀ R (y − A x), with R and C the inverse row and column sums of A.

    For A with non-negative entries (a projector); rows and columns that sum to 0 are left out. Converges for
    relaxation in (0, 2) to a minimiser of ‖A x − y‖²_R; `State.value` is half that norm.
    Source: Gregor and Benson 2008, doi 10.1109/TMI.2008.923696.
    """
    if not 0.0 < relaxation < 2.0:
        raise InvalidInputError(f"is {relaxation}; expected 0 < relaxation < 2", field="relaxation")
    y = signal(operator, y)
    x = start(operator, x0)
    rows = _inverse(operator(np.ones(operator.shape_in, operator.dtype)))
    columns = _inverse(operator.adjoint(np.ones(operator.shape_out, operator.dtype)))
    columns *= relaxation
    residual = y.copy() if x0 is None else combine(1.0, y, -1.0, operator(x))
    for iteration in range(1, iterations + 1):
        update = operator.adjoint(rows * residual)
        x += columns * update
        if non_negative:
            np.maximum(x, 0, out=x)
        residual = combine(1.0, y, -1.0, operator(x), out=residual)
        yield State(iteration, x, 0.5 * dot(residual, rows * residual))


def _inverse(sums: Array) -> Array:
    """1/sums, and 0 where the sum is 0 (to rounding)."""
    floor = np.finfo(sums.dtype).eps * float(np.max(np.abs(sums), initial=0.0))
    safe = sums > floor
    result: Array = np.where(safe, 1.0 / np.where(safe, sums, 1.0), 0.0).astype(sums.dtype)
    return result
