"""Who was imaged and when: the context that every signal and image of one examination shares."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace

POSITION_ASSUMED = (
    "Position assumed: the raw data do not say how the subject lay in the scanner. Sides (left, right, front, back, "
    "head, feet) and place are not known."
)
"""What users are told of data whose position in the patient is assumed."""


def new_uid() -> str:
    """A new DICOM UID under the UUID-derived root 2.25 (DICOM PS3.5 section B.2)."""
    return f"2.25.{uuid.uuid4().int}"


@dataclass(frozen=True, kw_only=True)
class StudyContext:
    """Patient and study of an acquisition, by DICOM's meaning of each field (PS3.3 C.7.1, C.7.2).

    Dates are `YYYYMMDD`, times `HHMMSS`, empty where unknown. `patient_position` is a DICOM defined term;
    coordinates are patient-based LPS whatever the position, and all series that share `frame_of_reference_uid`
    share one coordinate system.

    `position_assumed`: nothing says how the patient or object lay, so the scanner's axes were taken for the
    patient's. Series of the same frame of reference still lie as they do to each other; no side is known.
    """

    patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    patient_weight_kg: float | None = None
    patient_height_m: float | None = None
    study_instance_uid: str = field(default_factory=new_uid)
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    study_description: str = ""
    accession_number: str = ""
    referring_physician_name: str = ""
    institution_name: str = ""
    frame_of_reference_uid: str = field(default_factory=new_uid)
    patient_position: str = "HFS"
    position_assumed: bool = False

    def with_assumed_position(self) -> StudyContext:
        """The same study where the position is assumed: no patient position, a frame of reference of its own."""
        return replace(self, patient_position="", frame_of_reference_uid=new_uid(), position_assumed=True)
