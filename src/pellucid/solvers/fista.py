"""Fast iterative shrinkage-thresholding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from pellucid.functionals.functional import Proximable
from pellucid.operators.linear_operator import Array
from pellucid.operators.vectors import combine, dot
from pellucid.solvers.state import State


class SmoothTerm(Protocol):
    """What `fista` needs of its smooth term."""

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """f(x) and ∇f(x)."""


def fista(smooth: SmoothTerm, prior: Proximable, *, x0: Array, iterations: int, step: float) -> Iterator[State]:
    """Minimise f(x) + g(x), f smooth and g with a proximal map.

    `step` ≤ 1/L with L the Lipschitz constant of ∇f (‖A‖² for least squares). The momentum restarts where it
    points uphill (O'Donoghue and Candès 2015, doi 10.1007/s10208-013-9150-3). `State.value` is f at the
    extrapolated point from which x was made, plus g(x). x is a new array in every state.
    Source: Beck and Teboulle 2009, doi 10.1137/080716542.
    """
    x = np.array(x0)
    point, momentum = x, 1.0
    for iteration in range(1, iterations + 1):
        value, gradient = smooth.value_and_gradient(point)
        updated = prior.proximal(combine(1.0, point, -step, gradient), step)
        yield State(iteration, updated, value + prior.value(updated))
        change = combine(1.0, updated, -1.0, x)
        if dot(combine(1.0, point, -1.0, updated), change) > 0.0:
            momentum = 1.0
        following = (1.0 + (1.0 + 4.0 * momentum**2) ** 0.5) / 2.0
        point = combine(1.0, updated, (momentum - 1.0) / following, change)
        x, momentum = updated, following
