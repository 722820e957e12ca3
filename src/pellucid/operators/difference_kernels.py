"""Fused loops over the gradient field of a volume: no gradient array is stored.

Volumes are `(batch, n0, n1, n2)`, fields `(d, batch, n0, n1, n2)` for the last d axes, real or complex; the
field is 0 at the last index of its own axis (Neumann edge). `scales` are the d inverse spacings.
"""

from __future__ import annotations

import numpy as np

from pellucid.kernels import kernel, parallel_kernel, prange
from pellucid.operators.linear_operator import Array

_LINES = 32


def as_volume(x: Array, dimensions: int) -> Array:
    """`x` as contiguous `(batch, n0, n1, n2)`, differences to be taken along the last `dimensions` axes."""
    spatial = x.shape[x.ndim - dimensions :]
    return np.ascontiguousarray(x).reshape(-1, *(1,) * (3 - dimensions), *spatial)


@kernel
def squared(value: complex) -> float:
    """|value|²."""
    return value.real * value.real + value.imag * value.imag


@kernel
def add_gradient(x: Array, line: int, scales: Array, factor: float, rows: Array) -> None:
    """Add factor · ∇x along one line of the last axis to `rows` (d, n2)."""
    _, n0, n1, n2 = x.shape
    last = rows.shape[0] - 1
    b, i, j = line // (n0 * n1), (line // n1) % n0, line % n1
    here = x[b, i, j]
    step = factor * scales[last]
    row = rows[last]
    for k in range(n2 - 1):
        row[k] += step * (here[k + 1] - here[k])
    if last > 0 and j + 1 < n1:
        after = x[b, i, j + 1]
        step = factor * scales[last - 1]
        row = rows[last - 1]
        for k in range(n2):
            row[k] += step * (after[k] - here[k])
    if last > 1 and i + 1 < n0:
        after = x[b, i + 1, j]
        step = factor * scales[0]
        row = rows[0]
        for k in range(n2):
            row[k] += step * (after[k] - here[k])


@parallel_kernel
def total_variation(x: Array, scales: Array) -> float:
    """Σ |∇x|, lines summed in double precision."""
    batch, n0, n1, _ = x.shape
    lines = batch * n0 * n1
    total = 0.0
    for part in prange((lines + _LINES - 1) // _LINES):
        total += _variation_of(x, scales, part * _LINES, min((part + 1) * _LINES, lines))
    return total


@kernel
def _variation_of(x: Array, scales: Array, first: int, last: int) -> float:
    count, one, zero = scales.size, scales.dtype.type(1), scales.dtype.type(0)
    rows = np.empty((count, x.shape[3]), x.dtype)
    total = 0.0
    for line in range(first, last):
        rows[:] = 0
        add_gradient(x, line, scales, one, rows)
        subtotal = zero
        for k in range(x.shape[3]):
            square = squared(rows[0, k])
            for a in range(1, count):
                square += squared(rows[a, k])
            subtotal += np.sqrt(square)
        total += subtotal
    return total


@parallel_kernel
def ascend(field: Array, x: Array, scales: Array, step: float, limit: float, out: Array) -> None:
    """Write field + step ∇x, shortened to a length of at most `limit` (`out` may be `field`)."""
    batch, n0, n1, _ = x.shape
    lines = batch * n0 * n1
    for part in prange((lines + _LINES - 1) // _LINES):
        _ascend_on(field, x, scales, step, limit, part * _LINES, min((part + 1) * _LINES, lines), out)


@kernel
def _ascend_on(
    field: Array, x: Array, scales: Array, step: float, limit: float, first: int, last: int, out: Array
) -> None:
    _, n0, n1, n2 = x.shape
    count, one = scales.size, scales.dtype.type(1)
    rows = np.empty((count, n2), x.dtype)
    squares = np.empty(n2, scales.dtype)
    for line in range(first, last):
        b, i, j = line // (n0 * n1), (line // n1) % n0, line % n1
        for a in range(count):
            before = field[a, b, i, j]
            for k in range(n2):
                rows[a, k] = before[k]
        add_gradient(x, line, scales, step, rows)
        for k in range(n2):
            squares[k] = squared(rows[0, k])
        for a in range(1, count):
            for k in range(n2):
                squares[k] += squared(rows[a, k])
        for k in range(n2):
            squares[k] = limit / np.sqrt(squares[k]) if squares[k] > limit * limit else one
        for a in range(count):
            after = out[a, b, i, j]
            for k in range(n2):
                after[k] = rows[a, k] * squares[k]


@parallel_kernel
def add_adjoint(field: Array, scales: Array, factor: float, x: Array, out: Array) -> None:
    """Write x + factor · ∇ᴴ field (`out` may be `x`)."""
    batch, n0, n1, _ = x.shape
    for line in prange(batch * n0 * n1):
        _add_adjoint_on(field, scales, factor, x, line // (n0 * n1), (line // n1) % n0, line % n1, out)


@kernel
def _add_adjoint_on(field: Array, scales: Array, factor: float, x: Array, b: int, i: int, j: int, out: Array) -> None:
    n2, dimensions = x.shape[3], scales.size
    step = factor * scales[dimensions - 1]
    out[b, i, j, 0] = x[b, i, j, 0] - step * field[dimensions - 1, b, i, j, 0]
    for k in range(1, n2):
        change = field[dimensions - 1, b, i, j, k - 1] - field[dimensions - 1, b, i, j, k]
        out[b, i, j, k] = x[b, i, j, k] + step * change
    if dimensions > 1:
        step = factor * scales[dimensions - 2]
        for k in range(n2):
            out[b, i, j, k] -= step * field[dimensions - 2, b, i, j, k]
        if j > 0:
            for k in range(n2):
                out[b, i, j, k] += step * field[dimensions - 2, b, i, j - 1, k]
    if dimensions > 2:
        step = factor * scales[0]
        for k in range(n2):
            out[b, i, j, k] -= step * field[0, b, i, j, k]
        if i > 0:
            for k in range(n2):
                out[b, i, j, k] += step * field[0, b, i - 1, j, k]
