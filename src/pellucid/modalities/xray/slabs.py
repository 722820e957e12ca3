"""Averaging thin slices into thick ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def slab_weights(
    sources_mm: NDArray[np.float64], targets_mm: NDArray[np.float64], thickness_mm: float
) -> NDArray[np.float32]:
    """Matrix `[target, source]` that averages slabs: by how much each source lies in each target slab.

    `sources_mm`: middles of neighbouring slabs, rising or falling, their borders half-way between them;
    `targets_mm`: middles of slabs of `thickness_mm`. Rows add up to 1; a target beyond the sources takes the last one.
    """
    order = np.argsort(sources_mm)
    middles = sources_mm[order]
    between = (middles[1:] + middles[:-1]) / 2
    half = np.diff(middles)[[0, -1]] / 2 if len(middles) > 1 else np.array([np.inf, np.inf])
    low, high = np.append(middles[0] - half[0], between), np.append(between, middles[-1] + half[1])
    bottom, top = targets_mm[:, None] - thickness_mm / 2, targets_mm[:, None] + thickness_mm / 2
    overlap = np.maximum(0.0, np.minimum(high, top) - np.maximum(low, bottom)) / thickness_mm
    overlap[overlap < 1e-9] = 0.0
    beyond = overlap.sum(axis=1) == 0
    overlap[beyond, np.abs(middles - targets_mm[beyond, None]).argmin(axis=1)] = 1.0
    weights = np.zeros_like(overlap)
    weights[:, order] = overlap / overlap.sum(axis=1, keepdims=True)
    result: NDArray[np.float32] = weights.astype(np.float32)
    return result
