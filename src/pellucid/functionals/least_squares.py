"""The data term of normally distributed noise."""

from __future__ import annotations

import numpy as np

from pellucid.errors import InvalidInputError
from pellucid.operators.linear_operator import Array, LinearOperator, real_dtype
from pellucid.operators.vectors import combine, dot


class SquaredDistance:
    """f(z) = ½ Σ w |z − y|².

    `y`: the signal, real or complex; `weights`: w ≥ 0 that broadcast to y (inverse variances; default 1).
    A weight of 0 ignores the entry. Raises `InvalidInputError` for negative or non-finite weights.
    """

    def __init__(self, y: Array, weights: Array | None = None) -> None:
        self.y = np.asarray(y, None if np.asarray(y).dtype.kind in "fc" else np.float32)
        self.weights = None if weights is None else np.asarray(weights, real_dtype(self.y.dtype))
        if self.weights is not None and not np.all((self.weights >= 0) & np.isfinite(self.weights)):
            raise InvalidInputError("holds negative or non-finite values; expected >= 0", field="weights")

    def _weighted(self, z: Array) -> Array:
        return z if self.weights is None else np.asarray(self.weights * z)

    def value(self, z: Array) -> float:
        """½ Σ w |z − y|²."""
        residual = combine(1.0, z, -1.0, self.y)
        return 0.5 * dot(residual, self._weighted(residual))

    def gradient(self, z: Array) -> Array:
        """∇f(z) = w (z − y)."""
        return self._weighted(combine(1.0, z, -1.0, self.y))

    def proximal(self, z: Array, step: float) -> Array:
        """(z + step w y)/(1 + step w)."""
        if self.weights is None:
            return combine(1.0 / (1.0 + step), z, step / (1.0 + step), self.y)
        weight = self.weights * self.weights.dtype.type(step)
        result: Array = (z + weight * self.y) / (1 + weight)
        return result

    def proximal_dual(self, p: Array, step: float) -> Array:
        """Map to w (p − step y)/(w + step), which is 0 where w is 0."""
        if self.weights is None:
            return combine(1.0 / (1.0 + step), p, -step / (1.0 + step), self.y)
        factor = self.weights / (self.weights + self.weights.dtype.type(step))
        result: Array = factor * combine(1.0, p, -step, self.y)
        return result

    def conjugate(self, p: Array) -> float:
        """Σ |p|²/(2w) + Re⟨p, y⟩; infinite where p is not 0 at a weight of 0."""
        linear = dot(self.y, p)
        if self.weights is None:
            return 0.5 * dot(p, p) + linear
        weights = np.broadcast_to(self.weights, p.shape)
        used = weights > 0
        if np.any(p[~used] != 0):
            return float("inf")
        return 0.5 * float(np.sum(np.abs(p[used]) ** 2 / weights[used], dtype=np.float64)) + linear

    def scales(self) -> tuple[float, float]:
        """‖y‖ and the mean curvature ‖w y‖/‖y‖ (1 where y is 0)."""
        size = float(np.linalg.norm(self.y))
        return size, float(np.linalg.norm(self._weighted(self.y))) / size if size > 0 else 1.0


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
        expected = self.operator(x)
        return self.distance.value(expected), self.operator.adjoint(self.distance.gradient(expected))
