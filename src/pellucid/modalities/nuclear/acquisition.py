"""A PET sinogram: counted coincidences and everything needed to turn them into Bq/ml."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pellucid.acquisition import Acquisition, SignalView, require_finite, require_shape
from pellucid.errors import InvalidInputError
from pellucid.image import Image
from pellucid.modalities.nuclear.projectors import Grid
from pellucid.modalities.nuclear.sampling import SinogramSampling
from pellucid.modalities.nuclear.tracer import Injection, date_time, mean_decay

_MOST_ATTENUATION_PER_CM = 20.0
"""More than tungsten's at 511 keV: a map beyond it is not in 1/cm."""


_ARRAYS = ("prompts", "randoms", "scatter", "sensitivity")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Sinogram(Acquisition):
    """A PET frame as a sinogram `[view, radial, plane]`.

    `prompts`: counted coincidences; `randoms`, `scatter`: expected counts of either, None for none;
    `sensitivity`: trues per second for each Bq/ml · mm of positron activity along a bin's line, without
    attenuation (crystal efficiencies, geometry and gaps in one), None where the data came without normalisation:
    then images are in arbitrary units. `attenuation_map`: linear attenuation coefficient at 511 keV [1/cm] in
    patient coordinates, None for none. `start`: begin of the frame (DICOM DT), "" where unknown;
    `duration_s`; `injection`: what the patient got, None where unknown.

    Shapes follow `sampling.shape`. Raises `InvalidInputError` naming the field where parts contradict each other.
    """

    modality: ClassVar[str] = "nuclear"

    sampling: SinogramSampling
    prompts: NDArray[Any]
    randoms: NDArray[np.float32] | None = None
    scatter: NDArray[np.float32] | None = None
    sensitivity: NDArray[np.float32] | None = None
    attenuation_map: Image | None = None
    start: str = ""
    duration_s: float
    injection: Injection | None = None

    def validate(self) -> None:
        """Check shapes, signs and numbers."""
        for name in _ARRAYS:
            array = getattr(self, name)
            if array is None:
                continue
            require_shape(array, self.sampling.shape, name, "view, radial bin, plane")
            if array.dtype.kind not in "fiu":
                raise InvalidInputError(f"is {array.dtype}; expected real numbers", field=name)
            require_finite(array, name)
            if array.min() < 0:
                raise InvalidInputError(f"holds {array.min():g}; expected counts >= 0", field=name)
        if self.sensitivity is not None and not self.sensitivity.any():
            raise InvalidInputError("is 0 everywhere: no bin detects anything", field="sensitivity")
        if not (self.duration_s > 0 and np.isfinite(self.duration_s)):
            raise InvalidInputError(f"is {self.duration_s}; expected a number > 0 [s]", field="duration_s")
        if self.start:
            date_time(self.start, "start")
        if self.attenuation_map is not None:
            check_attenuation_map(self.attenuation_map)

    @property
    def calibrated(self) -> bool:
        """Whether images of it are in Bq/ml."""
        return self.sensitivity is not None and self.injection is not None

    @property
    def background(self) -> NDArray[np.float32]:
        """Counts expected from randoms and scatter."""
        total = np.zeros(self.sampling.shape, np.float32)
        for part in (self.randoms, self.scatter):
            if part is not None:
                total += part
        return total

    @property
    def seconds_at_start_activity(self) -> float:
        """Duration in which the activity at the start would give as many decays as the decaying one did."""
        if self.injection is None:
            return self.duration_s
        return self.duration_s * mean_decay(self.injection.half_life_s, self.duration_s)

    @property
    def image_grid(self) -> Grid:
        """The natural voxel grid: slices at the planes of segment 0, as fine and wide as the radial bins."""
        width = float(np.diff(self.sampling.offsets_mm).max(initial=0.0)) or self.sampling.scanner.crystal_pitch_mm / 2
        bins = self.sampling.radial_bins
        slices = 2 * self.sampling.scanner.rings - 1
        return Grid((slices, bins, bins), (self.sampling.plane_pitch_mm, width, width))

    def with_attenuation_map(self, attenuation_map: Image | None) -> Sinogram:
        """The same counts with another attenuation map [1/cm at 511 keV, in the same patient coordinates]."""
        return replace(self, attenuation_map=attenuation_map)

    def every_view(self, keep_every: int) -> Sinogram:
        """Every `keep_every`-th view alone: what the others counted is not there, rather than 0."""
        views = self.sampling.views
        if not 1 <= keep_every <= views:
            raise InvalidInputError(f"is {keep_every}; expected 1 to the number of views, {views}", field="keep_every")
        arrays = {name: getattr(self, name) for name in _ARRAYS}
        return replace(
            self,
            sampling=replace(self.sampling, view_step=self.sampling.view_step * keep_every),
            **{name: array[::keep_every] for name, array in arrays.items() if array is not None},
        )

    def summary(self) -> dict[str, str]:
        """Scanner, compression, counts and injection in words."""
        sampling, scanner = self.sampling, self.sampling.scanner
        views, bins, planes = sampling.shape
        trues = float(self.prompts.sum(dtype=np.float64)) - float(self.background.sum(dtype=np.float64))
        words = {
            "Scanner": f"{scanner.manufacturer} {scanner.name}".strip(),
            "Sinogram": f"{views} views x {bins} bins x {planes} planes in {len(sampling.segments)} segments",
            "Ring differences": f"up to {max(s.maximum for s in sampling.segments)}",
            "Duration": f"{self.duration_s:g} s",
            "Prompts": f"{self.prompts.sum(dtype=np.float64) / 1e6:.2f} million counts",
            "Trues (estimated)": f"{trues / 1e6:.2f} million counts",
        }
        for name, part in (("Randoms", self.randoms), ("Scatter", self.scatter)):
            words[name] = "none" if part is None else f"{part.sum(dtype=np.float64) / 1e6:.2f} million counts"
        if self.injection is not None:
            words["Injected"] = f"{self.injection.activity_bq / 1e6:.1f} MBq {self.injection.tracer or '-'}, "
            words["Injected"] += self.injection.nuclide
        words["Attenuation"] = "none" if self.attenuation_map is None else self.attenuation_map.description or "map"
        return words

    def signal_views(self) -> list[SignalView]:
        """The central direct sinogram, one view of all direct planes, and the expected background."""
        direct = self.sampling.first_planes[1]
        middle = direct // 2
        views = [
            SignalView("Prompts, central plane", _picture(self.prompts[:, :, middle]), "view", "radial bin"),
            SignalView(
                "Prompts, first view, direct planes",
                _picture(self.prompts[0, :, :direct].T[::-1]),
                "plane",
                "radial bin",
            ),
        ]
        if self.randoms is not None or self.scatter is not None:
            background = _picture(self.background[:, :, middle])
            views.append(SignalView("Randoms and scatter, central plane", background, "view", "radial bin"))
        return views


def check_attenuation_map(image: Image) -> None:
    """Raise `InvalidInputError` unless `image` can be an attenuation map at 511 keV in 1/cm."""
    if image.quantity.name != "attenuation_coefficient":
        raise InvalidInputError(
            f"is an image of {image.quantity.name}; expected attenuation_coefficient. "
            "A CT image goes through attenuation_map_from_ct first",
            field="attenuation_map",
        )
    if image.channels:
        raise InvalidInputError(
            f"has channels {[c.name for c in image.channels]}; expected none", field="attenuation_map"
        )
    require_finite(image.array, "attenuation_map")
    low, high = float(image.array.min()), float(image.array.max())
    if low < -1e-3 or high > _MOST_ATTENUATION_PER_CM:
        raise InvalidInputError(f"holds {low:g} to {high:g}; expected 1/cm at 511 keV, >= 0", field="attenuation_map")


def _picture(array: NDArray[Any]) -> NDArray[np.float32]:
    return np.ascontiguousarray(array, np.float32)
