"""Polychromatic attenuation through few line integrals.

    I / I₀ = Σ w(E) exp(−∫ μ(r, E) dl),   μ(tissue, E) ≈ Σ_b c(tissue, b) m_b(E)

Attenuation curves of tissues are nearly combinations of two or three functions of energy (photoelectric, Compton,
coherent), so one ray transform per function b replaces one per energy or per tissue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.kernels import parallel_kernel, prange
from pellucid.modalities.xray.spectrum import Spectrum

Array = NDArray[Any]
TOLERANCE = 1e-3
"""Largest error of a tissue's attenuation, as part of water's: one CT number."""
_ENERGY_BINS = 32


@dataclass(frozen=True, eq=False)
class AttenuationBasis:
    """Curves of tissues as combinations of few functions of energy.

    `coefficients`: `[tissue, function]`; `functions`: `[function, energy]`, 1/cm.
    """

    coefficients: NDArray[np.float64]
    functions: NDArray[np.float64]


def attenuation_basis(curves_per_cm: Array, spectrum: Spectrum, tolerance: float = TOLERANCE) -> AttenuationBasis:
    """The fewest functions that give all `curves_per_cm` `[tissue, energy]` to `tolerance`.

    The error is that relative to water, root mean square over the detected spectrum; the singular value
    decomposition in that norm is the best there is.
    """
    scale = np.sqrt(spectrum.weights) / spectrum.water_per_cm
    weighted = np.asarray(curves_per_cm, np.float64) * scale
    left, sizes, right = np.linalg.svd(weighted, full_matrices=False)
    count = 1
    for count in range(1, len(sizes) + 1):
        error = (left[:, :count] * sizes[:count]) @ right[:count] - weighted
        if np.linalg.norm(error, axis=1).max() <= tolerance:
            break
    return AttenuationBasis(left[:, :count] * sizes[:count], right[:count] / scale)


@dataclass(frozen=True, eq=False)
class Transmission:
    """What a detector sees behind known line integrals of the basis functions.

    `weights`: share of the unattenuated signal from each bin of energy, `[bin]`; `energies_kev`: mean energy of each;
    `functions`: attenuation of each basis function there, `[bin, function]`, 1/cm; `mean_kev`: of the photons.
    """

    weights: NDArray[np.float32]
    energies_kev: NDArray[np.float32]
    functions: NDArray[np.float32]
    mean_kev: float

    def __call__(self, integrals: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Signal and its variance per photon, both relative to the unattenuated signal.

        `integrals`: `[function, ray]`, ∫ c dl in cm. The variance is that of an energy-integrating detector that
        one photon per ray would reach: Σ w E T / mean energy.
        """
        signal, variance = np.empty(integrals.shape[1], np.float32), np.empty(integrals.shape[1], np.float32)
        transmit(integrals, self.weights, self.weights * self.energies_kev, self.functions, signal, variance)
        variance /= np.float32(self.mean_kev)
        return signal, variance


def transmission(spectrum: Spectrum, basis: AttenuationBasis) -> Transmission:
    """Neighbouring energies put together into some thirty bins, each with the mean attenuation of its photons."""
    share = np.cumsum(spectrum.weights) - spectrum.weights / 2
    index = np.unique(np.floor(share * _ENERGY_BINS), return_inverse=True)[1]
    weights = np.bincount(index, spectrum.weights)
    energies = np.bincount(index, spectrum.weights * spectrum.energies_kev) / weights
    functions = np.stack([np.bincount(index, spectrum.weights * f) / weights for f in basis.functions], axis=1)
    mean_kev = 1 / float(spectrum.weights @ (1 / spectrum.energies_kev))
    return Transmission(
        weights=weights.astype(np.float32),
        energies_kev=energies.astype(np.float32),
        functions=functions.astype(np.float32),
        mean_kev=mean_kev,
    )


@parallel_kernel
def transmit(
    integrals: Array, weights: Array, energy_weights: Array, functions: Array, signal: Array, variance: Array
) -> None:
    """Sums over energy of weight and of energy weight times exp(−Σ integral · function), for every ray."""
    bins, count = functions.shape
    for ray in prange(integrals.shape[1]):
        crossed = np.float32(0)
        for function in range(count):
            crossed += abs(integrals[function, ray])
        if crossed == 0:  # past the patient
            signal[ray], variance[ray] = weights.sum(), energy_weights.sum()
            continue
        total, energy_total = np.float32(0), np.float32(0)
        for bin_ in range(bins):
            exponent = np.float32(0)
            for function in range(count):
                exponent -= integrals[function, ray] * functions[bin_, function]
            transmitted = np.exp(exponent)
            total += weights[bin_] * transmitted
            energy_total += energy_weights[bin_] * transmitted
        signal[ray] = total
        variance[ray] = energy_total
