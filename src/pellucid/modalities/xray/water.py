"""Calibration on water: beam hardening taken out of polychromatic data, and CT numbers.

CT number = 1000 (μ − μ_water) / μ_water  [HU]
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.modalities.xray.spectrum import Spectrum

_THICKEST_CM = 100.0
_TABLE_STEP = 0.002
REFERENCE_CM = 20.0
"""Without the correction the beam behind this much water sets the scale."""


def without_beam_hardening(line_integrals: NDArray[np.float32], spectrum: Spectrum) -> NDArray[np.float32]:
    """Line integrals as a beam that does not harden in water would give them.

    The measured p is taken as water of thickness t, p = −ln Σ w(E) exp(−μ_water(E) t), and replaced by μ_eff t with
    μ_eff the attenuation of a thin layer (Joseph & Spital, J Comput Assist Tomogr 2 (1978) 100): exact for water,
    close for soft tissue, and short by what bone adds.
    """
    if spectrum.is_monoenergetic:
        return line_integrals
    thickness = np.linspace(-1.0, _THICKEST_CM, 4001)
    measured = spectrum.water_line_integral(thickness)
    places = np.arange(measured[0], measured[-1], _TABLE_STEP)
    table = np.interp(places, measured, thickness * spectrum.effective_water_per_cm).astype(np.float32)
    place = (line_integrals - np.float32(places[0])) * np.float32(1 / _TABLE_STEP)
    np.clip(place, 0, len(table) - 1.001, out=place)
    index = place.astype(np.int32)
    place -= index
    below = table[index]
    index += 1
    return below + place * (table[index] - below)


def water_per_cm(spectrum: Spectrum, *, corrected: bool) -> float:
    """Attenuation coefficient that water has in images made with or without the correction."""
    if corrected or spectrum.is_monoenergetic:
        return spectrum.effective_water_per_cm
    return float(spectrum.water_line_integral(np.array([REFERENCE_CM]))[0]) / REFERENCE_CM


def ct_numbers(attenuation_per_cm: NDArray[np.float32], water: float) -> NDArray[np.float32]:
    """Attenuation coefficients as CT numbers [HU]."""
    return attenuation_per_cm * np.float32(1000 / water) - np.float32(1000)
