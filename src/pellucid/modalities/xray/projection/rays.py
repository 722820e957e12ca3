"""Rays of a scan in the index coordinates of a grid, as the projection kernels want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pellucid.modalities.xray.geometry import Grid, ScanGeometry

Array = NDArray[Any]
PADDING = (1, 2)
"""Pixels of zeros before and after each line that the kernels rely on."""


@dataclass(frozen=True, eq=False)
class Crossings:
    """Rays that step along one family of lines (the grid's rows, or its columns).

    `start`, `slope`: `[view, ray]`, padded pixel coordinate at line 0 and its change per line. `rays`: `[view, 2]`,
    first and past-the-last ray that belongs here. `length_mm`: `[view, ray]`, path per line, 0 for other rays.
    `depth`, `depth_step`: `[view, ray]`, distance from the source along the central ray at line 0 over SDD, and its
    change per line (1 and 0 for a parallel beam): how a height on the detector shrinks towards the source.
    """

    start: Array
    slope: Array
    rays: NDArray[np.intp]
    length_mm: Array
    depth: Array
    depth_step: Array

    @property
    def is_empty(self) -> bool:
        """Whether no ray steps along these lines."""
        return bool(np.all(self.rays[:, 0] >= self.rays[:, 1]))


def in_plane_rays(geometry: ScanGeometry, angles_deg: Array) -> tuple[Array, Array]:
    """A point (mm) on every ray and its unit direction in the plane of rotation, both `[view, column, (x, y)]`."""
    theta = np.deg2rad(angles_deg)[:, None]
    along_u = np.stack([np.cos(theta), np.sin(theta)], axis=-1)
    forward = np.stack([-np.sin(theta), np.cos(theta)], axis=-1)
    u = geometry.column_positions_mm[None, :, None]
    if geometry.beam == "parallel":
        return u * along_u, np.broadcast_to(forward, (len(theta), geometry.columns, 2))
    gamma = np.deg2rad(geometry.fan_angles_deg)[None, :, None]
    source = np.broadcast_to(-geometry.source_isocentre_mm * forward, (len(theta), geometry.columns, 2))
    return source, np.cos(gamma) * forward + np.sin(gamma) * along_u


def crossings(geometry: ScanGeometry, grid: Grid, angles_deg: Array, dtype: DTypeLike) -> tuple[Crossings, Crossings]:
    """Rays stepping along the grid's rows, and those stepping along its columns."""
    point, direction = in_plane_rays(geometry, angles_deg)
    _, row_mm, column_mm = grid.spacing_mm
    steep = np.abs(direction[..., 1]) * column_mm >= np.abs(direction[..., 0]) * row_mm
    theta = np.deg2rad(angles_deg)
    forward = np.stack([-np.sin(theta), np.cos(theta)], axis=-1)[:, None]
    family = (geometry, point, direction, forward, np.dtype(dtype))
    return _family(*family, steep, grid.y_mm, grid.x_mm, 1), _family(*family, ~steep, grid.x_mm, grid.y_mm, 0)


def _family(
    geometry: ScanGeometry,
    point: Array,
    direction: Array,
    forward: Array,
    dtype: np.dtype[Any],
    mine: Array,
    lines_mm: Array,
    pixels_mm: Array,
    axis: int,
) -> Crossings:
    """Rays (`mine`) stepping along `axis` (0: x, 1: y) over lines at `lines_mm`, crossing pixels at `pixels_mm`."""
    line_step = lines_mm[1] - lines_mm[0] if len(lines_mm) > 1 else 1.0
    pixel_step = pixels_mm[1] - pixels_mm[0] if len(pixels_mm) > 1 else 1.0
    along = np.where(mine, direction[..., axis], 1.0)
    tangent = np.where(mine, direction[..., 1 - axis] / along, 0.0)
    pixel = point[..., 1 - axis] + (lines_mm[0] - point[..., axis]) * tangent
    start = np.where(mine, (pixel - pixels_mm[0]) / pixel_step + PADDING[0], 0.0)
    slope = tangent * line_step / pixel_step
    length = np.where(mine, abs(line_step) / np.abs(along), 0.0)
    if geometry.beam == "parallel":
        depth, depth_step = np.ones_like(start), np.zeros_like(start)
    else:
        advance = np.sum(direction * forward, axis=-1) / along / geometry.source_detector_mm
        depth, depth_step = (lines_mm[0] - point[..., axis]) * advance, line_step * advance
    ranges = np.array([_range(row) for row in mine], np.intp)
    return Crossings(
        start=start.astype(dtype),
        slope=slope.astype(dtype),
        rays=ranges,
        length_mm=length.astype(dtype),
        depth=depth.astype(dtype),
        depth_step=depth_step.astype(dtype),
    )


def _range(mine: NDArray[np.bool_]) -> tuple[int, int]:
    found = np.flatnonzero(mine)
    return (int(found[0]), int(found[-1]) + 1) if len(found) else (0, 0)
