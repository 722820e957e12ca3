"""The modules that all our images share: patient, study, series, equipment, general image, pixel, units."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from pydicom.uid import RE_VALID_UID
from pydicom.valuerep import format_number_as_ds

from pellucid.dicom.planes import Planes
from pellucid.dicom.quantise import HIGHEST, LOWEST, Scale
from pellucid.image import Image, Provenance
from pellucid.modality import software
from pellucid.units import Code

NOTICE = "Not for diagnostic use."
SERIAL_NUMBER = "0"
"""A program has no serial number; the attribute must have a value where it is mandatory."""

_OWNED = """
    AccessionNumber BitsAllocated BitsStored Columns ContributingEquipmentSequence DerivationDescription
    DigitalSignaturesSequence DimensionIndexSequence DimensionOrganizationSequence EncryptedAttributesSequence
    FrameOfReferenceUID HL7StructuredDocumentReferenceSequence HighBit IconImageSequence ImageIndex
    ImageOrientationPatient ImagePositionPatient InstanceCreationDate InstanceCreationTime InstanceCreatorUID
    InstanceNumber InstitutionName LargestImagePixelValue LossyImageCompression LossyImageCompressionMethod
    LossyImageCompressionRatio MACParametersSequence Modality NumberOfFrames NumberOfSlices
    OriginalAttributesSequence PatientBirthDate PatientGantryRelationshipCodeSequence PatientID PatientName
    PatientOrientationCodeSequence PatientPosition PatientSex PatientSize PatientWeight
    PerFrameFunctionalGroupsSequence PhotometricInterpretation PixelData PixelPaddingRangeLimit
    PixelPaddingValue PixelRepresentation PixelSpacing RealWorldValueMappingSequence ReferencedImageSequence
    ReferencedInstanceSequence ReferencedPerformedProcedureStepSequence ReferencedSeriesSequence
    ReferencedStudySequence ReferringPhysicianName RescaleIntercept RescaleSlope Rows SOPClassUID SOPInstanceUID
    SamplesPerPixel SeriesDescription SeriesInstanceUID SeriesNumber SharedFunctionalGroupsSequence
    SliceLocation SliceProgressionDirection SmallestImagePixelValue SourceImageSequence SpacingBetweenSlices
    SpecificCharacterSet StudiesContainingOtherReferencedInstancesSequence StudyDate StudyDescription StudyID
    StudyInstanceUID StudyTime
"""
_UNPAIRED = frozenset(
    """ABDOMEN ABDOMENPELVIS AORTA BLADDER BRAIN CERVIX CHEST CHESTABDOMEN CHESTABDPELVIS COCCYX COLON CSPINE ESOPHAGUS
    FACE GALLBLADDER HEAD HEADNECK HEART LIVER LSPINE LSSPINE MEDIASTINUM MOUTH NECK NECKCHEST NOSE PANCREAS PELVIS
    PROSTATE RECTUM SACRUM SKULL SPINE SPLEEN SSPINE STERNUM STOMACH TLSPINE TSPINE UTERUS WHOLEBODY""".split()  # noqa: SIM905
)
"""Body parts (PS3.16 annex L) that a body has once."""

OWNED = frozenset(_OWNED.split())
"""Keywords that the writer takes from the image itself (its study, grid, voxels, provenance) or cannot keep true."""


def derived_uid(*parts: object) -> str:
    """The same UID for the same parts (UUID version 5 under 2.25)."""
    return f"2.25.{uuid5(NAMESPACE_OID, '/'.join(str(part) for part in parts)).int}"


def common(image: Image, *, series_uid: str, series_number: int, created: datetime) -> dict[str, Any]:
    """Patient, study, series, frame of reference and SOP common attributes."""
    study = image.study
    date, time = created.strftime("%Y%m%d"), created.strftime("%H%M%S")
    values = {
        "SpecificCharacterSet": "ISO_IR 192",
        "InstanceCreationDate": date,
        "InstanceCreationTime": time,
        "PatientName": study.patient_name,
        "PatientID": study.patient_id[:64],
        "PatientBirthDate": study.patient_birth_date,
        "PatientSex": study.patient_sex,
        "StudyInstanceUID": valid_uid(study.study_instance_uid),
        "StudyDate": study.study_date,
        "StudyTime": study.study_time,
        "StudyID": study.study_id[:16],
        "AccessionNumber": study.accession_number[:16],
        "ReferringPhysicianName": study.referring_physician_name,
        "Modality": image.modality,
        "SeriesInstanceUID": series_uid,
        "SeriesNumber": series_number,
        "FrameOfReferenceUID": valid_uid(study.frame_of_reference_uid),
        "ContentDate": date,
        "ContentTime": time,
        "ImageComments": NOTICE,
        "DerivationDescription": _derivation(image.provenance)[:1024],
        "ContributingEquipmentSequence": [_contribution(image.provenance, created)],
    }
    optional = {
        "PatientWeight": study.patient_weight_kg,
        "PatientSize": study.patient_height_m,
        "StudyDescription": study.study_description[:64],
        "InstitutionName": study.institution_name[:64],
        "SeriesDescription": image.description[:64],
    }
    values |= {keyword: value for keyword, value in optional.items() if value}
    return values | equipment(image.attributes) | _laterality(image.attributes)


def valid_uid(given: str) -> str:
    """`given`, or where it is no UID (as some de-identified files have them) one that follows from it."""
    return given if is_uid(given) else derived_uid("replaced", given)


def is_uid(text: str) -> bool:
    """Whether `text` is a UID (PS3.5 section 9.1)."""
    return len(text) <= 64 and re.fullmatch(RE_VALID_UID, text) is not None


def _laterality(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Laterality (PS3.3 C.7.3.1): absent where the body part is unpaired, empty where it is paired or not known."""
    if attributes.get("Laterality") or attributes.get("AnatomicRegionSequence"):
        return {}
    return {} if str(attributes.get("BodyPartExamined", "")).upper() in _UNPAIRED else {"Laterality": None}


def equipment(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """General Equipment (PS3.3 C.7.5.1): the scanner where the attributes name it, else this program."""
    if attributes.get("Manufacturer"):
        return {}
    return {
        "Manufacturer": "Pellucid",
        "ManufacturerModelName": "Pellucid",
        "SoftwareVersions": _version(software()),
        "DeviceSerialNumber": SERIAL_NUMBER,
    }


def _contribution(provenance: Provenance, created: datetime) -> dict[str, Any]:
    return {
        "PurposeOfReferenceCodeSequence": [coded(Code("109102", "DCM", "Processing Equipment"))],
        "Manufacturer": "Pellucid",
        "ManufacturerModelName": "Pellucid",
        "SoftwareVersions": _version(provenance.software or software()),
        "ContributionDateTime": created.strftime("%Y%m%d%H%M%S"),
        "ContributionDescription": _derivation(provenance)[:1024],
    }


def _version(program: str) -> str:
    return program.removeprefix("Pellucid ")[:64]


def _derivation(provenance: Provenance) -> str:
    """What made the image, on one line: operation, method and its parameters, then what came before."""
    parameters = ", ".join(f"{name}={value}" for name, value in provenance.parameters.items())
    own = " ".join(part for part in (provenance.operation, provenance.method) if part)
    own += f" ({parameters})" if parameters else ""
    before = [_derivation(parent) for parent in provenance.parents if parent.operation != "unknown"]
    return " <- ".join([own, *before])


def coded(code: Code) -> dict[str, str]:
    """An item of a code sequence (PS3.3 section 8.8)."""
    return {"CodeValue": code.value, "CodingSchemeDesignator": code.scheme, "CodeMeaning": code.meaning}


def plane_module(planes: Planes, thickness_mm: float) -> dict[str, Any]:
    """Image Plane (PS3.3 C.7.6.2), less the position of each slice."""
    return {
        "PixelSpacing": list(planes.pixel_spacing),
        "ImageOrientationPatient": planes.orientation.tolist(),
        "SliceThickness": thickness_mm,
        "SpacingBetweenSlices": planes.slice_spacing,
    }


def pixel_module(rows: int, columns: int) -> dict[str, Any]:
    """Image Pixel (PS3.3 C.7.6.3) of 16-bit signed integers."""
    return {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 1,
    }


def rescale(scale: Scale) -> dict[str, Any]:
    """Slope and intercept as decimal strings."""
    return {"RescaleIntercept": format_number_as_ds(scale.intercept), "RescaleSlope": format_number_as_ds(scale.slope)}


def real_world_values(image: Image, scale: Scale | None) -> dict[str, Any]:
    """One Real World Value Mapping item (PS3.3 C.7.6.16.2.11): quantity, unit and, of integers, the scale."""
    quantity = image.quantity
    item: dict[str, Any] = {
        "LUTExplanation": quantity.meaning[:64],
        "LUTLabel": quantity.name[:16],
        "MeasurementUnitsCodeSequence": [coded(quantity.unit_code)],
    }
    if quantity.code is not None:
        item["QuantityDefinitionSequence"] = [
            {
                "ValueType": "CODE",
                "ConceptNameCodeSequence": [coded(Code("246205007", "SCT", "Quantity"))],
                "ConceptCodeSequence": [coded(quantity.code)],
            }
        ]
    if scale is None:
        largest = float(abs(image.array).max())
        return item | {
            "DoubleFloatRealWorldValueFirstValueMapped": -largest,
            "DoubleFloatRealWorldValueLastValueMapped": largest,
            "RealWorldValueIntercept": 0.0,
            "RealWorldValueSlope": 1.0,
        }
    return item | {
        "RealWorldValueFirstValueMapped": LOWEST,
        "RealWorldValueLastValueMapped": HIGHEST,
        "RealWorldValueIntercept": scale.intercept,
        "RealWorldValueSlope": scale.slope,
    }
