"""What each measured ray counts for: angular steps, rays measured twice, the obliqueness of a fan or cone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.modalities.xray.geometry import ScanGeometry

_DISPLACED = 0.95
"""A detector whose near edge sees less than this part of what its far edge sees is displaced on purpose."""

_WIDEST_GAP_DEG, _WIDEST_GAP_STEPS = 10.0, 4.0
"""A gap between views beyond both, degrees and median steps, is missing data (golden-angle gaps differ 2.6 times)."""


def steps_rad(angles_deg: NDArray[np.float64], period_deg: float | None) -> NDArray[np.float64]:
    """Angle that each view stands for: half the way to both neighbours, around a period or from end to end."""
    angles = angles_deg if period_deg is None else np.round(np.mod(angles_deg, period_deg), 9) % period_deg
    order = np.argsort(angles, kind="stable")
    gaps = np.diff(angles[order])
    turn = 0.0 if period_deg is None else period_deg - (angles[order[-1]] - angles[order[0]])
    before, after = np.concatenate([[turn], gaps]), np.concatenate([gaps, [turn]])
    steps = np.empty_like(angles)
    steps[order] = (before + after) / 2
    return np.deg2rad(steps)


def ray_weights(geometry: ScanGeometry) -> NDArray[np.float64]:
    """Weight of every ray in ∫ dθ, `[view, column]`: angular step times the share of rays measured more than once.

    Shares of the two measurements of a ray add up to 1: ½ each on a full turn, Parker's on a short scan, Wang's
    where the detector is displaced.
    """
    if geometry.is_full_turn:
        return steps_rad(geometry.angles_deg, 360.0)[:, None] * displaced_shares(geometry)[None, :]
    if geometry.beam == "parallel":
        return np.repeat(steps_rad(geometry.angles_deg, 180.0)[:, None], geometry.columns, axis=1)
    return steps_rad(geometry.angles_deg, None)[:, None] * parker_shares(geometry)


def parker_shares(geometry: ScanGeometry) -> NDArray[np.float64]:
    """Shares of a short scan of a fan or cone, `[view, column]`.

    Parker, Med Phys 9 (1982) 254, doi:10.1118/1.595078, with the fan widened to fill the range where more than
    180° and the fan were scanned (Silver, Med Phys 27 (2000) 773).
    """
    beta = np.deg2rad(geometry.angles_deg - geometry.angles_deg.min())[:, None]
    gamma = np.deg2rad(geometry.fan_angles_deg)[None, :]
    end = float(beta.max())
    half = (end - np.pi) / 2
    tiny = 1e-12
    rise = np.clip(beta / np.maximum(2 * (half + gamma), tiny), 0, 1)
    fall = np.clip((end - beta) / np.maximum(2 * (half - gamma), tiny), 0, 1)
    shares: NDArray[np.float64] = np.sin(np.pi / 2 * rise) ** 2 * np.sin(np.pi / 2 * fall) ** 2
    return shares


def displaced_shares(geometry: ScanGeometry) -> NDArray[np.float64]:
    """Shares of a full turn, `[column]`: ½, or rising over the overlap of a displaced detector.

    Wang, Med Phys 29 (2002) 1634, doi:10.1118/1.1489043.
    """
    if not is_displaced(geometry):
        return np.full(geometry.columns, 0.5)
    near, _ = field_radii_mm(geometry)
    side = np.sign(geometry.column_positions_mm.sum())
    overlap = np.clip(side * _ray_radii_mm(geometry) / max(near, 1e-9), -1, 1)
    shares: NDArray[np.float64] = 0.5 + 0.5 * np.sin(np.pi / 2 * overlap)
    return shares


def is_displaced(geometry: ScanGeometry) -> bool:
    """Whether the detector is displaced on a full turn, so that one side sees what the other does not."""
    near, far = field_radii_mm(geometry)
    return geometry.is_full_turn and near < _DISPLACED * far


def widened(geometry: ScanGeometry) -> tuple[ScanGeometry, tuple[int, int]]:
    """The scan with its displaced detector widened on the near side, and the columns added before and after.

    A filtered view reaches beyond the measured columns; pixels need it there.
    """
    if not is_displaced(geometry):
        return geometry, (0, 0)
    shift = geometry.column_offset_mm
    count = round(2 * abs(shift) / geometry.column_spacing_mm)
    added = (count, 0) if shift > 0 else (0, count)
    offset = shift - np.sign(shift) * count * geometry.column_spacing_mm / 2
    return replace(geometry, columns=geometry.columns + count, column_offset_mm=float(offset)), added


def _ray_radii_mm(geometry: ScanGeometry) -> NDArray[np.float64]:
    """Signed distance of every column's ray from the isocentre."""
    if geometry.beam == "parallel":
        return geometry.column_positions_mm
    return geometry.source_isocentre_mm * np.sin(np.deg2rad(geometry.fan_angles_deg))


def field_radii_mm(geometry: ScanGeometry) -> tuple[float, float]:
    """Radius about the isocentre that the nearer and the farther edge of the detector sees."""
    radii = _ray_radii_mm(geometry)
    near, far = sorted((max(0.0, float(-radii[0])), max(0.0, float(radii[-1]))))
    return near, far


def field_radius_mm(geometry: ScanGeometry) -> float:
    """Radius about the isocentre in which the image is known from this scan."""
    near, far = field_radii_mm(geometry)
    return far if is_displaced(geometry) else near


def obliqueness(geometry: ScanGeometry) -> NDArray[np.float64]:
    """Cosine between each element's ray and the central ray, `[row, column]` (1 for a parallel beam)."""
    rows, columns = geometry.shape[1:]
    if geometry.beam == "parallel":
        return np.ones((rows, columns))
    in_plane = np.cos(np.deg2rad(geometry.fan_angles_deg))[None, :]
    if geometry.beam == "fan":
        return np.repeat(in_plane, rows, axis=0)
    rise = geometry.row_positions_mm[:, None] / geometry.source_detector_mm
    return 1 / np.sqrt(1 / in_plane**2 + rise**2)


def why_not_analytic(geometry: ScanGeometry) -> str:
    """Why filtered back-projection cannot be used on these views, or ""."""
    _, far = field_radii_mm(geometry)
    if far <= 0:
        return "the detector does not see the isocentre"
    if len(geometry.angles_deg) < 2 or geometry.columns < 2:
        return "it has a single view or column"
    need = 180.0 if geometry.beam == "parallel" else 180.0 + 2 * geometry.half_fan_deg
    have = geometry.angular_range_deg
    if have < need - max(geometry.angular_step_deg, 1.0) and not geometry.is_full_turn:
        return f"its views cover {have:.1f} degrees of the {need:.1f} needed"
    gaps = np.diff(np.sort(geometry.angles_deg))
    if gaps.max() > max(_WIDEST_GAP_DEG, _WIDEST_GAP_STEPS * float(np.median(gaps))):
        return f"between two of its views {gaps.max():.1f} degrees are missing"
    return ""


def require_analytic(geometry: ScanGeometry) -> None:
    """Raise `InvalidInputError` where filtered back-projection cannot be used on these views."""
    reason = why_not_analytic(geometry)
    if reason:
        raise InvalidInputError(f"cannot be back-projected: {reason}; use an iterative method", field="angles_deg")
