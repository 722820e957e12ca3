"""Voxel grids as DICOM writes them: one plane per slice (PS3.3 section C.7.6.2.1.1), and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError, UnsupportedError

ORTHOGONAL = 1e-4
"""Largest cosine between the row and the column direction of a plane (the standard asks for orthogonal ones)."""

UNEVEN_MM, UNEVEN_SHARE = 0.05, 0.02
"""How far a slice may be from its evenly spaced place: 0.05 mm (table positions are often written to 0.1 mm)
plus 2 % of the spacing."""


@dataclass(frozen=True)
class Planes:
    """Parallel planes of pixels.

    `positions`: centre of each plane's first pixel, LPS mm, `(slices, 3)`. `orientation`: direction of rising
    column index, then of rising row index, `(6,)`. `pixel_spacing`: between rows, between columns [mm].
    `slice_spacing`: between neighbouring planes along their normal [mm].
    """

    positions: NDArray[np.float64]
    orientation: NDArray[np.float64]
    pixel_spacing: tuple[float, float]
    slice_spacing: float


def planes_of(affine: NDArray[np.float64], slices: int) -> Planes:
    """The planes of a grid; raises `UnsupportedError` where rows and columns are not at right angles."""
    slice_step, row_step, column_step = affine[:3, 0], affine[:3, 1], affine[:3, 2]
    row, column = float(np.linalg.norm(row_step)), float(np.linalg.norm(column_step))
    orientation = np.concatenate([column_step / column, row_step / row])
    cosine = abs(float(orientation[:3] @ orientation[3:]))
    if cosine > ORTHOGONAL:
        raise UnsupportedError(
            f"rows and columns meet at {np.degrees(np.arccos(cosine)):.2f} degrees; DICOM planes need 90. "
            "Resample the image to a rectangular grid first",
            field="affine",
        )
    positions = affine[:3, 3] + np.arange(slices)[:, None] * slice_step
    spacing = abs(float(slice_step @ normal_of(orientation)))
    return Planes(positions, orientation, (row, column), spacing)


def normal_of(orientation: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit normal of a plane: column-index direction × row-index direction."""
    normal: NDArray[np.float64] = np.cross(orientation[:3], orientation[3:])
    return normal / np.linalg.norm(normal)


def affine_of(planes: Planes) -> NDArray[np.float64]:
    """The affine of evenly spaced planes, ordered along their normal; a steady sideways shift gives a shear.

    Gantry tilt makes such a shift. Raises `InvalidInputError` where the planes are not evenly spaced.
    """
    positions, count = planes.positions, len(planes.positions)
    affine = np.eye(4)
    affine[:3, 1] = planes.orientation[3:] / np.linalg.norm(planes.orientation[3:]) * planes.pixel_spacing[0]
    affine[:3, 2] = planes.orientation[:3] / np.linalg.norm(planes.orientation[:3]) * planes.pixel_spacing[1]
    affine[:3, 3] = positions[0]
    if count == 1:
        affine[:3, 0] = normal_of(planes.orientation) * planes.slice_spacing
        return affine
    affine[:3, 0] = step = (positions[-1] - positions[0]) / (count - 1)
    off = np.linalg.norm(positions - positions[0] - np.arange(count)[:, None] * step, axis=1)
    if off.max() > UNEVEN_MM + UNEVEN_SHARE * float(np.linalg.norm(step)):
        raise InvalidInputError(_uneven(positions, planes.orientation, off), field="ImagePositionPatient")
    return affine


def _uneven(positions: NDArray[np.float64], orientation: NDArray[np.float64], off: NDArray[np.float64]) -> str:
    gaps = np.diff(positions @ normal_of(orientation))
    typical = float(np.median(gaps))
    missing = [index for index, gap in enumerate(gaps) if round(gap / typical) >= 2]
    steady = all(abs(gap - round(gap / typical) * typical) < UNEVEN_MM + UNEVEN_SHARE * typical for gap in gaps)
    if missing and steady:
        holes = sum(round(gaps[index] / typical) - 1 for index in missing)
        after = f"{gaps[missing[0]]:.3f} mm after slice {missing[0] + 1}"
        return f"{holes} slice(s) missing: {typical:.3f} mm apart, but {after}"
    return (
        f"slices are unevenly spaced, {gaps.min():.3f} to {gaps.max():.3f} mm apart, the worst {off.max():.3f} mm "
        "off its place; expected one even spacing"
    )
