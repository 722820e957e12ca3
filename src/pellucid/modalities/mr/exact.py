"""Exact multi-coil k-space of analytic phantoms, for tests of reconstruction that share no code with it.

A sensitivity that is a finite Fourier series, C_c(r) = Σ_h a_ch exp(2πi q_h·r), turns the phantom's transform F into

    s_c(k) = Σ_h a_ch F(k − q_h)

without any grid or approximation. Guerquin-Kern et al. 2012, doi:10.1109/TMI.2011.2174158.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid.modalities.mr.coils import CoilArray

Transform = Callable[[NDArray[np.float64]], NDArray[np.complex128]]


@dataclass(frozen=True)
class HarmonicCoils:
    """Sensitivities as Fourier series: `frequencies` `[harmonic, axis]` in cycles/mm, `weights` `[coil, harmonic]`."""

    frequencies: NDArray[np.float64]
    weights: NDArray[np.complex128]

    def sensitivity(self, points_mm: ArrayLike) -> NDArray[np.complex128]:
        """Sensitivity `[coil, …]` at points `[…, axis]`."""
        phase = np.exp(2j * np.pi * (np.asarray(points_mm, float) @ self.frequencies.T))
        result: NDArray[np.complex128] = np.moveaxis(phase @ self.weights.T, -1, 0)
        return result

    def kspace(self, transform: Transform, k_per_mm: ArrayLike) -> NDArray[np.complex128]:
        """k-space `[coil, …]` at k `[…, axis]` in cycles/mm of an object with the Fourier `transform`."""
        k = np.asarray(k_per_mm, float)
        result = np.zeros((len(self.weights), *k.shape[:-1]), np.complex128)
        for frequency, weight in zip(self.frequencies, self.weights.T, strict=True):
            result += weight.reshape(-1, *[1] * (k.ndim - 1)) * transform(k - frequency)
        return result

    def kspace_on_grid(
        self, transform: Transform, first_per_mm: NDArray[np.float64], second_per_mm: NDArray[np.float64]
    ) -> NDArray[np.complex128]:
        """The same on a grid `[coil, second, first]` of k along two axes; places that shifts share are found once."""
        shifts = [np.unique(self.frequencies[:, axis]) for axis in (0, 1)]
        places, found = [], []
        for line, shift in zip((first_per_mm, second_per_mm), shifts, strict=True):
            # Rounding joins places that differ by the last bits only.
            each = np.round(line[:, None] - shift, 12)
            values, index = np.unique(each, return_inverse=True)
            places.append(values)
            found.append(index.reshape(each.shape))
        once = transform(np.stack(np.meshgrid(*places, indexing="xy"), axis=-1))
        result = np.zeros((len(self.weights), len(second_per_mm), len(first_per_mm)), np.complex128)
        for frequency, weight in zip(self.frequencies, self.weights.T, strict=True):
            columns, rows = (found[a][:, np.searchsorted(shifts[a], frequency[a])] for a in (0, 1))
            result += weight[:, None, None] * once[np.ix_(rows, columns)]
        return result


def harmonic_coils(coils: CoilArray, size_mm: float, *, harmonics: int = 5, height_mm: float = 0.0) -> HarmonicCoils:
    """The Fourier series nearest to the loops' sensitivities over a disc of diameter `size_mm` in an axial plane.

    `harmonics` (odd) along each axis (x, y), of a period of two diameters; scaled to a root sum of squares of 1
    in the centre.
    """
    half = harmonics // 2
    steps = np.arange(-half, half + 1) / (2 * size_mm)
    frequencies = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
    line = np.linspace(-size_mm / 2, size_mm / 2, 8 * harmonics)
    points = np.stack(np.meshgrid(line, line, indexing="ij"), -1).reshape(-1, 2)
    points = points[np.hypot(*points.T) <= size_mm / 2]
    places = np.column_stack([points, np.full(len(points), height_mm)])
    wanted = coils.sensitivity(places) / np.linalg.norm(coils.sensitivity((0.0, 0.0, height_mm)))
    basis = np.exp(2j * np.pi * points @ frequencies.T)
    # A little damping keeps the series small outside the disc.
    normal = basis.conj().T @ basis + 1e-4 * len(points) * np.eye(len(frequencies))
    weights = np.linalg.solve(normal, basis.conj().T @ wanted.T)
    return HarmonicCoils(frequencies, weights.T)
