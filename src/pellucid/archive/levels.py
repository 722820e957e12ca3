"""Which attributes belong to which level of the patient → study → series → instance tree.

Source: DICOM PS3.3 C.7.1.1 Patient, C.7.1.3 Clinical Trial Subject, C.7.2.1 General Study, C.7.2.2 Patient Study,
C.7.3.1 General Series, C.7.4.1 Frame of Reference, C.7.5.1 General Equipment, and the usual matching keys of
PS3.18 tables 10.6.1-5 and 10.6.3-3 … 10.6.3-5.
"""

from __future__ import annotations

from pydicom.datadict import tag_for_keyword

_STUDY = [
    "SpecificCharacterSet",
    "TimezoneOffsetFromUTC",
    "PatientName",
    "PatientID",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "TypeOfPatientID",
    "OtherPatientIDsSequence",
    "OtherPatientNames",
    "PatientBirthDate",
    "PatientBirthTime",
    "PatientSex",
    "EthnicGroup",
    "PatientComments",
    "PatientSpeciesDescription",
    "PatientBreedDescription",
    "ResponsiblePerson",
    "ResponsiblePersonRole",
    "ResponsibleOrganization",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "QualityControlSubject",
    "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID",
    "ClinicalTrialProtocolName",
    "ClinicalTrialSiteID",
    "ClinicalTrialSiteName",
    "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "IssuerOfAccessionNumberSequence",
    "StudyDescription",
    "ReferringPhysicianName",
    "ConsultingPhysicianName",
    "PhysiciansOfRecord",
    "NameOfPhysiciansReadingStudy",
    "RequestingService",
    "ProcedureCodeSequence",
    "ReferencedStudySequence",
    "ReasonForPerformedProcedureCodeSequence",
    "AdmittingDiagnosesDescription",
    "AdmissionID",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientBodyMassIndex",
    "Occupation",
    "AdditionalPatientHistory",
    "PregnancyStatus",
    "SmokingStatus",
    "MedicalAlerts",
    "Allergies",
    "PatientState",
]

_SERIES = [
    "Modality",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDate",
    "SeriesTime",
    "SeriesDescription",
    "SeriesDescriptionCodeSequence",
    "PerformingPhysicianName",
    "ProtocolName",
    "OperatorsName",
    "BodyPartExamined",
    "Laterality",
    "PatientPosition",
    "RequestAttributesSequence",
    "PerformedProcedureStepID",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "PerformedProcedureStepEndDate",
    "PerformedProcedureStepEndTime",
    "PerformedProcedureStepDescription",
    "PerformedProtocolCodeSequence",
    "CommentsOnThePerformedProcedureStep",
    "AnatomicalOrientationType",
    "ClinicalTrialSeriesID",
    "ClinicalTrialSeriesDescription",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "SynchronizationFrameOfReferenceUID",
    "Manufacturer",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "StationName",
    "ManufacturerModelName",
    "DeviceSerialNumber",
    "SoftwareVersions",
    "Units",
    "CorrectedImage",
    "DecayCorrection",
    "SeriesType",
]


_LONG_LINE = 1024

_INSTANCE = [
    "SOPClassUID",
    "SOPInstanceUID",
    "InstanceNumber",
    "ContentDate",
    "ContentTime",
    "AcquisitionDate",
    "AcquisitionTime",
    "AcquisitionNumber",
    "ImageType",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "AvailableTransferSyntaxUID",
]
_COUNTED = [
    "InstanceAvailability",
    "ModalitiesInStudy",
    "SOPClassesInStudy",
    "NumberOfStudyRelatedSeries",
    "NumberOfStudyRelatedInstances",
    "NumberOfSeriesRelatedInstances",
    "RetrieveURL",
]


def tag_of(keyword: str) -> str:
    """The tag of a DICOM keyword as DICOM JSON writes it, such as "00100010"."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return f"{tag:08X}"


STUDY_TAGS = frozenset(map(tag_of, _STUDY))
SERIES_TAGS = frozenset(map(tag_of, _SERIES))
SHORT_TAGS = STUDY_TAGS | SERIES_TAGS | frozenset(map(tag_of, [*_INSTANCE, *_COUNTED]))
"""What searches give unless they ask for more: never kept apart, however long."""


def is_long(line: str) -> bool:
    """Whether an attribute, a line of DICOM JSON, is kept apart from those that searches give."""
    return len(line) > _LONG_LINE and line[1:9] not in SHORT_TAGS
