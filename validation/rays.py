"""Rays of X-ray scans from their definition, with exact line integrals: shares no code with the projectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy.phantoms import AnalyticPhantom
from pellucid.modalities.xray import ScanGeometry


def rays(scan: ScanGeometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Origins and directions `[view, row, column, (x, y, z)]` in scanner millimetres, view by view.

    The tube (0° above a supine patient, at −y) and the detector are turned as rigid bodies by the view angle from
    +x (patient's left) towards +y (posterior); the detector's u runs along +x at 0°.
    """
    u = (np.arange(scan.columns) - (scan.columns - 1) / 2) * scan.column_spacing_mm + scan.column_offset_mm
    v = scan.row_positions_mm
    grid_u, grid_v = np.meshgrid(u, v)
    zero = np.zeros_like(grid_u)
    if scan.beam == "parallel":
        start, end = np.stack([grid_u, zero - 1e3, grid_v], -1), np.stack([grid_u, zero + 1e3, grid_v], -1)
    else:
        height = grid_v if scan.beam == "fan" else zero
        start = np.stack([zero, zero - scan.source_isocentre_mm, height], -1)
        distance = scan.source_detector_mm
        if scan.detector == "curved":
            angle = grid_u / distance
            across, ahead = distance * np.sin(angle), distance * np.cos(angle)
        else:
            across, ahead = grid_u, zero + distance
        end = np.stack([across, ahead - scan.source_isocentre_mm, grid_v], -1)
    turns = [_turn(angle) for angle in np.deg2rad(scan.angles_deg)]
    return np.stack([start @ t.T for t in turns]), np.stack([(end - start) @ t.T for t in turns])


def _turn(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])


def exact_line_integrals(
    phantom: AnalyticPhantom, scan: ScanGeometry, isocentre_lps_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> NDArray[np.float32]:
    """Line integrals `[view, row, column]` of a phantom [value · mm] whose coordinates are patient LPS."""
    origins, directions = rays(scan)
    origins = origins + np.asarray(isocentre_lps_mm)
    if phantom.dimensions == 2:
        origins, directions = origins[..., :2], directions[..., :2]
    return phantom.ray_integral(origins, directions).astype(np.float32)
