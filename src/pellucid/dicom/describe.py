"""What an instance says of patient, study, quantity and acquisition, in the words of Image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import UID

from pellucid.dicom import assumed_position
from pellucid.dicom.attributes import element, plain
from pellucid.dicom.classic import CLASSIC, position_of_codes
from pellucid.dicom.frames import Frame
from pellucid.dicom.modules import NOTICE, OWNED
from pellucid.dicom.stacks import real_world_mapping
from pellucid.dicom.standard import AttributePath, Iod, iod_of
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.study import StudyContext, new_uid
from pellucid.units import QUANTITIES, Quantity, quantity

_PET_QUANTITIES = {"BQML": "activity_concentration", "CNTS": "counts", "GML": "suv_body_weight"}
_CT_QUANTITIES = {"HU": "ct_number", "": "ct_number"}
_MAPS = {"T1 MAP": "t1", "T2 MAP": "t2", "T2_STAR MAP": "t2_star"}
_NOT_COPIED = OWNED | {
    "LUTLabel", "LUTExplanation", "RealWorldValueSlope", "RealWorldValueIntercept", "VOILUTSequence",
    "ContentDate", "ContentTime", "AcquisitionDateTime", "RescaleType", "LUTFunction",
    "ModalityLUTSequence", "Units", "SUVType", "SeriesType", "NumberOfTimeSlices", "NumberOfTimeSlots",
    "NumberOfRRIntervals", "PixelPresentation", "TimezoneOffsetFromUTC", "InstanceOriginStatus",
}  # fmt: skip
"""Keywords that hold of the instance as it was stored, not of the image that is read."""

_DATE, _TIME, _CODE = r"[0-9]{8}", r"[0-9]{2,6}(\.[0-9]{1,6})?", r"[A-Z0-9 _]{1,16}"

_WINDOW = {"WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction"}
"""In MR these are in stored values."""


def study_of(dataset: Dataset) -> StudyContext:
    """Patient and study."""

    def text(keyword: str) -> str:
        return str(dataset.get(keyword) or "")

    def number(keyword: str) -> float | None:
        value = dataset.get(keyword)
        try:
            return float(value) if value else None
        except (TypeError, ValueError):
            return None

    def formed(keyword: str, pattern: str) -> str:
        return text(keyword) if re.fullmatch(pattern, text(keyword)) else ""

    return StudyContext(
        patient_id=text("PatientID"),
        patient_name=text("PatientName"),
        patient_birth_date=formed("PatientBirthDate", _DATE),
        patient_sex=formed("PatientSex", _CODE),
        patient_weight_kg=number("PatientWeight"),
        patient_height_m=number("PatientSize"),
        study_instance_uid=text("StudyInstanceUID") or new_uid(),
        study_id=text("StudyID"),
        study_date=formed("StudyDate", _DATE),
        study_time=formed("StudyTime", _TIME),
        study_description=text("StudyDescription"),
        accession_number=text("AccessionNumber"),
        referring_physician_name=text("ReferringPhysicianName"),
        institution_name=text("InstitutionName"),
        frame_of_reference_uid=text("FrameOfReferenceUID") or new_uid(),
        patient_position=formed("PatientPosition", _CODE) or _coded_position(dataset),
        position_assumed=assumed_position.is_marked(dataset),
    )


def _coded_position(dataset: Dataset) -> str:
    orientation = dataset.get("PatientOrientationCodeSequence")
    gantry = dataset.get("PatientGantryRelationshipCodeSequence")
    if not orientation or not gantry:
        return ""
    modifiers = orientation[0].get("PatientOrientationModifierCodeSequence") or []
    item = {"PatientOrientationModifierCodeSequence": [{"CodeValue": m.get("CodeValue")} for m in modifiers]}
    return position_of_codes(item, {"CodeValue": gantry[0].get("CodeValue")})


def quantity_of(frame: Frame) -> Quantity:
    """What the frame's values measure: its real-world value mapping, else its modality's units."""
    mapped = _mapped_quantity(frame)
    if mapped is not None:
        return mapped
    image_type = [str(part) for part in frame.get("FrameType") or frame.get("ImageType") or []]
    modality = str(frame.get("Modality", ""))
    if modality == "CT" and "LOCALIZER" not in image_type:
        return quantity(_CT_QUANTITIES.get(str(frame.get("RescaleType", "")), "arbitrary"))
    if modality == "PT":
        units, kind = str(frame.get("Units", "")), str(frame.get("SUVType", "BW"))
        return quantity(_PET_QUANTITIES.get(units, "arbitrary") if units != "GML" or kind == "BW" else "arbitrary")
    if modality == "MR" and not any(part.endswith("MAP") or part == "ADC" for part in image_type):
        return quantity("mr_signal")
    return quantity("arbitrary")


def _mapped_quantity(frame: Frame) -> Quantity | None:
    mapping = real_world_mapping(frame)
    if mapping is None:
        return None
    units = mapping["MeasurementUnitsCodeSequence"]
    units = getattr(units, "value", units)
    unit, meaning = str(units[0].get("CodeValue", "")), str(mapping.get("LUTExplanation", ""))
    for found in QUANTITIES.values():
        same = found.meaning[:64] == meaning or (found.code is not None and _defines(mapping, found.code.value))
        if found.unit == unit and same:
            return found
    return Quantity(meaning or "arbitrary", unit, meaning or "Arbitrary units")


def _defines(mapping: Any, code_value: str) -> bool:
    for item in mapping.get("QuantityDefinitionSequence") or []:
        for concept in item.get("ConceptCodeSequence") or []:
            if concept.get("CodeValue") == code_value:
                return True
    return False


def attributes_of(frames: Sequence[Frame]) -> dict[str, Any]:
    """Attributes that all instances share and the object written of this modality would have, by keyword.

    Functional groups shared by all frames count too, under the classic object's keywords.
    """
    first = frames[0]
    modality = str(first.get("Modality", ""))
    target = CLASSIC[modality].sop_class_uid if modality in CLASSIC else str(first.dataset.SOPClassUID)
    try:
        iod = iod_of(target)
    except UnsupportedError:
        return {}
    datasets = list({id(frame.dataset): frame.dataset for frame in frames}.values())
    kept: dict[str, Any] = {}
    not_copied = _NOT_COPIED | (_WINDOW if modality == "MR" else set())
    for keyword in sorted(word for word in iod.allowed[()] - not_copied if "PaletteColor" not in word):
        value = _allowed(keyword, _shared(keyword, frames, datasets), iod, ())
        if value is not None and value != []:
            kept[keyword] = value
    return _settled(kept)


def _settled(kept: dict[str, Any]) -> dict[str, Any]:
    """Attributes that hold of the image as it is now: no notice of ours, no tiles, no half statements."""
    comments = assumed_position.without_comment_mark(kept.pop("ImageComments", "")).removeprefix(NOTICE).strip()
    if kept.get("PositionReferenceIndicator") == assumed_position.INDICATOR:
        del kept["PositionReferenceIndicator"]
    if comments:
        kept["ImageComments"] = comments
    if "ImageType" in kept:
        kept["ImageType"] = [part for part in kept["ImageType"] if part != "MOSAIC"]
    if "DeidentificationMethod" not in kept and "DeidentificationMethodCodeSequence" not in kept:
        kept.pop("PatientIdentityRemoved", None)
    return kept


def _allowed(keyword: str, value: Any, iod: Iod, path: AttributePath) -> Any:
    """`value` as far as the object written may have it: foreign and invalid parts left out; None where nothing is."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        inner = (*path, keyword)
        items = [{k: _allowed(k, v, iod, inner) for k, v in item.items() if iod.has(k, inner)} for item in value]
        return [kept for item in items if (kept := {k: v for k, v in item.items() if v not in (None, [])})]
    try:
        element(keyword, value, iod, path)
    except InvalidInputError:
        return None
    return value


def _shared(keyword: str, frames: Sequence[Frame], datasets: Sequence[Dataset]) -> Any:
    tag = tag_for_keyword(keyword)
    if keyword in frames[0].groups:
        values = {str(frame.groups.get(keyword)) for frame in frames}
        holder = Dataset()
        if len(values) > 1 or tag is None:
            return None
        setattr(holder, keyword, frames[0].groups[keyword])
        return plain(holder[keyword])
    if tag is None or tag not in datasets[0]:
        return None
    raw = datasets[0].get_item(tag)
    if any(tag not in other or other.get_item(tag).value != raw.value for other in datasets[1:]):
        return None
    try:
        return plain(datasets[0][tag])
    except (ValueError, TypeError, RuntimeError):  # the last of an unknown value representation
        return None


def description_of(dataset: Dataset) -> str:
    """The series description, without our mark of an assumed position."""
    text = str(dataset.get("SeriesDescription") or "")
    return assumed_position.without_title_mark(text) if assumed_position.is_marked(dataset) else text


def series_title(dataset: Dataset) -> str:
    """A series in a message: number, description, class."""
    number, text = dataset.get("SeriesNumber"), str(dataset.get("SeriesDescription") or "")
    kind = UID(str(dataset.get("SOPClassUID", ""))).name
    return " ".join(
        part for part in (f"series {number}" if number is not None else "series", text, f"({kind})") if part
    )


def require_modality(dataset: Dataset, file: str) -> str:
    """Modality (type 1)."""
    modality = str(dataset.get("Modality") or "")
    if not modality:
        raise InvalidInputError("is missing", file=file, field="Modality")
    return modality
