"""Named, ready protocols with clinical parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pellucid.modality import Protocol
from pellucid.parameters import About, When


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a PET scan is prescribed with."""

    scanner: Annotated[Literal["biograph_mmr", "discovery_mi"], About("Scanner")] = "biograph_mmr"
    tracer: Annotated[Literal["fdg"], About("Radiopharmaceutical")] = "fdg"
    injected_mbq: Annotated[float, About("Injected activity", unit="MBq", minimum=1e-3, maximum=2000)] = 200.0
    uptake_min: Annotated[
        float, About("From injection to the start of the scan", unit="min", minimum=0, maximum=1440)
    ] = 60.0
    duration_s: Annotated[float, About("Duration of the frame", unit="s", minimum=1e-3, maximum=7200)] = 600.0
    span: Annotated[int, About("Axial compression: ring differences per segment, odd or 2", minimum=1, maximum=255)] = (
        11
    )
    max_ring_difference: Annotated[int, About("Largest ring difference kept", minimum=0, maximum=255)] = 16
    radial_bins: Annotated[int, About("Radial bins kept around the axis, after mashing", minimum=3, maximum=2048)] = 144
    view_mashing: Annotated[int, About("Neighbouring views added into one", minimum=1, maximum=1024)] = 3
    radial_mashing: Annotated[int, About("Neighbouring radial bins added into one", minimum=1, maximum=64)] = 1
    attenuation: Annotated[bool, About("Whether the patient attenuates")] = True
    scatter: Annotated[
        bool,
        About("Whether photons scatter into the window", applies=(When("attenuation", (True,)),), otherwise=False),
    ] = True
    randoms: Annotated[bool, About("Whether chance coincidences are counted")] = True
    noise: Annotated[bool, About("Whether counts are Poisson numbers; expected counts otherwise")] = True
    efficiency_spread: Annotated[
        float, About("Spread of crystal efficiencies (standard deviation)", minimum=0, maximum=0.5)
    ] = 0.1
    isocentre_left_mm: Annotated[
        float | None, About("Isocentre, to patient left; none: body centre", unit="mm", minimum=-5000, maximum=5000)
    ] = None
    isocentre_posterior_mm: Annotated[
        float | None, About("Isocentre, to posterior; none: body centre", unit="mm", minimum=-5000, maximum=5000)
    ] = None
    isocentre_head_mm: Annotated[
        float | None, About("Isocentre, to the head; none: body centre", unit="mm", minimum=-5000, maximum=5000)
    ] = None


PROTOCOLS = (
    Protocol("brain_fdg", "FDG brain, 200 MBq, 60 min uptake, 10 min, Biograph mMR", Settings()),
    Protocol(
        "brain_fdg_ge",
        "FDG brain, 200 MBq, 60 min uptake, 10 min, Discovery MI",
        Settings(scanner="discovery_mi", span=2, max_ring_difference=9, view_mashing=4, radial_bins=131),
    ),
    Protocol(
        "body_fdg",
        "FDG body, one bed position, 250 MBq, 60 min uptake, 3 min, Biograph mMR",
        Settings(
            injected_mbq=250.0, duration_s=180.0, radial_bins=172, radial_mashing=2, view_mashing=4,
            max_ring_difference=27,
        ),
    ),
)  # fmt: skip
