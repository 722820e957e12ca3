"""Geometries, the head phantom and measures that the comparisons share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy import phantoms
from pellucid.modalities.xray import Grid, ScanGeometry

SIZE = 512
HEAD = phantoms.shepp_logan(size_mm=float(SIZE))
PARALLEL = ScanGeometry(
    beam="parallel", angles_deg=np.arange(720) * 0.25, columns=SIZE, column_spacing_mm=1.0, row_positions_mm=np.zeros(1)
)
FAN = ScanGeometry(
    beam="fan",
    angles_deg=np.arange(1440) * 0.25,
    columns=920,
    column_spacing_mm=1.1,
    row_positions_mm=np.zeros(1),
    source_isocentre_mm=600.0,
    source_detector_mm=1000.0,
)
CURVED = replace(FAN, detector="curved", column_spacing_mm=1.0)
SHORT = replace(CURVED, angles_deg=np.arange(970) * 0.25 - 40.0)
GRID = Grid(shape=(1, SIZE, SIZE), spacing_mm=(1.0, 1.0, 1.0))


def rms(values: NDArray[np.floating]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
