"""Positron emission tomography: an image of activity from counted photon pairs.

    ȳ = T · S ⊙ e^(-∫μ dl) ⊙ P G x + r + s,   y ~ Poisson(ȳ)

| symbol | where | meaning, unit |
|---|---|---|
| y | `Sinogram.prompts` | counted coincidences of each bin |
| x | the image | activity concentration at the start of the frame, Bq/ml |
| P | `projectors.SinogramProjector`, `projectors.LineProjector` | line integrals, mm |
| G | `forward.detector_blur` | the detector's resolution, a Gaussian in image space |
| μ | `Sinogram.attenuation_map`, `attenuation.attenuation_map_from_ct` | attenuation at 511 keV, 1/cm |
| S | `Sinogram.sensitivity`, `detection.trues_sensitivity` | counts/s for each Bq/ml · mm along a line |
| T | `forward.positrons` | positrons in the frame for each Bq at its start, s |
| r, s | `Sinogram.randoms`, `Sinogram.scatter` | expected random and scattered coincidences |
| lines | `sampling.SinogramSampling` | views, radial bins and Michelogram planes of a `scanner.Scanner` |
"""

from __future__ import annotations

from typing import Any

from pellucid.image import Image
from pellucid.modalities.nuclear.acquisition import Sinogram
from pellucid.modalities.nuclear.attenuation import attenuation_map_from_ct
from pellucid.modalities.nuclear.protocols import PROTOCOLS, Settings
from pellucid.modalities.nuclear.quantify import suv_body_weight
from pellucid.modalities.nuclear.readers import READERS
from pellucid.modalities.nuclear.recon import METHODS
from pellucid.modalities.nuclear.scan import scan
from pellucid.modality import Modality
from pellucid.modality import reconstruct as _reconstruct
from pellucid.progress import Progress, no_progress

_SUBSETS = 12


def default_method(raw: Sinogram) -> str:
    """Ordered subsets, or all views together where there are fewer than the usual subsets."""
    return "osem" if raw.sampling.views >= _SUBSETS else "mlem"


MODALITY = Modality(
    key="nuclear",
    title="Positron emission tomography",
    acquisitions=(Sinogram,),
    readers=READERS,
    methods=METHODS,
    protocols=PROTOCOLS,
    scan=scan,
    default_method=default_method,
)


def reconstruct(
    raw: Sinogram,
    method: str | None = None,
    *,
    attenuation_map: Image | None = None,
    progress: Progress = no_progress,
    **parameters: Any,
) -> Image:
    """Activity image from a sinogram by a named method (default: osem); `parameters` are checked.

    `attenuation_map`: used instead of the one that came with the counts; 1/cm at 511 keV in the same patient frame.
    """
    if attenuation_map is not None:
        raw = raw.with_attenuation_map(attenuation_map)
    return _reconstruct(raw, method, progress=progress, parameters=parameters)


__all__ = [
    "METHODS",
    "MODALITY",
    "Settings",
    "Sinogram",
    "attenuation_map_from_ct",
    "reconstruct",
    "scan",
    "suv_body_weight",
]
