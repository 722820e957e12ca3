"""What an instance can contradict beside the UID of another."""

from __future__ import annotations

import json

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from pellucid.archive.metadata import Parsed
from pellucid.archive.policy_tables import CorrectionRow
from pellucid.archive.refusals import FailureReason, StoreRefusedError
from pellucid.archive.schema import InstanceRow, SeriesRow, StudyRow


def is_in_place(connection: Connection, parsed: Parsed) -> bool:
    """Whether the instance of this UID is of the same series and study."""
    place = (
        select(SeriesRow.series_instance_uid, SeriesRow.study_instance_uid)
        .join(InstanceRow, InstanceRow.series_instance_uid == SeriesRow.series_instance_uid)
        .where(InstanceRow.sop_instance_uid == parsed.sop_instance_uid)
    )
    found = connection.execute(place).first()
    return found is not None and tuple(found) == (parsed.series_instance_uid, parsed.study_instance_uid)


def require_same_patient(session: Session, parsed: Parsed) -> None:
    """Raises `StoreRefusedError` where the study is of another Patient ID, and was not before it was corrected."""
    known = session.scalar(select(StudyRow.patient_id).where(StudyRow.study_instance_uid == parsed.study_instance_uid))
    given = parsed.study["patient_id"]
    if known is None or known == given:
        return
    corrected = select(CorrectionRow.previous).where(
        CorrectionRow.study_instance_uid == parsed.study_instance_uid, CorrectionRow.undone == ""
    )
    if any(json.loads(previous).get("PatientID") == given for previous in session.scalars(corrected)):
        return
    raise StoreRefusedError(
        "its study is of another patient",
        FailureReason.DATA_SET_MISMATCH,
        field="PatientID",
        sop_class_uid=parsed.sop_class_uid,
        sop_instance_uid=parsed.sop_instance_uid,
    )
