"""Sparsity."""

from __future__ import annotations

import numpy as np

from pellucid.errors import InvalidInputError
from pellucid.kernels import parallel_kernel, prange
from pellucid.operators.linear_operator import Array, LinearOperator, real_dtype
from pellucid.operators.wavelet import Wavelet


class L1:
    """f(x) = Σ w |W x|, real or complex; the proximal map is W⁻¹ soft(W x, w step).

    `weight`: w ≥ 0, a number or an array that broadcasts to W x (0 leaves a coefficient alone);
    `transform`: W with orthonormal columns (WᴴW = 1), e.g. `Wavelet`; default the identity.
    The proximal map is exact where W is square, that is where it does not pad. `random_shifts`: for a `Wavelet`,
    draws a new circular shift for every proximal map (cycle spinning: no blocks; Coifman and Donoho 1995,
    doi 10.1007/978-1-4612-2544-7_9); the value is that without shift.
    """

    def __init__(
        self,
        weight: float | Array,
        transform: LinearOperator | None = None,
        *,
        random_shifts: np.random.Generator | None = None,
    ) -> None:
        self.weight = checked_weight(weight)
        self.transform = transform
        self.random_shifts = random_shifts
        if random_shifts is not None and not isinstance(transform, Wavelet):
            raise InvalidInputError(f"needs a Wavelet to shift, not {transform!r}", field="random_shifts")

    def value(self, x: Array) -> float:
        """Σ w |W x|."""
        coefficients = x if self.transform is None else self.transform(x)
        return float(np.sum(self.weight * np.abs(coefficients), dtype=np.float64))

    def proximal(self, x: Array, step: float) -> Array:
        """Soft thresholding by w step."""
        if self.transform is None:
            return soft_threshold(x, self.weight * step)
        transform = self.transform
        if self.random_shifts is not None and isinstance(transform, Wavelet):
            transform = transform.randomly_shifted(self.random_shifts)
        return transform.adjoint(soft_threshold(transform(x), self.weight * step))


def checked_weight(weight: float | Array) -> Array:
    """A non-negative finite weight as an array; raises `InvalidInputError` otherwise."""
    result = np.asarray(weight, np.float64)
    if not np.all((result >= 0) & np.isfinite(result)):
        raise InvalidInputError("holds negative or non-finite values; expected >= 0", field="weight")
    return result


def soft_threshold(x: Array, threshold: Array) -> Array:
    """Shrink x towards 0 by `threshold` in magnitude (argmin_u threshold |u| + ½|u − x|²)."""
    flat = np.ascontiguousarray(x).reshape(-1)
    limits = np.asarray(threshold, real_dtype(flat.dtype))
    if limits.ndim:
        limits = np.ascontiguousarray(np.broadcast_to(limits, x.shape))
    result = np.empty_like(flat)
    if flat.dtype.kind == "c":
        shrink_complex(flat, limits.reshape(-1), result)
    else:
        shrink(flat, limits.reshape(-1), result)
    return result.reshape(x.shape)


@parallel_kernel
def shrink(x: Array, limits: Array, out: Array) -> None:
    """Soft thresholding of real numbers; `limits` has one or all entries."""
    zero = x.dtype.type(0)
    each = limits.size > 1
    for i in prange(x.size):
        limit = limits[i] if each else limits[0]
        out[i] = max(x[i] - limit, zero) + min(x[i] + limit, zero)


@parallel_kernel
def shrink_complex(x: Array, limits: Array, out: Array) -> None:
    """Soft thresholding of complex magnitudes; `limits` has one or all entries."""
    one = limits.dtype.type(1)
    # Smaller squares have lost their digits, and the fast reciprocal root of one is infinite.
    least = limits.dtype.type(1.2e-38)
    each = limits.size > 1
    for i in prange(x.size):
        limit = limits[i] if each else limits[0]
        square = x[i].real * x[i].real + x[i].imag * x[i].imag
        out[i] = x[i] * (one - limit / np.sqrt(square)) if square > max(limit * limit, least) else 0
