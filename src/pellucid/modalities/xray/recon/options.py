"""Parameters that the methods share, each described once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pellucid.modalities.xray.recon.filters import FilterName
from pellucid.parameters import About

Filter = Annotated[FilterName, About("Window on the ramp filter")]
Cutoff = Annotated[float, About("Highest frequency kept, as part of Nyquist's", minimum=0.05, maximum=1.0, step=0.05)]
NonNegative = Annotated[bool, About("Keep attenuation at or above zero")]


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
    beam_hardening_correction: Annotated[bool, About("Take beam hardening in water out of polychromatic data")] = True
