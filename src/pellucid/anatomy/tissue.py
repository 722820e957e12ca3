"""A tissue: what it is made of and how every modality sees it, each value with its source."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid.errors import InvalidInputError, UnknownOptionError

FIELD_RANGE_T = (1.0, 3.5)
"""Magnetic fields for which relaxation times are given: tabulated at 1.5 and 3 T, a power law of the field between."""

ENERGY_RANGE_KEV = (1.0, 900.0)
"""Photon energies of the Elam tables less their uncertain low end (xraydb; 10.1016/S0969-806X(01)00227-4)."""


@dataclass(frozen=True, kw_only=True)
class Tissue:
    """One row of the tissue table.

    `composition`: element symbol → mass fraction (sums to 1). `t1_ms`, `t2_ms`, `t2_star_ms`: magnetic field [T]
    → relaxation time [ms]. `proton_density`: of MR-visible protons, water at 37 °C = 1. `susceptibility_ppm`: volume
    magnetic susceptibility (SI). `uptake`: tracer → standardised uptake value by body weight [g/ml].
    `sources`: property → where its values come from.
    """

    name: str
    density_g_per_cm3: float
    composition: Mapping[str, float]
    t1_ms: Mapping[float, float]
    t2_ms: Mapping[float, float]
    t2_star_ms: Mapping[float, float]
    proton_density: float
    susceptibility_ppm: float
    uptake: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    def relaxation_ms(self, name: str, field_t: float) -> float:
        """T1, T2 or T2* [ms] at a field [T], by the power law of the field (10.1118/1.595535) through the table."""
        low, high = FIELD_RANGE_T
        if not low <= field_t <= high:
            raise InvalidInputError(
                f"is {field_t} T; relaxation times are known for {low} to {high} T", field="field_t"
            )
        table: Mapping[float, float] = getattr(self, f"{name}_ms")
        (field_0, time_0), (field_1, time_1) = sorted(table.items())
        exponent = math.log(time_1 / time_0) / math.log(field_1 / field_0)
        return float(time_0 * (field_t / field_0) ** exponent)

    def attenuation_coefficient(self, energies_kev: ArrayLike) -> NDArray[np.float64]:
        """Linear attenuation coefficient with coherent scattering [1/cm]: μ = ρ Σ w_Z (μ/ρ)_Z(E)."""
        return self.density_g_per_cm3 * mass_attenuation(self.composition, energies_kev)

    def uptake_of(self, tracer: str) -> float:
        """Uptake of a tracer [SUV, g/ml]."""
        if tracer not in self.uptake:
            raise UnknownOptionError("tracer", tracer, self.uptake)
        return self.uptake[tracer]


def mass_attenuation(composition: Mapping[str, float], energies_kev: ArrayLike) -> NDArray[np.float64]:
    """Mass attenuation coefficient with coherent scattering [cm2/g] of a mixture of elements by mass fraction."""
    energies = tuple(_checked_energies(energies_kev).tolist())
    total = np.zeros(len(energies))
    for element, fraction in composition.items():
        total += fraction * _mass_attenuation(element, energies)
    return total


def _checked_energies(energies_kev: ArrayLike) -> NDArray[np.float64]:
    energies = np.atleast_1d(np.asarray(energies_kev, float))
    low, high = ENERGY_RANGE_KEV
    if energies.ndim != 1 or not np.all((energies >= low) & (energies <= high)):
        raise InvalidInputError(f"must be a list of energies of {low:g} to {high:g} keV", field="energies_kev")
    return energies


@cache
def _mass_attenuation(element: str, energies_kev: tuple[float, ...]) -> NDArray[np.float64]:
    import xraydb

    found: NDArray[np.float64] = np.asarray(xraydb.mu_elam(element, np.array(energies_kev) * 1e3, kind="total"))
    return found
