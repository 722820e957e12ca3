"""Scan protocols: what a radiographer chooses, and ready choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.modalities.xray.geometry import Beam, Detector
from pellucid.modality import Protocol
from pellucid.parameters import About, When

_TUBE, _MONOENERGETIC = When("source", ("tube",)), When("source", ("monoenergetic",))
_CONE_BEAM, _STACK = When("beam", ("cone",)), When("beam", ("parallel", "fan"))
_DIVERGENT = When("beam", ("fan", "cone"))
_NOISY = When("noise", (True,))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Scanner and technique of a scan.

    The slices of a parallel or fan scan (a stack of circular scans) and the grid of a cone beam's volume are laid
    about the middle of the patient. With `noise` off the detector is ideal: real-valued counts of the expectation.
    """

    beam: Annotated[Beam, About("Shape of the beam")] = "fan"
    detector: Annotated[Detector, About("Shape of the detector; curved only with a fan")] = "curved"
    source: Annotated[Literal["tube", "monoenergetic"], About("Tungsten tube, or one photon energy")] = "tube"
    tube_voltage_kv: Annotated[
        float, About("Tube voltage", unit="kV", minimum=40, maximum=150, step=10, applies=(_TUBE,))
    ] = 120.0
    tube_current_ma: Annotated[
        float, About("Tube current", unit="mA", minimum=0.1, maximum=1500, step=10, applies=(_TUBE,))
    ] = 200.0
    rotation_time_s: Annotated[
        float, About("Exposure time", unit="s", minimum=0.05, maximum=120, step=0.1, applies=(_TUBE,))
    ] = 1.0
    filtration_mm_al: Annotated[
        float, About("Filtration, as aluminium", unit="mm", minimum=0, maximum=30, applies=(_TUBE,))
    ] = 7.0
    filtration_mm_cu: Annotated[float, About("Added copper", unit="mm", minimum=0, maximum=3, applies=(_TUBE,))] = 0.0
    anode_angle_deg: Annotated[float, About("Anode angle", unit="deg", minimum=5, maximum=25, applies=(_TUBE,))] = 10.0
    energy_kev: Annotated[
        float, About("Photon energy", unit="keV", minimum=15, maximum=500, applies=(_MONOENERGETIC,))
    ] = 70.0
    photons_per_ray: Annotated[
        float, About("Photons per ray and view", minimum=10, maximum=1e9, applies=(_MONOENERGETIC, _NOISY))
    ] = 1e5
    detector_efficiency: Annotated[
        float, About("Photons detected of those arriving", minimum=0.01, maximum=1, applies=(_NOISY,))
    ] = 0.85
    electronic_noise: Annotated[
        float,
        About(
            "Standard deviation of the read-out, in counts of 60000 full scale",
            minimum=0,
            maximum=100,
            applies=(_NOISY,),
            otherwise=0.0,
        ),
    ] = 1.5
    noise: Annotated[bool, About("Quantum and electronic noise, uneven detector gain, whole counts")] = True
    views: Annotated[int, About("Views", minimum=1, maximum=10000, step=8)] = 720
    range_deg: Annotated[float, About("Range of view angles", unit="deg", minimum=1, maximum=360, step=1)] = 360.0
    start_deg: Annotated[float, About("First view angle", unit="deg", minimum=-360, maximum=360, step=1)] = 0.0
    columns: Annotated[int, About("Detector columns", minimum=2, maximum=4096, step=16)] = 512
    column_spacing_mm: Annotated[float, About("Distance of columns", unit="mm", minimum=0.01, maximum=20)] = 1.0
    column_offset_mm: Annotated[float, About("Shift of the detector", unit="mm", minimum=-500, maximum=500)] = 0.0
    rows: Annotated[int, About("Detector rows", minimum=2, maximum=4096, step=16, applies=(_CONE_BEAM,))] = 256
    row_spacing_mm: Annotated[
        float, About("Distance of rows", unit="mm", minimum=0.01, maximum=20, applies=(_CONE_BEAM,))
    ] = 1.0
    slice_thickness_mm: Annotated[
        float, About("Thickness and distance of slices", unit="mm", minimum=0.05, maximum=50, applies=(_STACK,))
    ] = 2.0
    coverage_mm: Annotated[
        float | None,
        About("Length scanned; none: the whole patient", unit="mm", minimum=0.05, maximum=2000, applies=(_STACK,)),
    ] = None
    source_isocentre_mm: Annotated[
        float, About("Source to isocentre", unit="mm", minimum=50, maximum=3000, applies=(_DIVERGENT,))
    ] = 570.0
    source_detector_mm: Annotated[
        float, About("Source to detector", unit="mm", minimum=50, maximum=6000, applies=(_DIVERGENT,))
    ] = 1040.0
    shift_left_mm: Annotated[
        float, About("Isocentre to the left of the patient's middle", unit="mm", minimum=-200, maximum=200)
    ] = 0.0
    shift_posterior_mm: Annotated[
        float, About("Isocentre behind the patient's middle", unit="mm", minimum=-200, maximum=200)
    ] = 0.0

    @property
    def tube_current_time_mas(self) -> float:
        """Tube current times exposure time."""
        return self.tube_current_ma * self.rotation_time_s

    @property
    def angles_deg(self) -> NDArray[np.float64]:
        """View angles, evenly over the range."""
        return self.start_deg + np.arange(self.views, dtype=np.float64) * (self.range_deg / self.views)

    def __post_init__(self) -> None:
        if self.detector == "curved" and self.beam != "fan":
            raise InvalidInputError(f"is 'curved' with a {self.beam} beam; expected 'flat'", field="detector")


_CONE = Settings(
    beam="cone",
    detector="flat",
    tube_voltage_kv=110.0,
    tube_current_ma=40.0,
    rotation_time_s=10.0,
    views=360,
    columns=256,
    column_spacing_mm=1.6,
    rows=256,
    row_spacing_mm=1.6,
    source_isocentre_mm=750.0,
    source_detector_mm=1200.0,
)
_PARALLEL = Settings(
    beam="parallel",
    detector="flat",
    source="monoenergetic",
    views=720,
    range_deg=180.0,
    columns=512,
    column_spacing_mm=0.5,
)

PROTOCOLS = (
    Protocol("head", "Head, 120 kV, curved fan, 2 mm slices", Settings()),
    Protocol("head_low_dose", "Head at a tenth of the dose", Settings(tube_current_ma=20.0)),
    Protocol("head_cone", "Head, 110 kV, cone beam on a flat panel", _CONE),
    Protocol("parallel_monoenergetic", "Parallel beam of 70 keV, 2 mm slices", _PARALLEL),
)
