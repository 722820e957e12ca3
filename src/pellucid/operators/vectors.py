"""Fused vector arithmetic on arrays of any shape; a complex number counts as two real ones."""

from __future__ import annotations

import numpy as np

from pellucid.kernels import parallel_kernel, prange
from pellucid.operators.linear_operator import Array, real_dtype


def combine(a: float, x: Array, b: float, y: Array, out: Array | None = None) -> Array:
    """Make a x + b y in one pass, for arrays of one shape and dtype; `out` (contiguous) may be x or y."""
    if out is None:
        out = np.empty(x.shape, x.dtype)
    scalar = real_dtype(out.dtype).type
    linear_combination(scalar(a), _reals(x), scalar(b), _reals(y), _reals(out))
    return out


def dot(x: Array, y: Array) -> float:
    """Re ⟨x, y⟩ in double precision."""
    return float(inner_product(_reals(x), _reals(y)))


def norm(x: Array) -> float:
    """‖x‖ in double precision."""
    return float(np.sqrt(dot(x, x)))


def _reals(x: Array) -> Array:
    flat = np.ascontiguousarray(x).reshape(-1)
    return flat.view(real_dtype(flat.dtype)) if flat.dtype.kind == "c" else flat


@parallel_kernel
def linear_combination(a: float, x: Array, b: float, y: Array, out: Array) -> None:
    """Write a x + b y."""
    for i in prange(x.size):
        out[i] = a * x[i] + b * y[i]


@parallel_kernel
def inner_product(x: Array, y: Array) -> float:
    """Σ x y in double precision."""
    total = 0.0
    for i in prange(x.size):
        total += np.float64(x[i]) * np.float64(y[i])
    return total
