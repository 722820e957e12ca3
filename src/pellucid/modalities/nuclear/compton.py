"""Compton scattering of annihilation photons and what an energy window keeps of it.

    E'/E = 1/(2 - cos θ) at E = 511 keV
    dσ/dΩ = r_e²/2 (E'/E)² (E'/E + E/E' - sin²θ)

Klein and Nishina, Z Phys 1929, doi 10.1007/BF01366453.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import erf

from pellucid.modalities.nuclear.scanner import Scanner

ANNIHILATION_KEV = 510.99895
_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))


def scattered_fraction(cosine: ArrayLike) -> NDArray[np.float64]:
    """E'/E of a 511 keV photon that scatters by the angle of this cosine."""
    return np.asarray(1.0 / (2.0 - np.asarray(cosine, np.float64)), np.float64)


def directional_share(cosine: ArrayLike) -> NDArray[np.float64]:
    """(dσ/dΩ)/σ of 511 keV photons [1/sr]: its integral over all directions is 1."""
    cosine = np.asarray(cosine, np.float64)
    fraction = scattered_fraction(cosine)
    shape = fraction**2 * (fraction + 1 / fraction - (1 - cosine**2)) / 2
    return np.asarray(shape / total_cross_section(1.0), np.float64)


def total_cross_section(energy: ArrayLike) -> NDArray[np.float64]:
    """σ/r_e² of a photon of `energy` in units of the electron's 511 keV."""
    a = np.asarray(energy, np.float64)
    log = np.log1p(2 * a)
    first = (1 + a) / a**2 * (2 * (1 + a) / (1 + 2 * a) - log / a)
    return np.asarray(2 * np.pi * (first + log / (2 * a) - (1 + 3 * a) / (1 + 2 * a) ** 2), np.float64)


def window_share(scanner: Scanner, fraction: ArrayLike) -> NDArray[np.float64]:
    """Share of photons of energy `fraction` · 511 keV within the energy window, relative to 511 keV itself.

    The detector's resolution is Gaussian and its FWHM goes with the square root of the energy.
    """
    low, high = scanner.energy_window_kev

    def inside(part: NDArray[np.float64]) -> NDArray[np.float64]:
        energy = part * ANNIHILATION_KEV
        sigma = scanner.energy_resolution * np.sqrt(energy * ANNIHILATION_KEV) / _FWHM_PER_SIGMA
        upper, lower = (high - energy) / (np.sqrt(2) * sigma), (low - energy) / (np.sqrt(2) * sigma)
        return np.asarray((erf(upper) - erf(lower)) / 2, np.float64)

    return np.asarray(inside(np.asarray(fraction, np.float64)) / inside(np.ones(1)), np.float64)
