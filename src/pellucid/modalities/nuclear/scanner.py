"""Cylindrical PET scanners: where the crystals are and how well they measure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError, UnknownOptionError

_MOST_RINGS, _MOST_CRYSTALS = 4096, 1 << 16
"""No scanner has more; a header that says so is broken, and its tables would fill the memory."""


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """A cylindrical PET scanner.

    Crystal c of a ring stands at the angle ψ = 2πc/N + view offset: x = R sin ψ, y = -R cos ψ, so crystal 0 is
    at the top (anterior of a supine patient) and c grows towards the patient's left. Rings count towards the
    head (head first). N counts addresses: every run of `block_transaxial` addresses begins with
    `gap_transaxial` virtual crystals that detect nothing (gaps between blocks); likewise along the axis.

    `inner_radius_mm` to the crystal face, `interaction_depth_mm` mean depth of interaction, R their sum.
    `resolution_fwhm_mm`: (transverse, axial) near the centre; `energy_resolution`: FWHM at 511 keV as a fraction;
    `sensitivity_cps_per_kbq`: NEMA NU 2 system sensitivity at the centre, which fixes the detection efficiency.
    """

    name: str
    manufacturer: str = ""
    rings: int
    crystals_per_ring: int
    ring_pitch_mm: float
    inner_radius_mm: float
    interaction_depth_mm: float
    radial_bins: int
    block_transaxial: int = 1
    gap_transaxial: int = 0
    block_axial: int = 1
    gap_axial: int = 0
    view_offset_deg: float = 0.0
    resolution_fwhm_mm: tuple[float, float] = (0.0, 0.0)
    energy_resolution: float = 0.0
    energy_window_kev: tuple[float, float] = (0.0, 0.0)
    coincidence_window_ns: float = 0.0
    time_resolution_ps: float = 0.0
    sensitivity_cps_per_kbq: float = 0.0
    source: str = ""

    def __post_init__(self) -> None:
        if self.rings < 1 or self.radial_bins < 1:
            raise InvalidInputError(
                f"{self.name!r} has {self.rings} rings, {self.radial_bins} bins; expected >= 1", field="scanner"
            )
        if self.rings > _MOST_RINGS:
            raise InvalidInputError(f"is {self.rings}; expected at most {_MOST_RINGS}", field="scanner.rings")
        if not 4 <= self.crystals_per_ring <= _MOST_CRYSTALS or self.crystals_per_ring % 2:
            raise InvalidInputError(
                f"is {self.crystals_per_ring}; expected an even number of 4 to {_MOST_CRYSTALS} (views are half of it)",
                field="scanner.crystals_per_ring",
            )
        if not (self.inner_radius_mm > 0 and self.ring_pitch_mm > 0 and self.interaction_depth_mm >= 0):
            raise InvalidInputError(
                "radius and ring pitch must be positive, depth of interaction >= 0", field="scanner"
            )
        if self.radial_bins >= self.crystals_per_ring:
            raise InvalidInputError(
                f"is {self.radial_bins}; expected fewer than the {self.crystals_per_ring} crystals of a ring",
                field="scanner.radial_bins",
            )

    @property
    def radius_mm(self) -> float:
        """Distance from the axis to the mean point of interaction."""
        return self.inner_radius_mm + self.interaction_depth_mm

    @property
    def crystal_pitch_mm(self) -> float:
        """Arc from crystal to crystal at the mean depth of interaction."""
        return 2 * math.pi * self.radius_mm / self.crystals_per_ring

    @property
    def axial_field_of_view_mm(self) -> float:
        """Length of the detector along the axis."""
        return self.rings * self.ring_pitch_mm

    def crystal_angles_rad(self) -> NDArray[np.float64]:
        """ψ of every crystal of a ring."""
        turn = np.arange(self.crystals_per_ring) / self.crystals_per_ring
        return np.asarray(2 * np.pi * turn + math.radians(self.view_offset_deg), np.float64)

    def ring_z_mm(self) -> NDArray[np.float64]:
        """Axial position of every ring, 0 at the scanner's centre."""
        return np.asarray((np.arange(self.rings) - (self.rings - 1) / 2) * self.ring_pitch_mm, np.float64)

    def live_crystals(self) -> NDArray[np.bool_]:
        """`[crystal, ring]`: whether there is a crystal at the address (False in the gaps between blocks)."""
        across = np.arange(self.crystals_per_ring) % self.block_transaxial >= self.gap_transaxial
        along = np.arange(self.rings) % self.block_axial >= self.gap_axial
        live: NDArray[np.bool_] = across[:, None] & along[None, :]
        return live


BIOGRAPH_MMR = Scanner(
    name="Biograph mMR",
    manufacturer="Siemens",
    rings=64,
    crystals_per_ring=504,
    ring_pitch_mm=4.0625,
    inner_radius_mm=328.0,
    interaction_depth_mm=7.0,
    radial_bins=344,
    block_transaxial=9,
    gap_transaxial=1,
    resolution_fwhm_mm=(4.3, 4.3),
    energy_resolution=0.145,
    energy_window_kev=(430.0, 610.0),
    coincidence_window_ns=5.86,
    time_resolution_ps=2930.0,
    sensitivity_cps_per_kbq=13.3,
    source="geometry: the scanner's list-mode header (64 rings of 504 addresses, 4.0625 mm, radius 328 mm, 344 bins, "
    "430-610 keV); 8 x 8 blocks and one address per gap: Delso et al., J Nucl Med 2011, doi 10.2967/jnumed.111.092726; "
    "sensitivity: Karlberg et al., EJNMMI Phys 2016, doi 10.1186/s40658-016-0142-7; resolutions: as quoted in table 5 "
    "of Hsu et al., J Nucl Med 2017, doi 10.2967/jnumed.116.184028",
)

DISCOVERY_MI = Scanner(
    name="Discovery MI",
    manufacturer="GE",
    rings=36,
    crystals_per_ring=544,
    ring_pitch_mm=5.556,
    inner_radius_mm=372.0,
    interaction_depth_mm=8.56,
    radial_bins=415,
    resolution_fwhm_mm=(4.15, 4.48),
    energy_resolution=0.094,
    energy_window_kev=(425.0, 650.0),
    coincidence_window_ns=4.9,
    time_resolution_ps=375.4,
    sensitivity_cps_per_kbq=13.7,
    source="4-ring system: Hsu et al., J Nucl Med 2017, doi 10.2967/jnumed.116.184028; crystal positions averaged to "
    "an even pitch from 34 modules of 16 x 9 x 4 crystals, 5.3156 mm, module pitch 50.64 mm, radius 380.56 mm",
)

SCANNERS = {"biograph_mmr": BIOGRAPH_MMR, "discovery_mi": DISCOVERY_MI}


def scanner(name: str) -> Scanner:
    """The preset called `name`; raises `UnknownOptionError` with the list of known ones."""
    if name not in SCANNERS:
        raise UnknownOptionError("PET scanner", name, SCANNERS)
    return SCANNERS[name]
