"""Sinogram: what an X-ray scanner's detector measured, and along which rays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid.acquisition import Acquisition, SignalView, require_finite, require_shape
from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.modalities.xray.geometry import ScanGeometry
from pellucid.modalities.xray.spectrum import Spectrum

Signal = Literal["line_integrals", "counts"]
_VIEW_AXIS, _COLUMN_AXIS, _ROW_AXIS = "view angle [degrees]", "detector column [mm]", "detector row [mm]"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Sinogram(Acquisition):
    """Measured views.

    `data`: `[view, row, column]`; `signal` says whether they are "line_integrals" (−ln of transmission, no unit)
    or "counts" of the detector (integer or real, proportional to the energy or the number of photons, offset by
    the dark field). `geometry`: the rays. `flat_field`, `dark_field`: counts `[frame, row, column]` without an
    object, and without beam; `unattenuated_counts`: what an unattenuated ray counts above the dark field, where no
    flat field was taken. `spectrum`: the beam as the detector sees it, unattenuated; None where it is not known, and
    images are then attenuation coefficients instead of CT numbers.
    """

    modality: ClassVar[str] = "xray"

    data: NDArray[Any]
    geometry: ScanGeometry
    signal: Signal = "line_integrals"
    flat_field: NDArray[Any] | None = None
    dark_field: NDArray[Any] | None = None
    unattenuated_counts: float | None = None
    spectrum: Spectrum | None = None

    def validate(self) -> None:
        """Raise `InvalidInputError` naming the field where the parts contradict each other."""
        if self.signal not in ("line_integrals", "counts"):
            raise UnknownOptionError("signal", str(self.signal), ("line_integrals", "counts"))
        require_shape(self.data, self.geometry.shape, "data", "(views, rows, columns)")
        _require_numbers(self.data, "data")
        _, rows, columns = self.geometry.shape
        for name in ("flat_field", "dark_field"):
            frames = getattr(self, name)
            if frames is not None:
                require_shape(frames, (None, rows, columns), name, "(frames, rows, columns)")
                _require_numbers(frames, name)
        if self.signal == "counts":
            self._check_unattenuated()
        elif not (self.flat_field is None and self.dark_field is None and self.unattenuated_counts is None):
            raise InvalidInputError("is given with line integrals; expected only with counts", field="flat_field")

    def _check_unattenuated(self) -> None:
        given = self.unattenuated_counts
        if (given is None) == (self.flat_field is None):
            raise InvalidInputError(
                "is needed for counts, or unattenuated_counts instead; expected exactly one of them",
                field="flat_field",
            )
        if given is not None and not (np.isfinite(given) and given > 0):
            raise InvalidInputError(f"is {given}; expected > 0", field="unattenuated_counts")
        if self.flat_field is not None:
            dark = 0.0 if self.dark_field is None else self.dark_field.mean(axis=0, dtype=np.float64)
            above = float(np.median(self.flat_field.mean(axis=0, dtype=np.float64) - dark))
            if not above > 0:
                raise InvalidInputError(
                    f"is {above:g} counts above the dark field (median); expected > 0. Exchanged with dark_field?",
                    field="flat_field",
                )

    def summary(self) -> dict[str, str]:
        """What was acquired, for people."""
        scan = self.geometry
        views, rows, columns = scan.shape
        beam = scan.beam if scan.beam == "parallel" else f"{scan.beam}, {scan.detector} detector"
        lines = {
            "Beam": beam,
            "Views": f"{views} over {scan.angular_range_deg:.6g}°",
            "Detector": f"{rows} row{'s' * (rows > 1)} × {columns} columns, {scan.column_spacing_mm:.4g} mm apart",
            "Centre of rotation": f"column {scan.centre_of_rotation_px:.2f}",
        }
        if scan.beam != "parallel":
            lines["Source to isocentre"] = f"{scan.source_isocentre_mm:.1f} mm"
            lines["Source to detector"] = f"{scan.source_detector_mm:.1f} mm"
        if rows > 1:
            z = scan.row_positions_mm
            lines["Rows along z"] = f"{z.min():.2f} … {z.max():.2f} mm" + (" on the detector" * (scan.beam == "cone"))
        lines["Signal"] = "line integrals" if self.signal == "line_integrals" else f"counts, {self.data.dtype}"
        if self.spectrum is not None:
            lines["Spectrum"] = self.spectrum.title
        return lines

    def signal_views(self) -> list[SignalView]:
        """Sinogram of the middle row, projection of the first view, and the flat field where there is one."""
        from pellucid.modalities.xray.counts import line_integrals

        scan = self.geometry
        middle = scan.shape[1] // 2
        sinogram = line_integrals(self, rows=slice(middle, middle + 1))[:, 0]
        views = [SignalView(f"Sinogram of row {middle}: line integrals", sinogram, _VIEW_AXIS, _COLUMN_AXIS)]
        if scan.shape[1] > 1:
            first = line_integrals(self, views=slice(0, 1))[0]
            views.append(SignalView(f"Projection at {scan.angles_deg[0]:.4g}°", first, _ROW_AXIS, _COLUMN_AXIS))
        if self.flat_field is not None:
            flat = self.flat_field.mean(axis=0, dtype=np.float64).astype(np.float32)
            views.append(SignalView("Flat field: counts without an object", flat, _ROW_AXIS, _COLUMN_AXIS))
        return views


def _require_numbers(array: NDArray[Any], name: str) -> None:
    if array.dtype.kind not in "uif":
        raise InvalidInputError(f"holds {array.dtype}; expected real numbers", field=name)
    if array.dtype.kind == "f":
        require_finite(array, name)
