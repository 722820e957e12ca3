"""Breathing and heart beat as smooth periodic functions of time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pellucid.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True)
class Motion:
    """How a torso breathes and its heart beats; an amplitude of 0 holds it still.

    The diaphragm is at A cos⁴(π t / T) below its end-inspiration place, so that more time is spent near
    end-expiration (Lujan et al. 1999, 10.1118/1.598577); t = 0 is end-inspiration. The ventricles hold
    V_ED − SV (1 − cos 2πt/T) / 2, with end-diastole at t = 0. `stroke_fraction` is SV / V_ED of the left ventricle.
    """

    breathing_period_s: float = 4.0
    diaphragm_amplitude_mm: float = 15.0
    chest_amplitude_mm: float = 4.0
    heart_period_s: float = 60.0 / 70.0
    stroke_fraction: float = 0.60

    def __post_init__(self) -> None:
        for name in ("breathing_period_s", "heart_period_s"):
            if not getattr(self, name) > 0:
                raise InvalidInputError(f"is {getattr(self, name)}; must be > 0", field=name)
        limits = {"diaphragm_amplitude_mm": 30.0, "chest_amplitude_mm": 10.0, "stroke_fraction": 0.8}
        for name, limit in limits.items():
            if not 0 <= getattr(self, name) <= limit:
                raise InvalidInputError(f"is {getattr(self, name)}; must be 0 to {limit}", field=name)

    def inspiration(self, time_s: float) -> float:
        """How far breathed in: 1 at end-inspiration, 0 at end-expiration."""
        return math.cos(math.pi * time_s / self.breathing_period_s) ** 4

    def diaphragm_mm(self, time_s: float) -> float:
        """How much lower the diaphragm is than at end-expiration."""
        return self.diaphragm_amplitude_mm * self.inspiration(time_s)

    def chest_mm(self, time_s: float) -> float:
        """How much further forward the breastbone is than at end-expiration."""
        return self.chest_amplitude_mm * self.inspiration(time_s)

    def contraction(self, time_s: float) -> float:
        """How far contracted the ventricles are: 0 at end-diastole, 1 at end-systole."""
        return (1 - math.cos(2 * math.pi * time_s / self.heart_period_s)) / 2
