"""Real values as 16-bit integers with slope and intercept: value = stored × slope + intercept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.valuerep import format_number_as_ds

from pellucid.errors import InvalidInputError, UnsupportedError

LOWEST, HIGHEST = -32768, 32767


@dataclass(frozen=True)
class Scale:
    """Slope and intercept, exactly as their decimal strings in the file say."""

    slope: float
    intercept: float

    @property
    def error(self) -> float:
        """Largest difference between a value and what is read back (half a step)."""
        return self.slope / 2

    def stored(self, values: NDArray[Any]) -> NDArray[np.int16]:
        """The integers nearest to `values`."""
        scaled = values if self.intercept == 0 else values - values.dtype.type(self.intercept)
        if self.slope != 1:
            scaled = np.divide(scaled, self.slope, dtype=np.float64)
        stored: NDArray[np.int16] = np.rint(scaled).astype(np.int16)
        return stored


def scale_for(array: NDArray[Any], *, whole: int | None = None) -> Scale:
    """The scale for `array`: whole numbers where they fit, else the widest range around zero.

    `whole`: the intercept of values that are rounded to whole numbers by custom (CT numbers: −1024). Values that
    are all integers keep slope 1; others get slope = max|value| / 32767, intercept 0: an error of at most
    max|value| / 65534. Raises for complex, NaN and infinite values.
    """
    if np.iscomplexobj(array):
        raise UnsupportedError("is complex; take magnitude, phase, real or imaginary part", field="array")
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(np.count_nonzero(~np.isfinite(array)))
        raise InvalidInputError(f"holds {bad} values that are NaN or infinite; expected numbers", field="array")
    if whole is not None and low - whole >= LOWEST and high - whole <= HIGHEST:
        return Scale(1.0, float(whole))
    if low >= LOWEST and high <= HIGHEST and _integers(array):
        return Scale(1.0, 0.0)
    return Scale(float(format_number_as_ds(max(-low, high) / HIGHEST)), 0.0)


def _integers(array: NDArray[Any]) -> bool:
    return array.dtype.kind in "iub" or all(np.array_equal(plane, np.rint(plane)) for plane in array)
