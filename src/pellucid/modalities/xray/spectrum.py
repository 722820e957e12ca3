"""X-ray spectra: a tube's output, what the detector makes of it, and how water attenuates it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from pellucid.acquisition import require_finite
from pellucid.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True, eq=False)
class Spectrum:
    """The unattenuated beam as a detector sees it.

    `energies_kev`: rising, `[n]`. `weights`: share of the detector's signal from each energy, `[n]`, adding up to 1;
    for an energy-integrating detector photons × energy. `title`: for people.
    """

    energies_kev: NDArray[np.float64]
    weights: NDArray[np.float64]
    title: str = ""

    def __post_init__(self) -> None:
        for name in ("energies_kev", "weights"):
            values = np.array(getattr(self, name), np.float64)
            object.__setattr__(self, name, values)
            require_finite(values, f"spectrum.{name}")
        energies, weights = self.energies_kev, self.weights
        if energies.ndim != 1 or energies.shape != weights.shape or len(energies) < 1:
            raise InvalidInputError(
                f"are {energies.shape} and {weights.shape}; expected two lists of equal length", field="spectrum"
            )
        if energies[0] < 1 or np.any(np.diff(energies) <= 0):
            raise InvalidInputError("do not rise from at least 1 keV", field="spectrum.energies_kev")
        if np.any(weights < 0) or abs(weights.sum() - 1) > 1e-6:
            raise InvalidInputError(f"add up to {weights.sum():.6g}; expected 1", field="spectrum.weights")

    @property
    def is_monoenergetic(self) -> bool:
        """Whether there is one energy only."""
        return len(self.energies_kev) == 1

    @cached_property
    def water_per_cm(self) -> NDArray[np.float64]:
        """Linear attenuation coefficient of water at each energy."""
        return water_attenuation_per_cm(self.energies_kev)

    @cached_property
    def effective_water_per_cm(self) -> float:
        """Attenuation coefficient of a thin layer of water: the mean over the detected spectrum."""
        return float(self.weights @ self.water_per_cm)

    def water_line_integral(self, thickness_cm: NDArray[np.float64]) -> NDArray[np.float64]:
        """p(t) = −ln Σ w(E) exp(−μ_water(E) t): what is measured behind `thickness_cm` of water."""
        exponent = -np.multiply.outer(np.asarray(thickness_cm, float), self.water_per_cm)
        top = exponent.max(axis=-1, keepdims=True)
        result: NDArray[np.float64] = -(np.log(np.exp(exponent - top) @ self.weights) + top[..., 0])
        return result


def monoenergetic(energy_kev: float) -> Spectrum:
    """A beam of one energy."""
    return Spectrum(energies_kev=np.array([energy_kev]), weights=np.ones(1), title=f"{energy_kev:g} keV, monoenergetic")


@dataclass(frozen=True, eq=False)
class TubeOutput:
    """Photons of a tube: `photons_per_mm2_per_mas` `[n]` at 1 m from the focal spot for each of `energies_kev`."""

    energies_kev: NDArray[np.float64]
    photons_per_mm2_per_mas: NDArray[np.float64]

    def detected(self, title: str = "") -> Spectrum:
        """As an ideal energy-integrating detector sees it."""
        signal = self.photons_per_mm2_per_mas * self.energies_kev
        return Spectrum(energies_kev=self.energies_kev, weights=signal / signal.sum(), title=title)


@lru_cache(maxsize=16)
def tube_output(
    tube_voltage_kv: float, anode_angle_deg: float, aluminium_mm: float, copper_mm: float = 0.0, *, bin_kev: float = 1.0
) -> TubeOutput:
    """Output of a tungsten tube behind filters, from SpekPy's `kqp` physics model.

    Poludniowski et al., Med Phys 48 (2021) 3630, doi:10.1002/mp.14945. Fluence at 1 m, inverse square without air.
    """
    import spekpy

    tube = spekpy.Spek(kvp=tube_voltage_kv, th=anode_angle_deg, physics="kqp", dk=bin_kev, z=100.0)
    tube.filter("Al", aluminium_mm)
    if copper_mm:
        tube.filter("Cu", copper_mm)
    energies, fluence = tube.get_spectrum(diff=False)  # photons / (cm2 mAs) per bin
    keep = fluence > 1e-7 * fluence.sum()
    return TubeOutput(np.asarray(energies[keep], float), np.asarray(fluence[keep], float) / 100.0)


def water_attenuation_per_cm(energies_kev: NDArray[np.float64]) -> NDArray[np.float64]:
    """Total linear attenuation coefficient (coherent scattering included) of water at 20 °C, 0.998 g/cm³."""
    from pellucid.anatomy import tissue

    return tissue("water").attenuation_coefficient(energies_kev)
