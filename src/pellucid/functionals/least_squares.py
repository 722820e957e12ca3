"""The data term of normally distributed noise."""

from __future__ import annotations

import numpy as np

from pellucid.errors import InvalidInputError
from pellucid.operators.linear_operator import Array, LinearOperator, real_dtype


class SquaredDistance:
    """f(z) = ½ Σ w |z − y|².

    `y`: the signal, real or complex; `weights`: w ≥ 0 that broadcast to y (inverse variances; default 1).
    A weight of 0 ignores the entry. Raises `InvalidInputError` for negative or non-finite weights.
    """

    def __init__(self, y: Array, weights: Array | None = None) -> None:
        self.y = np.asarray(y)
        self.weights = None if weights is None else np.asarray(weights, real_dtype(self.y.dtype))
        if self.weights is not None and not np.all((self.weights >= 0) & np.isfinite(self.weights)):
            raise InvalidInputError("holds negative or non-finite values; expected >= 0", field="weights")

    def _weighted(self, z: Array) -> Array:
        return z if self.weights is None else self.weights * z

    def value(self, z: Array) -> float:
        """½ Σ w |z − y|²."""
        residual = z - self.y
        return 0.5 * float(np.vdot(residual, self._weighted(residual)).real)

    def gradient(self, z: Array) -> Array:
        """∇f(z) = w (z − y)."""
        return self._weighted(z - self.y)

    def proximal(self, z: Array, step: float) -> Array:
        """(z + step w y)/(1 + step w)."""
        weight = step if self.weights is None else step * self.weights
        result: Array = (z + weight * self.y) / (1 + weight)
        return result

    def proximal_dual(self, p: Array, step: float) -> Array:
        """Map to w (p − step y)/(w + step), which is 0 where w is 0."""
        shifted = p - step * self.y
        result: Array = shifted / (1 + step) if self.weights is None else self._dual_factor(step) * shifted
        return result

    def _dual_factor(self, step: float) -> Array:
        assert self.weights is not None
        factor: Array = self.weights / (self.weights + real_dtype(self.y.dtype).type(step))
        return factor

    def conjugate(self, p: Array) -> float:
        """Σ |p|²/(2w) + Re⟨p, y⟩; infinite where p is not 0 at a weight of 0."""
        linear = float(np.vdot(self.y, p).real)
        square = np.abs(p) ** 2
        if self.weights is None:
            return 0.5 * float(square.sum()) + linear
        weights = np.broadcast_to(self.weights, square.shape)
        used = weights > 0
        if np.any(square[~used] > 0):
            return float("inf")
        return 0.5 * float((square[used] / weights[used]).sum()) + linear

    def dual_scale(self) -> float:
        """‖w y‖: the dual variable is w (z − y)."""
        return float(np.linalg.norm(self._weighted(self.y)))


class LeastSquares:
    """f(x) = ½ Σ w |A x − y|², with gradient Aᴴ w (A x − y).

    `operator`: A; `y`: the signal, of A's `shape_out`; `weights`: w ≥ 0 (inverse variances; default 1).
    The gradient's Lipschitz constant is max(w) ‖A‖².
    """

    def __init__(self, operator: LinearOperator, y: Array, weights: Array | None = None) -> None:
        self.operator = operator
        self.distance = SquaredDistance(np.asarray(y, operator.dtype), weights)
        if self.distance.y.shape != operator.shape_out:
            raise InvalidInputError(
                f"is {self.distance.y.shape}; expected {operator.shape_out} of {operator!r}", field="y"
            )

    def value(self, x: Array) -> float:
        """½ Σ w |A x − y|²."""
        return self.distance.value(self.operator(x))

    def gradient(self, x: Array) -> Array:
        """Aᴴ w (A x − y)."""
        return self.operator.adjoint(self.distance.gradient(self.operator(x)))

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Both with one application of A."""
        residual = self.operator(x) - self.distance.y
        weighted = self.distance._weighted(residual)
        return 0.5 * float(np.vdot(residual, weighted).real), self.operator.adjoint(weighted)
