"""From attenuation to the image: CT numbers on water, patient geometry, what a DICOM object will say."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.image import Image
from pellucid.modalities.xray.acquisition import Sinogram
from pellucid.modalities.xray.recon.prepare import Prepared
from pellucid.modalities.xray.recon.weights import field_radius_mm
from pellucid.modalities.xray.water import ct_numbers, water_per_cm
from pellucid.units import quantity


def image_of(
    raw: Sinogram, prepared: Prepared, attenuation_per_mm: NDArray[np.float32], *, kernel: str, method: str
) -> Image:
    """Image in HU where the beam's spectrum is known, in attenuation coefficients [1/cm] where it is not.

    `kernel` becomes DICOM's ConvolutionKernel; `method` ends the description.
    """
    array = attenuation_per_mm * np.float32(10)
    name = "attenuation_coefficient"
    if raw.spectrum is not None:
        name, array = "ct_number", ct_numbers(array, water_per_cm(raw.spectrum, corrected=prepared.corrected))
    described = f"{raw.description} {method}".strip()
    return Image(
        array=array,
        affine=prepared.grid.affine(raw.isocentre_lps_mm),
        quantity=quantity(name),
        modality="CT",
        study=raw.study,
        description=described,
        attributes={**raw.attributes, **_attributes(prepared, kernel)},
    )


def _attributes(prepared: Prepared, kernel: str) -> dict[str, Any]:
    scan, grid = prepared.geometry, prepared.grid
    found: dict[str, Any] = {
        "ConvolutionKernel": kernel.upper(),
        "SliceThickness": grid.spacing_mm[0],
        "ReconstructionDiameter": grid.spacing_mm[2] * grid.shape[2],
        "DataCollectionDiameter": 2 * field_radius_mm(scan),
        "GantryDetectorTilt": 0.0,
    }
    if scan.beam != "parallel":
        found["DistanceSourceToDetector"] = scan.source_detector_mm
        found["DistanceSourceToPatient"] = scan.source_isocentre_mm
    return found
