"""What a DICOM PET image says of how it was acquired (PS3.3 C.8.9)."""

from __future__ import annotations

from typing import Any

from pellucid.modalities.nuclear.acquisition import Sinogram
from pellucid.modalities.nuclear.projectors import Grid
from pellucid.modalities.nuclear.tracer import (
    NUCLIDES,
    RADIOPHARMACEUTICALS,
    Injection,
    mean_activity_time_s,
    mean_decay,
)
from pellucid.units import Code

_CORRECTIONS = (("sensitivity", "NORM"), ("attenuation_map", "ATTN"), ("scatter", "SCAT"), ("randoms", "RAN"))


def attributes_of(raw: Sinogram, grid: Grid, method: str, filter_mm: float) -> dict[str, Any]:
    """Attributes of an image made from `raw`, by DICOM keyword."""
    sampling = raw.sampling
    corrected = [term for name, term in _CORRECTIONS if getattr(raw, name) is not None]
    if raw.injection is not None:
        corrected.insert(0, "DECY")
    found: dict[str, Any] = {
        **raw.attributes,
        "Units": "BQML" if raw.calibrated else "NONE",
        "CountsSource": "EMISSION",
        "CollimatorType": "NONE",
        "ActualFrameDuration": round(1000 * raw.duration_s),
        "CorrectedImage": corrected or [""],
        "DecayCorrection": "NONE" if raw.injection is None else "START",
        "FrameReferenceTime": 1000 * _reference_time_s(raw),
        "ReconstructionMethod": method,
        "SliceThickness": grid.spacing_mm[0],
        "EnergyWindowRangeSequence": [_window(raw)] if sampling.scanner.energy_window_kev[1] > 0 else [],
    }
    if raw.attenuation_map is not None:
        found["AttenuationCorrectionMethod"] = (raw.attenuation_map.description or "measured map")[:64]
    if raw.scatter is not None:
        found["ScatterCorrectionMethod"] = "Single scatter simulation"
    found["RandomsCorrectionMethod"] = "NONE" if raw.randoms is None else "SING"
    if filter_mm > 0:
        found["ConvolutionKernel"] = f"Gaussian {filter_mm:g} mm"
    if raw.start:
        found |= {"SeriesDate": raw.start[:8], "SeriesTime": raw.start[8:]}
        found |= {"AcquisitionDate": raw.start[:8], "AcquisitionTime": raw.start[8:]}
    if raw.injection is not None:
        found["RadiopharmaceuticalInformationSequence"] = [_injected(raw.injection)]
        found["DecayFactor"] = 1 / mean_decay(raw.injection.half_life_s, raw.duration_s)
    return found


def _reference_time_s(raw: Sinogram) -> float:
    """When in the frame the activity was what its mean count rate says."""
    if raw.injection is None:
        return raw.duration_s / 2
    return mean_activity_time_s(raw.injection.half_life_s, raw.duration_s)


def _window(raw: Sinogram) -> dict[str, Any]:
    low, high = raw.sampling.scanner.energy_window_kev
    return {"EnergyWindowLowerLimit": low, "EnergyWindowUpperLimit": high}


def _injected(injection: Injection) -> dict[str, Any]:
    item: dict[str, Any] = {
        "RadiopharmaceuticalStartDateTime": injection.time,
        "RadiopharmaceuticalStartTime": injection.time[8:],
        "RadionuclideTotalDose": injection.activity_bq,
        "RadionuclideHalfLife": injection.half_life_s,
        "RadionuclidePositronFraction": injection.positron_fraction,
    }
    if injection.nuclide in NUCLIDES:
        item["RadionuclideCodeSequence"] = [_coded(NUCLIDES[injection.nuclide].code)]
    tracer = RADIOPHARMACEUTICALS.get(injection.tracer)
    if tracer is not None:
        item["Radiopharmaceutical"] = tracer.name
        item["RadiopharmaceuticalCodeSequence"] = [_coded(tracer.code)]
    return item


def _coded(code: Code) -> dict[str, str]:
    return {"CodeValue": code.value, "CodingSchemeDesignator": code.scheme, "CodeMeaning": code.meaning}
