"""X-ray computed tomography: an image of attenuation from what is left of a beam.

    I = I₀ Σ w(E) exp(−∫ μ(r, E) dl),   p = −ln(I / I₀) ≈ A μ

| symbol | where | meaning, unit |
|---|---|---|
| I | `Sinogram.data` | counts of each detector element and view |
| I₀ | `Sinogram.flat_field`, `Sinogram.dark_field` | counts without an object, without a beam |
| w(E) | `Spectrum.weights` | share of the detected signal from photons of energy E [keV] |
| p | `counts.line_integrals` | line integrals, no unit |
| A | `ParallelRayTransform`, `FanRayTransform`, `ConeRayTransform` | line integrals of an image, mm |
| rays | `ScanGeometry` | beam, detector, view angles [degrees] and distances [mm], in scanner axes parallel to LPS |
| μ | the image | attenuation coefficient, 1/cm, or CT number 1000 (μ − μ_water) / μ_water, HU |
"""

from __future__ import annotations

from typing import Any

from pellucid.image import Image
from pellucid.modalities.xray.acquisition import Sinogram
from pellucid.modalities.xray.forward import ConeRayTransform, FanRayTransform, ParallelRayTransform, ray_transform
from pellucid.modalities.xray.geometry import Grid, ScanGeometry
from pellucid.modalities.xray.protocols import PROTOCOLS, Settings
from pellucid.modalities.xray.readers import READERS
from pellucid.modalities.xray.recon import METHODS
from pellucid.modalities.xray.scan import scan
from pellucid.modalities.xray.spectrum import Spectrum, monoenergetic, tube_output
from pellucid.modality import Modality
from pellucid.modality import reconstruct as _reconstruct
from pellucid.progress import Progress, no_progress


def default_method(raw: Sinogram) -> str:
    """The analytic method of the beam, or least squares where the views do not suffice for it."""
    analytic = "fdk" if raw.geometry.beam == "cone" else "fbp"
    return "sirt" if MODALITY.method(analytic).refuses(raw) else analytic


MODALITY = Modality(
    key="xray",
    title="X-ray computed tomography",
    acquisitions=(Sinogram,),
    readers=READERS,
    methods=METHODS,
    protocols=PROTOCOLS,
    scan=scan,
    default_method=default_method,
)


def reconstruct(
    raw: Sinogram, method: str | None = None, *, progress: Progress = no_progress, **parameters: Any
) -> Image:
    """Image from a sinogram by a named method (default: fbp, or fdk for a cone beam); `parameters` are checked."""
    return _reconstruct(raw, method, progress=progress, parameters=parameters)


__all__ = [
    "METHODS",
    "MODALITY",
    "ConeRayTransform",
    "FanRayTransform",
    "Grid",
    "ParallelRayTransform",
    "ScanGeometry",
    "Settings",
    "Sinogram",
    "Spectrum",
    "monoenergetic",
    "ray_transform",
    "reconstruct",
    "scan",
    "tube_output",
]
