"""Named, ready protocols with clinical parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pellucid.modality import Protocol
from pellucid.parameters import About, When

_VOLUME, _SLICES = When("dimensions", ("3d",)), When("dimensions", ("2d",))
_INVERTED = When("sequence", ("inversion_recovery",))
_CARTESIAN = When("sampling", ("full", "regular", "poisson"))
_REGULAR, _WITH_CALIBRATION = When("sampling", ("regular",)), When("sampling", ("regular", "poisson"))
_FEWER = When("sampling", ("regular", "poisson", "radial"))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a scan is prescribed with; a field that is None is chosen so that the anatomy is covered."""

    sequence: Annotated[
        Literal["spoiled_gradient_echo", "spin_echo", "inversion_recovery"], About("Pulse sequence")
    ] = "spoiled_gradient_echo"
    repetition_time_ms: Annotated[float, About("Time between excitations", unit="ms", minimum=1, maximum=60000)] = 250.0
    echo_time_ms: Annotated[float, About("Time from excitation to echo", unit="ms", minimum=0.1, maximum=10000)] = 4.0
    inversion_time_ms: Annotated[
        float,
        About("Time from inversion to excitation", unit="ms", minimum=1, maximum=30000, applies=(_INVERTED,)),
    ] = 2500.0
    flip_angle_deg: Annotated[float, About("Excitation flip angle", unit="deg", minimum=0.1, maximum=180)] = 70.0
    field_strength_t: Annotated[float, About("Main magnetic field", unit="T", minimum=1.0, maximum=3.5)] = 3.0
    dimensions: Annotated[Literal["2d", "3d"], About("Slice by slice, or a volume with a second phase encoding")] = "2d"
    orientation: Annotated[Literal["axial", "coronal", "sagittal"], About("Slice orientation")] = "axial"
    tilt_deg: Annotated[
        float, About("Turn of the slices about the in-plane column axis", unit="deg", minimum=-45, maximum=45)
    ] = 0.0
    resolution_mm: Annotated[float, About("Voxel in the slice plane", unit="mm", minimum=0.3, maximum=10)] = 1.0
    slice_thickness_mm: Annotated[float, About("Slice thickness", unit="mm", minimum=0.5, maximum=20)] = 3.0
    slice_gap_mm: Annotated[
        float, About("Gap between slices", unit="mm", minimum=0, maximum=20, applies=(_SLICES,), otherwise=0.0)
    ] = 0.0
    slices: Annotated[int | None, About("Slices; none: cover the anatomy", minimum=1, maximum=1000)] = None
    rows: Annotated[int | None, About("Phase-encoding voxels; none: cover the anatomy", minimum=8, maximum=1024)] = None
    columns: Annotated[int | None, About("Readout voxels; none: cover the anatomy", minimum=8, maximum=1024)] = None
    readout_oversampling: Annotated[int, About("Readout oversampling factor", minimum=1, maximum=4)] = 1
    coils: Annotated[int, About("Receive coils", minimum=1, maximum=64)] = 8
    sampling: Annotated[Literal["full", "regular", "poisson", "radial"], About("Which lines are acquired")] = "full"
    acceleration_phase: Annotated[
        float,
        About(
            "Undersampling along the phase axis; Poisson and radial: over all",
            minimum=1,
            maximum=32,
            applies=(_FEWER,),
            otherwise=1.0,
        ),
    ] = 1.0
    acceleration_slice: Annotated[
        int,
        About(
            "Undersampling along the second phase axis", minimum=1, maximum=8, applies=(_REGULAR, _VOLUME), otherwise=1
        ),
    ] = 1
    calibration_lines: Annotated[
        int, About("Fully sampled lines in the centre", minimum=0, maximum=128, applies=(_WITH_CALIBRATION,))
    ] = 24
    partial_fourier: Annotated[
        float,
        About(
            "Share of the phase-encoding lines acquired",
            minimum=0.55,
            maximum=1,
            applies=(_CARTESIAN,),
            otherwise=1.0,
        ),
    ] = 1.0
    signal_to_noise: Annotated[
        float, About("Equilibrium water signal of one voxel over one coil's noise, full grid", minimum=1, maximum=1e12)
    ] = 100.0
    prescan: Annotated[
        bool, About("Acquire a quick volume by array and body coil too, by which images are normalised")
    ] = True
    b1_variation: Annotated[
        float, About("Transmit field: higher at the centre and lower at the rim by this share", minimum=0, maximum=0.5)
    ] = 0.1


PROTOCOLS = (
    Protocol("t1_gre", "T1-weighted spoiled gradient echo, 1 x 1 x 3 mm, 2D", Settings()),
    Protocol(
        "t2_se",
        "T2-weighted spin echo, 1 x 1 x 3 mm every 4 mm, 2D",
        Settings(
            sequence="spin_echo",
            repetition_time_ms=5000.0,
            echo_time_ms=95.0,
            flip_angle_deg=90.0,
            slice_gap_mm=1.0,
        ),
    ),
    Protocol(
        "flair",
        "Fluid-attenuated inversion recovery, 1 x 1 x 3 mm every 4 mm, 2D",
        Settings(
            sequence="inversion_recovery",
            repetition_time_ms=9000.0,
            echo_time_ms=100.0,
            inversion_time_ms=2500.0,
            flip_angle_deg=90.0,
            slice_gap_mm=1.0,
        ),
    ),
    Protocol(
        "t1_gre_sense_2x2",
        "T1-weighted 3D gradient echo, 2 mm, every second line and partition",
        Settings(
            repetition_time_ms=20.0,
            echo_time_ms=4.0,
            flip_angle_deg=22.0,
            dimensions="3d",
            resolution_mm=2.0,
            slice_thickness_mm=2.0,
            sampling="regular",
            acceleration_phase=2.0,
            acceleration_slice=2,
            signal_to_noise=500.0,
        ),
    ),
    Protocol(
        "t2_poisson",
        "T2-weighted 3D spin echo, 2 mm, Poisson-disc sampling, 6-fold",
        Settings(
            sequence="spin_echo",
            repetition_time_ms=3000.0,
            echo_time_ms=95.0,
            flip_angle_deg=90.0,
            dimensions="3d",
            resolution_mm=2.0,
            slice_thickness_mm=2.0,
            sampling="poisson",
            acceleration_phase=6.0,
            calibration_lines=20,
        ),
    ),
    Protocol(
        "t1_radial",
        "T1-weighted radial gradient echo, golden angle, 1.2 x 1.2 x 5 mm, 2D",
        Settings(
            resolution_mm=1.2, slice_thickness_mm=5.0, sampling="radial", acceleration_phase=2.0, readout_oversampling=2
        ),
    ),
)
