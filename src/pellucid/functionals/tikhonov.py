"""Quadratic smoothness or size."""

from __future__ import annotations

import numpy as np

from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.operators.linear_operator import Array, LinearOperator


class Tikhonov:
    """f(x) = ½ w ‖B (x − x₀)‖².

    `weight`: w ≥ 0; `operator`: B (default: the identity), e.g. `FiniteDifference` for smoothness; `reference`:
    x₀ (default 0). The proximal map exists in closed form for B = 1 only.
    """

    def __init__(self, weight: float, operator: LinearOperator | None = None, reference: Array | float = 0.0) -> None:
        if not (np.isfinite(weight) and weight >= 0):
            raise InvalidInputError(f"is {weight}; expected >= 0", field="weight")
        self.weight = float(weight)
        self.operator = operator
        self.reference = np.asarray(reference)

    def _mapped(self, x: Array) -> Array:
        difference: Array = (x - self.reference).astype(x.dtype, copy=False)
        return difference if self.operator is None else self.operator(difference)

    def value(self, x: Array) -> float:
        """½ w ‖B (x − x₀)‖²."""
        mapped = self._mapped(x)
        return 0.5 * self.weight * float(np.vdot(mapped, mapped).real)

    def gradient(self, x: Array) -> Array:
        """∇f(x) = w BᴴB (x − x₀)."""
        mapped = self._mapped(x)
        return self.weight * (mapped if self.operator is None else self.operator.adjoint(mapped))

    def proximal(self, x: Array, step: float) -> Array:
        """(x + step w x₀)/(1 + step w)."""
        if self.operator is not None:
            raise UnsupportedError("has no closed proximal map with an operator; use its gradient", field="Tikhonov")
        weight = step * self.weight
        result: Array = ((x + weight * self.reference) / (1 + weight)).astype(x.dtype, copy=False)
        return result
