"""CT, MR and PET Image Storage: what each adds to the common modules (PS3.3 sections C.8.2, C.8.3, C.8.9)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydicom.uid import CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage

from pellucid.dicom.modules import coded, real_world_values, rescale
from pellucid.dicom.quantise import Scale
from pellucid.errors import InvalidInputError
from pellucid.image import Image
from pellucid.units import Code

_MAP_TYPES = {"t1": "T1 MAP", "t2": "T2 MAP", "t2_star": "T2_STAR MAP", "proton_density": "PROTON_DENSITY MAP"}
_PET_UNITS = {"activity_concentration": "BQML", "suv_body_weight": "GML", "counts": "CNTS"}
_FIRST_CT_STORED = -1024
_RECUMBENT = Code("102538003", "SCT", "recumbent")
_GANTRY = {"HF": Code("102540008", "SCT", "headfirst"), "FF": Code("102541007", "SCT", "feet-first")}
_POSTURE = {
    "S": Code("40199007", "SCT", "supine"),
    "P": Code("1240000", "SCT", "prone"),
    "DL": Code("102536004", "SCT", "left lateral decubitus"),
    "DR": Code("102535000", "SCT", "right lateral decubitus"),
}


@dataclass(frozen=True)
class Classic:
    """One single-frame storage class.

    `specific(image, scale, created)`: the attributes of the modality's own modules, below the image's own
    attributes; `fixed(image, scale)`: those that the image's attributes must not change. `whole`: intercept of
    values rounded to whole numbers by custom, for `image`, or None.
    """

    sop_class_uid: str
    image_type: Callable[[Image], str]
    specific: Callable[[Image, datetime], dict[str, Any]]
    fixed: Callable[[Image, Scale], dict[str, Any]]
    whole: Callable[[Image], int | None]


def image_type(image: Image, third: str) -> list[str]:
    """DERIVED, then what the attributes say of values 2, 3 …, else PRIMARY and `third`; PET knows PRIMARY alone."""
    given = image.attributes.get("ImageType")
    rest = [part for part in list(given)[1:] if part != "MOSAIC"] if isinstance(given, (list, tuple)) else []
    found = ["DERIVED", *(rest or ["PRIMARY", *([third] if third else [])])]
    return found if image.modality != "PT" else ["DERIVED", "PRIMARY", *found[2:]]


def _ct_specific(image: Image, _created: datetime) -> dict[str, Any]:
    return {"AcquisitionNumber": 1, "KVP": None, "PatientPosition": image.study.patient_position}


def _ct_fixed(image: Image, scale: Scale) -> dict[str, Any]:
    """HU, or (allowed of derived images) another quantity whose unit the real-world value mapping gives."""
    if image.quantity.name == "ct_number":
        return rescale(scale) | {"RescaleType": "HU"}
    return rescale(scale) | {"RescaleType": "US", "RealWorldValueMappingSequence": [real_world_values(image, scale)]}


def _mr_specific(image: Image, _created: datetime) -> dict[str, Any]:
    """A sequence that is not named is one of research mode (defined term RM)."""
    return {
        "ScanningSequence": "RM",
        "SequenceVariant": "NONE",
        "RepetitionTime": None,
        "PatientPosition": image.study.patient_position,
    }


def _mr_fixed(image: Image, scale: Scale) -> dict[str, Any]:
    """Scale and unit; and what inversion and trigger times say of the sequence is said where it must stand too."""
    values: dict[str, Any] = {"RealWorldValueMappingSequence": [real_world_values(image, scale)]}
    channels = {channel.name for channel in image.channels}
    sequence = _listed(image.attributes.get("ScanningSequence", "RM"))
    if (image.attributes.get("InversionTime") or "inversion_time" in channels) and "IR" not in sequence:
        values["ScanningSequence"] = [*sequence, "IR"]
    options = _listed(image.attributes.get("ScanOptions"))
    gated = {"CG", "PPG"} & set(options)
    if (image.attributes.get("TriggerTime") is not None or "trigger_time" in channels) and not gated:
        values["ScanOptions"] = [*options, "CG"]
    return values


def _listed(value: Any) -> list[str]:
    return list(value) if isinstance(value, (list, tuple)) else [value] if value else []


def extension(image: Image, scale: Scale) -> dict[str, Any]:
    """What the object's definition does not have but viewers go by (a standard extended class, PS3.4 section 2).

    Maps in MR objects: the rescale, so that viewers that know no real-world value mapping show milliseconds.
    """
    if image.modality != "MR" or image.quantity.name == "mr_signal":
        return {}
    return rescale(scale) | {"RescaleType": "US"}


def _pt_specific(image: Image, created: datetime) -> dict[str, Any]:
    attributes, study = image.attributes, image.study
    date = attributes.get("AcquisitionDate") or study.study_date or created.strftime("%Y%m%d")
    time = attributes.get("AcquisitionTime") or study.study_time or created.strftime("%H%M%S")
    return {
        "SeriesDate": date,
        "SeriesTime": time,
        "CountsSource": "EMISSION",
        "DecayCorrection": "NONE",
        "CollimatorType": "NONE",
        "FrameReferenceTime": 0.0,
    } | pet_position(study.patient_position)


def decay_factor(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """DecayFactor (PS3.3 C.8.9.4.1.9) where decay was corrected for: 2^(t / half-life).

    t: from the moment that activity is corrected to until FrameReferenceTime (which counts from the start of the
    acquisition). Raises `InvalidInputError` where the correction is stated but its factor cannot be known.
    """
    correction = attributes.get("DecayCorrection", "NONE")
    if correction == "NONE" or "DecayFactor" in attributes:
        return {}
    tracer = (attributes.get("RadiopharmaceuticalInformationSequence") or [{}])[0]
    half_life = tracer.get("RadionuclideHalfLife")
    seconds = float(attributes.get("FrameReferenceTime") or 0) / 1000
    if correction == "ADMIN":
        seconds += _seconds_between(tracer.get("RadiopharmaceuticalStartTime"), attributes.get("AcquisitionTime"))
    if not half_life or not math.isfinite(seconds):
        raise InvalidInputError(
            f"is missing, but DecayCorrection is {correction}; give it, or RadionuclideHalfLife and the times",
            field="DecayFactor",
        )
    return {"DecayFactor": 2 ** (seconds / float(half_life))}


def _seconds_between(earlier: str | None, later: str | None) -> float:
    """Between two times of day, past midnight where needed; NaN where one is missing."""
    if not earlier or not later:
        return math.nan
    clock = [int(text[:2]) * 3600 + int(text[2:4]) * 60 + float(text[4:] or 0) for text in (str(earlier), str(later))]
    return (clock[1] - clock[0]) % 86400


def pet_position(position: str) -> dict[str, Any]:
    """Patient position as the codes that PET has instead of PatientPosition (PS3.3 C.8.4.6); empty where unknown."""
    gantry, posture = _GANTRY.get(position[:2]), _POSTURE.get(position[2:])
    if gantry is None or posture is None:
        return {}
    orientation = coded(_RECUMBENT) | {"PatientOrientationModifierCodeSequence": [coded(posture)]}
    return {
        "PatientOrientationCodeSequence": [orientation],
        "PatientGantryRelationshipCodeSequence": [coded(gantry)],
    }


def position_of_codes(orientation: Mapping[str, Any], gantry: Mapping[str, Any]) -> str:
    """The other way round: a PatientPosition term, or "" where the codes are others."""
    postures = orientation.get("PatientOrientationModifierCodeSequence") or [{}]
    first = next((term for term, code in _GANTRY.items() if code.value == gantry.get("CodeValue")), "")
    second = next((term for term, code in _POSTURE.items() if code.value == postures[0].get("CodeValue")), "")
    return first + second if first and second else ""


def _pt_fixed(image: Image, scale: Scale) -> dict[str, Any]:
    units = _PET_UNITS.get(image.quantity.name, image.attributes.get("Units", "NONE"))
    values = rescale(scale) | {"NumberOfSlices": image.shape[0], "Units": units, "LossyImageCompression": "00"}
    frames = [len(channel.values) for channel in image.channels if channel.name in ("time", "repetition")]
    values["SeriesType"] = ["DYNAMIC" if frames else "STATIC", "IMAGE"]
    if frames:
        values["NumberOfTimeSlices"] = frames[0]
    if image.quantity.name == "suv_body_weight":
        values["SUVType"] = "BW"
    if image.quantity.name not in _PET_UNITS:
        values["RealWorldValueMappingSequence"] = [real_world_values(image, scale)]
    return values


def _ct_whole(image: Image) -> int | None:
    return _FIRST_CT_STORED if image.quantity.name == "ct_number" else None


def _not_whole(_image: Image) -> int | None:
    return None


CLASSIC: Mapping[str, Classic] = {
    "CT": Classic(CTImageStorage, lambda image: "AXIAL", _ct_specific, _ct_fixed, _ct_whole),  # noqa: ARG005
    "MR": Classic(
        MRImageStorage, lambda image: _MAP_TYPES.get(image.quantity.name, "OTHER"), _mr_specific, _mr_fixed, _not_whole
    ),
    "PT": Classic(PositronEmissionTomographyImageStorage, lambda image: "", _pt_specific, _pt_fixed, _not_whole),  # noqa: ARG005
}
"""Modality → its single-frame storage class."""
