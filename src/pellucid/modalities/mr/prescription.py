"""Where a scan is in the patient: the image grid of a protocol around an anatomy."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy.anatomy import Anatomy
from pellucid.errors import InvalidInputError
from pellucid.modalities.mr.protocols import Settings

_DIRECTIONS = {
    # Unit vectors in LPS along slice, row and column index: rows and columns as a radiologist is used to see them.
    "axial": ((0, 0, 1), (0, 1, 0), (1, 0, 0)),
    "coronal": ((0, 1, 0), (0, 0, -1), (1, 0, 0)),
    "sagittal": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
}
_MARGIN = 1.1
"""Field of view over the anatomy's extent where it is chosen automatically."""


@dataclass(frozen=True)
class Prescription:
    """The image grid: `directions` are unit LPS vectors along slice, row, column index, as columns."""

    directions: NDArray[np.float64]
    centre_lps_mm: NDArray[np.float64]
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]

    @property
    def origin_lps_mm(self) -> NDArray[np.float64]:
        """Position of the voxel at index shape // 2, where k-space has its phase zero."""
        offset = [(n // 2 - (n - 1) / 2) * d for n, d in zip(self.shape, self.spacing_mm, strict=True)]
        result: NDArray[np.float64] = self.centre_lps_mm + self.directions @ np.array(offset)
        return result

    @property
    def affine(self) -> NDArray[np.float64]:
        """Index (slice, row, column) → LPS mm."""
        affine = np.eye(4)
        affine[:3, :3] = self.directions * np.array(self.spacing_mm)
        affine[:3, 3] = self.origin_lps_mm - affine[:3, :3] @ (np.array(self.shape) // 2)
        return affine


def prescribe(anatomy: Anatomy, settings: Settings) -> Prescription:
    """The grid of `settings` around everything in `anatomy` that is not air."""
    low, high = extent_lps_mm(anatomy)
    directions = np.array(_DIRECTIONS[settings.orientation], float).T
    directions = _turned(directions, settings.tilt_deg)
    size = np.abs(directions).T @ (high - low)
    distance = settings.slice_thickness_mm + (settings.slice_gap_mm if settings.dimensions == "2d" else 0.0)
    spacing = (distance, settings.resolution_mm, settings.resolution_mm)
    slices = settings.slices or ceil(size[0] / distance)
    rows = settings.rows or _even(_MARGIN * size[1] / spacing[1])
    columns = settings.columns or _even(_MARGIN * size[2] / spacing[2])
    if settings.sampling == "radial":
        rows = columns = _side(settings) or max(rows, columns)
    if settings.dimensions == "3d" and settings.slices is None:
        slices = _even(_MARGIN * size[0] / distance)
    return Prescription(directions, (low + high) / 2, (slices, rows, columns), spacing)


def _side(settings: Settings) -> int | None:
    """Voxels along either side of a radial scan's square, None where they are not prescribed."""
    if settings.rows and settings.columns and settings.rows != settings.columns:
        raise InvalidInputError(
            f"is {settings.rows} with columns={settings.columns}; a radial scan is square: give one, or both alike",
            field="rows",
        )
    return settings.rows or settings.columns


def extent_lps_mm(anatomy: Anatomy) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest LPS coordinates of the voxels that are not air."""
    places = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        found = np.flatnonzero((anatomy.labels > 0).any(axis=others))
        places.append((found[0] - 0.5, found[-1] + 0.5) if found.size else (-0.5, anatomy.labels.shape[axis] - 0.5))
    corners = np.stack(np.meshgrid(*places, indexing="ij"), axis=-1).reshape(-1, 3)
    points = corners @ anatomy.affine[:3, :3].T + anatomy.affine[:3, 3]
    return points.min(axis=0), points.max(axis=0)


def _turned(directions: NDArray[np.float64], angle_deg: float) -> NDArray[np.float64]:
    """Slice and row directions turned about the column direction."""
    angle = np.deg2rad(angle_deg)
    slice_, row, column = directions.T
    turned_slice = np.cos(angle) * slice_ + np.sin(angle) * row
    turned_row = np.cos(angle) * row - np.sin(angle) * slice_
    return np.stack([turned_slice, turned_row, column], axis=1)


def _even(length: float) -> int:
    """The next multiple of 8: transforms of such lengths are fast."""
    return 8 * ceil(length / 8)
