"""Where the rays of a scan run, and the grid of voxels they cross.

Scanner axes are parallel to patient LPS with their origin at the isocentre: x to the patient's left, y to
posterior, z to the head. At view angle θ the detector's column axis points along e_u = (cos θ, sin θ) and rays
(the central ray of a fan or cone) run along d = (−sin θ, cos θ). At 0° rays run from anterior to posterior, the
tube above a supine patient, and with growing θ the source moves towards the patient's left.

| beam | source | detector element (u, row) | ray |
|---|---|---|---|
| parallel | at infinity | u e_u, z = row position | r · e_u = u |
| fan, flat | −SID d | −SID d + SDD d + u e_u, z = row position | source to element |
| fan, curved | −SID d | angle γ = u / SDD from d towards e_u | source to element |
| cone, flat | −SID d | −SID d + SDD d + u e_u + (row position) e_z | source to element |
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pellucid.acquisition import require_finite, require_shape
from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.image import axial_affine

Beam = Literal["parallel", "fan", "cone"]
Detector = Literal["flat", "curved"]
_FULL_TURN_DEG = 360.0


@dataclass(frozen=True, kw_only=True, eq=False)
class ScanGeometry:
    """Beam, detector and views of a scan around the z axis.

    `beam`: "parallel", "fan" (every detector row is a slice of its own) or "cone" (circular orbit).
    `detector`: "flat" or, for a fan, "curved" about the source (equiangular).
    `angles_deg`: view angles, `[view]`, degrees, in the order of acquisition.
    `columns`: detector elements along u. `column_spacing_mm`: their distance on the detector (along the arc for a
    curved one). `column_offset_mm`: u of the middle of the detector, 0 where the central ray (parallel: the axis
    of rotation) meets its middle.
    `row_positions_mm`: `[row]`; parallel and fan: z of each row's slice; cone: position of each row on the detector.
    `source_isocentre_mm`, `source_detector_mm`: fan and cone only, 0 for a parallel beam.
    """

    beam: Beam
    detector: Detector = "flat"
    angles_deg: NDArray[np.float64]
    columns: int
    column_spacing_mm: float
    column_offset_mm: float = 0.0
    row_positions_mm: NDArray[np.float64]
    source_isocentre_mm: float = 0.0
    source_detector_mm: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "angles_deg", np.array(self.angles_deg, np.float64))
        object.__setattr__(self, "row_positions_mm", np.array(self.row_positions_mm, np.float64))
        self._check_options()
        for name in ("angles_deg", "row_positions_mm"):
            require_shape(getattr(self, name), (None,), name, "(values)")
            require_finite(getattr(self, name), name)
        if self.columns < 1:
            raise InvalidInputError(f"is {self.columns}; expected at least 1", field="columns")
        if not (np.isfinite(self.column_spacing_mm) and self.column_spacing_mm > 0):
            raise InvalidInputError(f"is {self.column_spacing_mm}; expected > 0 mm", field="column_spacing_mm")
        if not np.isfinite(self.column_offset_mm):
            raise InvalidInputError(f"is {self.column_offset_mm}; expected a finite number", field="column_offset_mm")
        self._check_rows()
        self._check_source()

    def _check_options(self) -> None:
        if self.beam not in ("parallel", "fan", "cone"):
            raise UnknownOptionError("beam", str(self.beam), ("parallel", "fan", "cone"))
        if self.detector not in ("flat", "curved"):
            raise UnknownOptionError("detector", str(self.detector), ("flat", "curved"))
        if self.detector == "curved" and self.beam != "fan":
            raise InvalidInputError(f"is 'curved' with a {self.beam} beam; expected 'flat'", field="detector")

    def _check_rows(self) -> None:
        steps = np.diff(self.row_positions_mm)
        if len(steps) and not (np.all(steps > 0) or np.all(steps < 0)):
            raise InvalidInputError("do not rise or fall throughout; expected one position per row, in order",
                                    field="row_positions_mm")  # fmt: skip
        if self.beam == "cone" and len(steps) and np.ptp(steps) > 1e-3 * abs(steps[0]):
            raise InvalidInputError("are unevenly spaced; expected an even detector for a cone beam",
                                    field="row_positions_mm")  # fmt: skip

    def _check_source(self) -> None:
        if self.beam == "parallel":
            if self.source_isocentre_mm or self.source_detector_mm:
                raise InvalidInputError("is set for a parallel beam; expected 0", field="source_isocentre_mm")
            return
        if not (np.isfinite(self.source_isocentre_mm) and self.source_isocentre_mm > 0):
            raise InvalidInputError(f"is {self.source_isocentre_mm}; expected > 0 mm", field="source_isocentre_mm")
        if not (np.isfinite(self.source_detector_mm) and self.source_detector_mm >= self.source_isocentre_mm):
            raise InvalidInputError(
                f"is {self.source_detector_mm}; expected at least the source-isocentre distance "
                f"{self.source_isocentre_mm} mm",
                field="source_detector_mm",
            )
        if self.half_fan_deg >= 60:
            raise InvalidInputError(
                f"half the fan is {self.half_fan_deg:.0f} degrees; expected < 60. Spacing in cm instead of mm?",
                field="column_spacing_mm",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Views, rows, columns of the data."""
        return len(self.angles_deg), len(self.row_positions_mm), self.columns

    @property
    def column_positions_mm(self) -> NDArray[np.float64]:
        """Position u of every detector column."""
        index: NDArray[np.float64] = np.arange(self.columns, dtype=np.float64)
        return (index - (self.columns - 1) / 2) * self.column_spacing_mm + self.column_offset_mm

    @property
    def centre_of_rotation_px(self) -> float:
        """Column (from 0) on which the axis of rotation is projected."""
        return (self.columns - 1) / 2 - self.column_offset_mm / self.column_spacing_mm

    @property
    def fan_angles_deg(self) -> NDArray[np.float64]:
        """Angle of every column's ray against the central one (0 for a parallel beam)."""
        u = self.column_positions_mm
        if self.beam == "parallel":
            return np.zeros_like(u)
        ratio = u / self.source_detector_mm
        return np.rad2deg(ratio if self.detector == "curved" else np.arctan(ratio))

    @property
    def half_fan_deg(self) -> float:
        """The largest fan angle."""
        return float(np.abs(self.fan_angles_deg).max())

    @property
    def angular_step_deg(self) -> float:
        """Mean distance of neighbouring views (360 for a single view)."""
        if len(self.angles_deg) < 2:
            return _FULL_TURN_DEG
        return float(np.ptp(self.angles_deg)) / (len(self.angles_deg) - 1)

    @property
    def angular_range_deg(self) -> float:
        """Range that the views cover, each view standing for one step."""
        return min(_FULL_TURN_DEG, float(np.ptp(self.angles_deg)) + self.angular_step_deg)

    @property
    def is_full_turn(self) -> bool:
        """Whether the views go all the way round."""
        return self.angular_range_deg >= _FULL_TURN_DEG - 0.5 * self.angular_step_deg

    def every_view(self, stride: int) -> ScanGeometry:
        """The geometry of every `stride`-th view."""
        return replace(self, angles_deg=self.angles_deg[::stride])

    def with_row_positions(self, positions_mm: NDArray[np.float64]) -> ScanGeometry:
        """The same geometry with other detector rows."""
        return replace(self, row_positions_mm=positions_mm)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Voxels in scanner axes: rows along +y, columns along +x, slices along +z.

    `shape`: slices, rows, columns. `spacing_mm`: the same order. `centre_mm`: (x, y, z) of the grid's middle
    relative to the isocentre.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    centre_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if min(self.shape) < 1:
            raise InvalidInputError(f"is {self.shape}; expected three lengths of at least 1", field="grid shape")
        if not all(np.isfinite(s) and s > 0 for s in self.spacing_mm):
            raise InvalidInputError(f"is {self.spacing_mm}; expected three lengths > 0 mm", field="grid spacing_mm")

    def _positions(self, axis: int, centre: float) -> NDArray[np.float64]:
        index: NDArray[np.float64] = np.arange(self.shape[axis], dtype=np.float64)
        return (index - (self.shape[axis] - 1) / 2) * self.spacing_mm[axis] + centre

    @property
    def x_mm(self) -> NDArray[np.float64]:
        """Position x of every column."""
        return self._positions(2, self.centre_mm[0])

    @property
    def y_mm(self) -> NDArray[np.float64]:
        """Position y of every row."""
        return self._positions(1, self.centre_mm[1])

    @property
    def z_mm(self) -> NDArray[np.float64]:
        """Position z of every slice."""
        return self._positions(0, self.centre_mm[2])

    @property
    def is_turnable(self) -> bool:
        """Whether quarter turns about the isocentre map the grid onto itself."""
        square = self.shape[1] == self.shape[2] and self.spacing_mm[1] == self.spacing_mm[2]
        return square and self.centre_mm[0] == 0 and self.centre_mm[1] == 0

    def affine(self, isocentre_lps_mm: tuple[float, float, float]) -> NDArray[np.float64]:
        """Affine of the grid in patient coordinates."""
        centre = np.asarray(self.centre_mm) + np.asarray(isocentre_lps_mm)
        return axial_affine(self.shape, self.spacing_mm, centre)
