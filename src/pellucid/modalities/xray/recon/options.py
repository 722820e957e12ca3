"""Parameters that the methods share, each described once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pellucid.modalities.xray.acquisition import Sinogram
from pellucid.modalities.xray.recon.filters import FilterName
from pellucid.parameters import About

Filter = Annotated[FilterName, About("Window on the ramp filter")]
Cutoff = Annotated[float, About("Highest frequency kept, as part of Nyquist's", minimum=0.05, maximum=1.0, step=0.05)]
NonNegative = Annotated[bool, About("Keep attenuation at or above zero")]


def hardens(raw: Sinogram) -> bool:
    """Whether the beam is known to have several energies, so that it hardens."""
    return raw.spectrum is not None and not raw.spectrum.is_monoenergetic


def _why_not_corrected(raw: Sinogram, _values: Mapping[str, Any]) -> str:
    if hardens(raw):
        return ""
    beam = "comes without a spectrum" if raw.spectrum is None else "is of one photon energy"
    return f"this signal {beam}, so that no beam hardening is corrected anyway; expected true, the default"


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """What every method takes: the image's grid, the views to use, and the corrections of the data."""

    matrix: Annotated[int, About("Rows and columns of the image", minimum=8, maximum=4096, step=64)] = 256
    field_of_view_mm: Annotated[
        float | None,
        About("Width of the image; none: the measured field", unit="mm", minimum=0.1, maximum=2000, step=10),
    ] = None
    slice_thickness_mm: Annotated[
        float | None,
        About("Thickness and distance of slices; none: as measured", unit="mm", minimum=0.001, maximum=100, step=0.25),
    ] = None
    keep_every: Annotated[int, About("Use every n-th view only", minimum=1, maximum=64, step=1)] = 1
    centre_of_rotation_px: Annotated[
        float | None,
        About("Detector column (from 0) of the axis of rotation; none: as stored", unit="px", minimum=0, step=0.25),
    ] = None
    beam_hardening_correction: Annotated[
        bool, About("Take beam hardening in water out of polychromatic data", refuses=_why_not_corrected)
    ] = True
