"""Noise of the receiver: circular complex normal numbers, correlated between the coils."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NOISE_SCAN_SAMPLES = 4096


def add_noise(
    samples: NDArray[np.complex64],
    covariance: NDArray[np.complex128],
    generator: np.random.Generator,
    *,
    sampled: NDArray[np.bool_] | None = None,
) -> NDArray[np.complex64]:
    """Add noise of this covariance to samples `[slice, coil, …]` in place; returns a noise scan of the same.

    `sampled`: where samples were acquired, all if None.
    """
    root = np.linalg.cholesky(covariance).astype(np.complex64)
    coils = len(root)
    for part in samples:
        noise = root @ _normal((coils, part[0].size), generator)
        noise = noise.reshape(part.shape)
        part += noise if sampled is None else noise * sampled
    scan_noise: NDArray[np.complex64] = root @ _normal((coils, NOISE_SCAN_SAMPLES), generator)
    return scan_noise


def _normal(shape: tuple[int, ...], generator: np.random.Generator) -> NDArray[np.complex64]:
    """Circular complex normal numbers of unit variance."""
    pairs = generator.standard_normal((*shape, 2), dtype=np.float32)
    pairs *= np.float32(np.sqrt(0.5))
    result: NDArray[np.complex64] = pairs.view(np.complex64)[..., 0]
    return result
