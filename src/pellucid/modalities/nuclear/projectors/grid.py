"""The voxel grid that projectors work on: axial, parallel to the scanner's axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.image import axial_affine


@dataclass(frozen=True)
class Grid:
    """A voxel grid in scanner coordinates (x to the patient's left, y to posterior, z to the head).

    `shape`: slices, rows, columns; `spacing_mm` the same order; `centre_mm`: (x, y, z) of the grid's centre from
    the scanner's.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if min(self.shape) < 1 or not min(self.spacing_mm) > 0:
            raise InvalidInputError(
                f"has shape {self.shape}, spacing {self.spacing_mm} mm; expected positive numbers", field="grid"
            )

    @property
    def first_mm(self) -> tuple[float, float, float]:
        """Centre of voxel (0, 0, 0) as (z, y, x)."""
        z, y, x = (
            centre - (count - 1) / 2 * spacing
            for centre, count, spacing in zip(self.centre_mm[::-1], self.shape, self.spacing_mm, strict=True)
        )
        return z, y, x

    def affine(self, isocentre_lps_mm: tuple[float, float, float]) -> NDArray[np.float64]:
        """Index → LPS millimetres, with the scanner's isocentre where it is in the patient."""
        return axial_affine(self.shape, self.spacing_mm, np.add(isocentre_lps_mm, self.centre_mm))
