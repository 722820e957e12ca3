"""The modality worklist (PS3.4 annex K): scheduled procedure steps, and what becomes of them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import select

from pellucid.archive import Archive
from pellucid.archive.levels import tag_of
from pellucid.archive.matching import condition
from pellucid.dimse.data_set import Attributes, text
from pellucid.dimse.matching import is_universal, matches
from pellucid.dimse.tables import WorklistRow
from pellucid.errors import InvalidInputError
from pellucid.study import new_uid

STEP = tag_of("ScheduledProcedureStepSequence")
STEP_ID = tag_of("ScheduledProcedureStepID")
STATUS = tag_of("ScheduledProcedureStepStatus")
_START_DATE, _MODALITY = tag_of("ScheduledProcedureStepStartDate"), tag_of("Modality")
_PATIENT_ID, _PATIENT_NAME = tag_of("PatientID"), tag_of("PatientName")
_ACCESSION, _STUDY = tag_of("AccessionNumber"), tag_of("StudyInstanceUID")
_NEEDED = {_PATIENT_ID: "PatientID", _PATIENT_NAME: "PatientName"}
_NEEDED_IN_STEP = {_MODALITY: "Modality", _START_DATE: "ScheduledProcedureStepStartDate"}
_ENDED = ("COMPLETED", "DISCONTINUED")


class Worklist:
    """The worklist in the archive's database."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def add(self, attributes: Mapping[str, Any]) -> str:
        """Schedule a procedure step, given as DICOM JSON; its id. What modalities need and may be made up, is.

        Raises `InvalidInputError` where patient, modality or date are missing.
        """
        made = {tag: value for tag, value in attributes.items() if tag[:4] != "0002"}
        steps = made.get(STEP, {}).get("Value") or []
        if len(steps) != 1:
            raise InvalidInputError(f"holds {len(steps)} steps; expected one", field="ScheduledProcedureStepSequence")
        step = dict(steps[0])
        for needed, where in ((_NEEDED, made), (_NEEDED_IN_STEP, step)):
            for tag, keyword in needed.items():
                if not text(where, tag):
                    raise InvalidInputError("is missing", field=keyword)
        if not text(made, _STUDY):
            made[_STUDY] = {"vr": "UI", "Value": [new_uid()]}
        row_id = uuid.uuid4().hex
        if not text(step, STEP_ID):
            step[STEP_ID] = {"vr": "SH", "Value": [row_id[:16].upper()]}
        step[STATUS] = {"vr": "CS", "Value": [text(step, STATUS) or "SCHEDULED"]}
        made[STEP] = {"vr": "SQ", "Value": [step]}
        self._insert(row_id, made, step)
        return row_id

    def remove(self, item_id: str) -> bool:
        """Remove an item; whether it was there."""
        with self._archive.writing() as session:
            row = session.get(WorklistRow, item_id)
            if row is not None:
                session.delete(row)
            return row is not None

    def all(self, *, ended: bool = True) -> list[tuple[str, Attributes]]:
        """Every item by its id, in the order of their dates; those that have ended too."""
        chosen = select(WorklistRow).order_by(WorklistRow.start_date, WorklistRow.id)
        if not ended:
            chosen = chosen.where(WorklistRow.status.not_in(_ENDED))
        with self._archive.reading() as session:
            return [(row.id, json.loads(row.attributes)) for row in session.scalars(chosen)]

    def find(self, keys: Attributes) -> Iterator[Attributes]:
        """What is still to be done and matches."""
        conditions = [WorklistRow.status.not_in(_ENDED)]
        step = ((keys.get(STEP, {}).get("Value") or [{}])[0]) or {}
        for where, tag, column, kind in (
            (step, _START_DATE, WorklistRow.start_date, "date"),
            (keys, _PATIENT_ID, WorklistRow.patient_id, "text"),
            (keys, _ACCESSION, WorklistRow.accession_number, "text"),
            (keys, _STUDY, WorklistRow.study_instance_uid, "uid"),
        ):
            if not is_universal(where.get(tag, {})):
                conditions.append(condition(column, kind, text(where, tag), tag))  # type: ignore[arg-type]
        chosen = select(WorklistRow.attributes).where(*conditions)
        with self._archive.reading() as session:
            found = list(session.scalars(chosen.order_by(WorklistRow.start_date, WorklistRow.id)))
        wanted = {tag: key for tag, key in keys.items() if tag not in ("00080005", "00080201")}
        return (item for item in map(json.loads, found) if matches(item, wanted))

    def set_status(self, study_uid: str, step_id: str, status: str) -> None:
        """What became of a step, as its performed procedure step tells."""
        chosen = select(WorklistRow).where(WorklistRow.study_instance_uid == study_uid)
        with self._archive.writing() as session:
            for row in session.scalars(chosen):
                attributes = json.loads(row.attributes)
                step = attributes[STEP]["Value"][0]
                if not step_id or text(step, STEP_ID) == step_id:
                    step[STATUS] = {"vr": "CS", "Value": [status]}
                    row.status, row.attributes = status, json.dumps(attributes)

    def _insert(self, row_id: str, made: Attributes, step: Attributes) -> None:
        row = WorklistRow(
            id=row_id,
            start_date=text(step, _START_DATE)[:8],
            patient_id=text(made, _PATIENT_ID),
            accession_number=text(made, _ACCESSION),
            study_instance_uid=text(made, _STUDY),
            status=text(step, STATUS),
            attributes=json.dumps(made),
        )
        with self._archive.writing() as session:
            session.add(row)
