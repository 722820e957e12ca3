"""The data term of counted quanta."""

from __future__ import annotations

import numpy as np

from pellucid.errors import InvalidInputError
from pellucid.kernels import parallel_kernel, prange
from pellucid.operators.linear_operator import Array, LinearOperator


class KullbackLeibler:
    """f(z) = Σ e − y + y ln(y/e) with the expectation e = z + b: the Poisson deviance/2, ≥ 0, 0 where e = y.

    `counts`: y ≥ 0; `background`: b ≥ 0 that broadcasts to y (randoms, scatter; default 0).
    It differs from the negative log-likelihood Σ e − y ln e by a constant of y alone.
    At y = 0 the term is e. At e = 0 it is 0 for y = 0 and infinite for y > 0. For e < 0 it is infinite.
    Raises `InvalidInputError` for negative or non-finite counts or background.
    """

    def __init__(self, counts: Array, background: Array | float = 0.0) -> None:
        self.counts = _non_negative(counts, "counts")
        filled = np.broadcast_to(np.asarray(background, self.counts.dtype), self.counts.shape)
        self.background = _non_negative(filled, "background")

    def value(self, z: Array) -> float:
        """Σ e − y + y ln(y/e)."""
        total, outside = deviance(np.ravel(z), self.counts.ravel(), self.background.ravel())
        return float("inf") if outside else float(total)

    def gradient(self, z: Array) -> Array:
        """1 − y/e; at e ≤ 0, where it is not finite, 0 for y > 0 and 1 for y = 0."""
        result = np.empty_like(self.counts)
        deviance_gradient(np.ravel(z), self.counts.ravel(), self.background.ravel(), result.reshape(-1))
        return result

    def proximal(self, z: Array, step: float) -> Array:
        """The positive root of e² + (step − z − b) e − step y = 0, less b."""
        step = self.counts.dtype.type(step)
        half = (z + self.background - step) / 2
        result: Array = half + np.sqrt(half * half + step * self.counts) - self.background
        return result

    def proximal_dual(self, p: Array, step: float) -> Array:
        """½ (1 + q − √((q − 1)² + 4 step y)) with q = p + step b: below 1 where y > 0."""
        result = np.empty_like(self.counts)
        step = self.counts.dtype.type(step)
        deviance_dual(np.ravel(p), self.counts.ravel(), self.background.ravel(), step, result.reshape(-1))
        return result

    def conjugate(self, p: Array) -> float:
        """Σ −y ln(1 − p) − b p; infinite where p > 1, or p = 1 and y > 0."""
        slack = 1 - np.asarray(p, np.float64)
        if np.any(slack < 0) or np.any((slack == 0) & (self.counts > 0)):
            return float("inf")
        logarithm = np.log(np.where(slack > 0, slack, 1.0))
        return float(-(self.counts * logarithm).sum() - (self.background * (1 - slack)).sum())

    def scales(self) -> tuple[float, float]:
        """‖y‖ and the curvature 1/y at the mean count (1 where there are none)."""
        total = float(np.sum(self.counts, dtype=np.float64))
        return float(np.linalg.norm(self.counts)), self.counts.size / total if total > 0 else 1.0


class PoissonLikelihood:
    """f(x) = Σ e − y + y ln(y/e), e = A x + b; gradient Aᵀ(1 − y/e).

    The negative Poisson log-likelihood of counts y up to a constant of y (`KullbackLeibler` states what happens
    at zero counts, zero expectation and negative values). `operator`: A, real; `y`: counts ≥ 0 of its
    `shape_out`; `background`: b ≥ 0, expected counts that do not come from x.
    """

    def __init__(self, operator: LinearOperator, y: Array, background: Array | float = 0.0) -> None:
        self.operator = operator
        self.distance = KullbackLeibler(np.asarray(y, operator.dtype), background)
        if self.distance.counts.shape != operator.shape_out:
            raise InvalidInputError(
                f"is {self.distance.counts.shape}; expected {operator.shape_out} of {operator!r}", field="y"
            )

    def value(self, x: Array) -> float:
        """Σ e − y + y ln(y/e)."""
        return self.distance.value(self.operator(x))

    def gradient(self, x: Array) -> Array:
        """Aᵀ(1 − y/e)."""
        return self.value_and_gradient(x)[1]

    def value_and_gradient(self, x: Array) -> tuple[float, Array]:
        """Both with one application of A."""
        expected = self.operator(x)
        slope = self.distance.gradient(expected)
        return self.distance.value(expected), self.operator.adjoint(slope)


def _non_negative(values: Array, name: str) -> Array:
    values = np.asarray(values)
    if values.dtype.kind != "f":
        values = values.astype(np.float32)
    if not np.all((values >= 0) & np.isfinite(values)):
        raise InvalidInputError("holds negative or non-finite values; expected counts >= 0", field=name)
    return np.ascontiguousarray(values)


@parallel_kernel
def deviance(z: Array, counts: Array, background: Array) -> tuple[float, int]:
    """Σ e − y + y ln(y/e) in double precision, and how many entries make it infinite."""
    total, outside = 0.0, 0
    for i in prange(z.size):
        expected = np.float64(z[i]) + np.float64(background[i])
        count = np.float64(counts[i])
        if expected < 0 or (expected == 0 and count > 0):
            outside += 1
        elif count > 0:
            total += expected - count + count * np.log(count / expected)
        else:
            total += expected
    return total, outside


@parallel_kernel
def deviance_gradient(z: Array, counts: Array, background: Array, out: Array) -> None:
    """Write 1 − y/e."""
    one, zero = counts.dtype.type(1), counts.dtype.type(0)
    for i in prange(z.size):
        expected = z[i] + background[i]
        if expected > zero:
            out[i] = one - counts[i] / expected
        else:
            out[i] = zero if counts[i] > zero else one


@parallel_kernel
def deviance_dual(p: Array, counts: Array, background: Array, step: float, out: Array) -> None:
    """Write the proximal map of the conjugate."""
    one, half, four = counts.dtype.type(1), counts.dtype.type(0.5), counts.dtype.type(4)
    for i in prange(p.size):
        q = p[i] + step * background[i]
        out[i] = half * (one + q - np.sqrt((q - one) * (q - one) + four * step * counts[i]))
