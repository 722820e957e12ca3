"""From counts to line integrals: p = −ln((I − D) / (F − D)), with what real detectors need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pellucid.modalities.xray.acquisition import Sinogram

_DEAD = 0.05
"""An element with less than this part of the median response is dead; its neighbours stand in."""
_STARVED_COUNTS = 0.5
"""Transmission below half a count above the dark field means no more than "less than one count"."""


def line_integrals(raw: Sinogram, *, views: slice = slice(None), rows: slice = slice(None)) -> NDArray[np.float32]:
    """Line integrals `[view, row, column]` of the chosen views and rows of an acquisition.

    Counts at or below the dark field (photon starvation) count as half a count; elements whose flat field is
    below 5 % of the median are interpolated from their neighbours in the row.
    """
    data = raw.data[views, rows]
    if raw.signal == "line_integrals":
        return np.asarray(data, np.float32)
    dark = np.float32(0) if raw.dark_field is None else _mean(raw.dark_field[:, rows])
    if raw.flat_field is None:
        unattenuated = np.full(data.shape[1:], raw.unattenuated_counts, np.float32)
    else:
        unattenuated = _mean(raw.flat_field[:, rows]) - dark
    dead = unattenuated < _DEAD * np.median(unattenuated)
    counts = np.maximum(data.astype(np.float32) - dark, np.float32(_STARVED_COUNTS))
    result: NDArray[np.float32] = np.log(np.where(dead, 1, unattenuated)) - np.log(counts, out=counts)
    if dead.any():
        _fill(result, dead)
    return result


def _mean(frames: NDArray[Any]) -> NDArray[np.float32]:
    mean: NDArray[np.float32] = frames.mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def _fill(data: NDArray[np.float32], dead: NDArray[np.bool_]) -> None:
    """Interpolate dead elements along their row, in place (a row that is dead throughout becomes 0)."""
    columns = np.arange(data.shape[2])
    for row in np.flatnonzero(dead.any(axis=1)):
        alive = np.flatnonzero(~dead[row])
        if len(alive) == 0:
            data[:, row] = 0
            continue
        place = np.interp(columns, alive, np.arange(len(alive)))
        left = np.floor(place).astype(np.intp)
        right = np.minimum(left + 1, len(alive) - 1)
        weight = (place - left).astype(np.float32)
        known = data[:, row, alive]
        data[:, row] = known[:, left] * (1 - weight) + known[:, right] * weight
