"""The demonstration patient: who it is, with fixed identifiers so that all its images share one frame of reference."""

from __future__ import annotations

import uuid

from pellucid.study import StudyContext


def demonstration_study(part: str) -> StudyContext:
    """The fictional patient's study of one body part; the same identifiers every time."""
    return StudyContext(
        patient_id="PELLUCID-DEMO",
        patient_name="Pellucid^Demonstration",
        patient_birth_date="19700101",
        patient_sex="O",
        patient_weight_kg=70.0,
        patient_height_m=1.70,
        study_instance_uid=_uid(f"{part} study"),
        study_id=part.upper()[:16],
        study_date="20260102",
        study_time="090000",
        study_description=f"Demonstration {part} (simulated)",
        frame_of_reference_uid=_uid(f"{part} frame of reference"),
    )


def _uid(what: str) -> str:
    """A UID under 2.25 (DICOM PS3.5 section B.2) that depends on the words alone."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_URL, f'https://pellucid.invalid/demonstration/{what}').int}"


def phantom_study(name: str) -> StudyContext:
    """The study of a test object; the same identifiers every time."""
    return StudyContext(
        patient_id="PELLUCID-PHANTOM",
        patient_name="Pellucid^Phantom",
        patient_sex="O",
        patient_weight_kg=70.0,
        study_instance_uid=_uid(f"{name} study"),
        study_date="20260102",
        study_time="090000",
        study_description=f"{name} (simulated)",
        frame_of_reference_uid=_uid(f"{name} frame of reference"),
    )
