"""Density compensation: how much of k-space each sample of a trajectory stands for.

Weights are areas in units of the Nyquist cell (1 / field of view)², so that Aᴴ W A ≈ 1 for A of `NonUniformFourier`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.operators import NonUniformFourier

Weights = NDArray[np.float32]


def ramp(coordinates: NDArray[np.float64], shape: tuple[int, int]) -> Weights:
    """The |k| ramp of straight spokes through the centre, `[line, readout]`.

    A sample at distance ρ on one of n spokes with spacing δ stands for the area π ρ δ / n; the one at the centre for
    its share of a disc of radius δ / 2. `coordinates` in cycles per pixel.
    """
    cells = coordinates * np.array(shape, float)
    spokes = len(cells)
    spacing = np.median(np.linalg.norm(np.diff(cells, axis=1), axis=-1))
    radius = np.linalg.norm(cells, axis=-1)
    area: Weights = (np.pi / spokes * spacing * np.maximum(radius, spacing / 4)).astype(np.float32)
    return area


def is_radial(coordinates: NDArray[np.float64]) -> bool:
    """Whether every line is straight and passes within half a sample of the centre."""
    step = coordinates[:, 1:] - coordinates[:, :-1]
    straight = np.allclose(step, step[:, :1], atol=1e-3 * float(np.abs(step).max()))
    nearest = np.linalg.norm(coordinates, axis=-1).min(axis=1)
    return bool(straight and np.all(nearest <= 0.6 * np.linalg.norm(step[:, 0], axis=-1) + 1e-9))


def pipe_menon(coordinates: NDArray[np.float64], shape: tuple[int, int], *, iterations: int = 12) -> Weights:
    """Weights of any trajectory by the fixed point w ← w / (K w), `[line, readout]`.

    Pipe and Menon 1999, doi:10.1002/(SICI)1522-2594(199901)41:1<179::AID-MRM25>3.0.CO;2-V. K is the convolution by a
    kernel whose transform is the autocorrelation of the field of view's disc, so it is nowhere negative.
    """
    doubled = (2 * shape[0], 2 * shape[1])
    transform = NonUniformFourier(doubled, coordinates, tolerance=1e-4)
    support = _disc_autocorrelation(doubled)
    weights: Weights = np.ones(coordinates.shape[:-1], np.float32)
    for _ in range(iterations):
        blurred = transform(support * transform.adjoint(weights.astype(np.complex64)))
        weights /= np.maximum(np.abs(blurred), np.finfo(np.float32).tiny)
    # Areas were found in cells of the doubled grid.
    return weights / np.float32(4)


def _disc_autocorrelation(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Autocorrelation of a disc of half the grid's width, 1 at the centre."""
    axes = [(np.arange(n) - n // 2) / (n / 2) for n in shape]
    distance = np.minimum(np.hypot(axes[0][:, None], axes[1][None]), 1.0)
    overlap = 2 / np.pi * (np.arccos(distance) - distance * np.sqrt(1 - distance**2))
    result: NDArray[np.float32] = overlap.astype(np.float32)
    return result
