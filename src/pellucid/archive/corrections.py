"""Patients and studies corrected: every instance is given corrected from then on, the originals stay as received.

A correction writes each instance of the study again with the new values and an Original Attributes Sequence; what the
index named before is kept as a version, so that a correction can be taken back. Instances that come later are
corrected as they come.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from pellucid.archive import versions
from pellucid.archive.batch import Stored
from pellucid.archive.coercion import coerce, require_correctable
from pellucid.archive.inserting import recount
from pellucid.archive.levels import tag_of
from pellucid.archive.metadata import Parsed, parse
from pellucid.archive.policy_tables import CorrectionRow, InstanceVersionRow
from pellucid.archive.prepared import Prepared
from pellucid.archive.query import Query
from pellucid.archive.schema import InstanceRow, SeriesRow, StudyRow
from pellucid.errors import InvalidInputError
from pellucid.progress import Progress, no_progress

if TYPE_CHECKING:
    from pellucid.archive.archive import Archive

_CORRECTED = Prepared(
    select(CorrectionRow.id).where(
        CorrectionRow.study_instance_uid == bindparam("study"), CorrectionRow.undone == bindparam("undone")
    )
)
_OF_PATIENT = ("PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex")


@dataclass(frozen=True, kw_only=True)
class Correction:
    """One correction of one study; `undone` is empty while it holds. Corrections of one merge share `batch`."""

    id: int
    batch: str
    study_instance_uid: str
    changes: Mapping[str, str]
    previous: Mapping[str, str]
    reason: str
    made_by: str
    created: str
    undone: str


@dataclass(frozen=True, kw_only=True)
class _Corrected:
    """An instance written again from the object `given`; `content_sha256`: of the data set that was received."""

    given: str
    parsed: Parsed
    content_sha256: str


class Corrections:
    """Correct studies, merge patients, take either back."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def made(self, study_uid: str = "") -> list[Correction]:
        """All corrections, or those of a study, in the order they were made."""
        statement = select(CorrectionRow).order_by(CorrectionRow.id)
        if study_uid:
            statement = statement.where(CorrectionRow.study_instance_uid == study_uid)
        with self._archive.reading() as session:
            return [_correction(row) for row in session.scalars(statement)]

    def correct(
        self, study_uid: str, changes: Mapping[str, str], *, reason: str, made_by: str, progress: Progress = no_progress
    ) -> Correction:
        """Correct attributes of a study (keyword → value; empty: none).

        Raises `InvalidInputError` for an unknown study, or an attribute that cannot be corrected so.
        """
        return self._correct_all([study_uid], changes, reason, made_by, progress)[0]

    def merge(
        self, patient_id: str, into: str, *, reason: str, made_by: str, progress: Progress = no_progress
    ) -> list[Correction]:
        """Let all studies of one Patient ID be of another, who must have a study: name, birth date and sex too."""
        studies, target = self._of_patient(patient_id), self._of_patient(into)
        if patient_id == into:
            raise InvalidInputError("are the same patient", field="merge-patient")
        for name, found in ((patient_id, studies), (into, target)):
            if not found:
                raise InvalidInputError(f"no study has the Patient ID {name!r}", field="merge-patient")
        known = self._archive.find(Query("study", {"StudyInstanceUID": target[0]}))[0].attributes
        changes = {keyword: _text(known, keyword) for keyword in _OF_PATIENT}
        return self._correct_all(studies, changes, reason, made_by, progress)

    def undo(self, correction_id: int, *, progress: Progress = no_progress) -> list[Correction]:
        """Take a correction back, and those of the same merge; raises where a later one must be taken back first."""
        chosen = [c for c in self.made() if c.id == correction_id and not c.undone]
        if not chosen:
            raise InvalidInputError(f"there is no correction {correction_id} that holds", field="undo")
        same = [c for c in self.made() if c.batch == chosen[0].batch and not c.undone]
        for one in same:
            later = [c.id for c in self.made(one.study_instance_uid) if c.id > one.id and not c.undone]
            if later:
                raise InvalidInputError(
                    f"correction {later[-1]} of the same study is later; undo it first", field="undo"
                )
        for number, one in enumerate(same):
            progress(number / len(same), f"study {number + 1} of {len(same)}")
            self._undo(one)
        return same

    def apply_to_new(self, session: Session, stored: Sequence[Stored]) -> None:
        """Within the transaction that makes instances visible: correct those whose study has corrections."""
        studies = {one.study_instance_uid for one in stored}
        for study_uid in studies:
            if _CORRECTED.run(session.connection(), {"study": study_uid, "undone": ""}).first() is None:
                continue
            known = select(CorrectionRow).where(CorrectionRow.undone == "").order_by(CorrectionRow.id)
            rows = list(session.scalars(known.where(CorrectionRow.study_instance_uid == study_uid)))
            for row in rows:
                for one in stored:
                    if one.study_instance_uid == study_uid:
                        self._correct_instance(session, one.sop_instance_uid, row)

    # One study

    def _correct_all(
        self, studies: Sequence[str], changes: Mapping[str, str], reason: str, made_by: str, progress: Progress
    ) -> list[Correction]:
        require_correctable(changes)
        if not reason.strip():
            raise InvalidInputError("is missing; it is noted with the correction", field="--reason")
        batch, made = uuid.uuid4().hex, list[Correction]()
        for number, study_uid in enumerate(studies):
            progress(number / len(studies), f"study {number + 1} of {len(studies)}")
            row = CorrectionRow(
                batch=batch,
                study_instance_uid=study_uid,
                changes=json.dumps(dict(changes)),
                previous=json.dumps(self._previous(study_uid, changes)),
                reason=reason,
                made_by=made_by,
                created=versions.now(),
                undone="",
            )
            made.append(self._correct_study(row))
        return made

    def _correct_study(self, row: CorrectionRow) -> Correction:
        """Instances are written again before anyone must wait for the index, which then names them all at once."""
        changes, held = json.loads(row.changes), list[str]()
        named: list[str] = []
        try:
            with self._archive.reading() as session:
                there = [session.get_one(InstanceRow, uid) for uid in _instances(session, row.study_instance_uid)]
            ready = {one.sop_instance_uid: self._corrected(one, changes, held) for one in there}
            with self._archive.writing() as session:
                session.add(row)
                session.flush()
                parsed = None
                for sop_uid in _instances(session, row.study_instance_uid):
                    instance = session.get_one(InstanceRow, sop_uid)
                    one = ready.get(sop_uid)
                    if one is None or one.given != instance.object_sha256:  # it came, or changed, meanwhile
                        one = self._corrected(instance, changes, held)
                    _replace(session, one, row)
                    parsed = parsed or one.parsed
                if parsed is not None:
                    versions.set_study(session, parsed)
                correction = _correction(row)
            named = held
        finally:
            self._archive.release(held, named=named)
        return correction

    def _correct_instance(self, session: Session, sop_uid: str, row: CorrectionRow) -> None:
        """Correct an instance that is just being stored."""
        held: list[str] = []
        instance = session.get_one(InstanceRow, sop_uid, populate_existing=True)
        _replace(session, self._corrected(instance, json.loads(row.changes), held), row)
        for name in held:
            # As the writer: until this transaction ends nobody can remove what it names.
            self._archive.objects.release(name)

    def _corrected(self, instance: InstanceRow, changes: Mapping[str, str], held: list[str]) -> _Corrected:
        objects = self._archive.objects
        with TemporaryDirectory(prefix="correction-", dir=self._archive.incoming) as folder:
            file = Path(folder) / "corrected.dcm"
            with objects.open(instance.object_sha256) as source:
                coerce(source, file, changes)
            parsed = parse(file, inflated_limit=self._archive.limits.inflated_bytes)
            parsed.instance.update(object_size=file.stat().st_size, object_sha256=objects.put(file))
        held.append(parsed.instance["object_sha256"])
        content = versions.received_digest(objects, instance)
        return _Corrected(given=instance.object_sha256, parsed=parsed, content_sha256=content)

    def _undo(self, correction: Correction) -> None:
        with self._archive.writing() as session:
            known = select(InstanceVersionRow).where(InstanceVersionRow.correction == correction.id)
            gone = set()
            last = {one.sop_instance_uid: one for one in session.scalars(known.order_by(InstanceVersionRow.id))}
            for version in last.values():
                gone.add(str(session.get_one(InstanceRow, version.sop_instance_uid).object_sha256))
                versions.restore(session, version)
            recount(session.connection(), [correction.study_instance_uid])
            # Of instances that were replaced meanwhile there are earlier ones: they are history now.
            earlier = update(InstanceVersionRow).where(InstanceVersionRow.correction == correction.id)
            session.execute(earlier.values(correction=0))
            session.execute(
                update(CorrectionRow).where(CorrectionRow.id == correction.id).values(undone=versions.now())
            )
            session.expire_all()
            first = next(iter(_instances(session, correction.study_instance_uid)), None)
            if first is not None:
                row = session.get_one(InstanceRow, first)
                with TemporaryDirectory(prefix="correction-", dir=self._archive.incoming) as folder:
                    file = Path(folder) / "first.dcm"
                    file.write_bytes(self._archive.objects.get(row.object_sha256))
                    versions.set_study(session, parse(file, inflated_limit=self._archive.limits.inflated_bytes))
        self._archive.remove_unnamed(gone)

    def _previous(self, study_uid: str, changes: Mapping[str, str]) -> dict[str, str]:
        found = self._archive.find(Query("study", {"StudyInstanceUID": study_uid}))
        if not found:
            raise InvalidInputError(f"there is no study {study_uid}", field="StudyInstanceUID")
        return {keyword: _text(found[0].attributes, keyword) for keyword in changes}

    def _of_patient(self, patient_id: str) -> list[str]:
        """Their studies, the newest first."""
        newest = StudyRow.study_date.desc(), StudyRow.study_instance_uid
        statement = select(StudyRow.study_instance_uid).where(StudyRow.patient_id == patient_id).order_by(*newest)
        with self._archive.reading() as session:
            return list(session.scalars(statement))


def _replace(session: Session, one: _Corrected, row: CorrectionRow) -> None:
    versions.replace(session, one.parsed, one.content_sha256, reason=row.reason, made_by=row.made_by, correction=row.id)


def _instances(session: Session, study_uid: str) -> list[str]:
    statement = (
        select(InstanceRow.sop_instance_uid)
        .join(SeriesRow, SeriesRow.series_instance_uid == InstanceRow.series_instance_uid)
        .where(SeriesRow.study_instance_uid == study_uid)
        .order_by(InstanceRow.received, InstanceRow.sop_instance_uid)
    )
    return list(session.scalars(statement))


def _text(attributes: Mapping[str, Any], keyword: str) -> str:
    """The first value of an attribute as DICOM writes it."""
    values = attributes.get(tag_of(keyword), {}).get("Value") or [""]
    if isinstance(values[0], dict):
        groups = [values[0].get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return "\\".join(map(str, values))


def _correction(row: CorrectionRow) -> Correction:
    return Correction(
        id=row.id,
        batch=row.batch,
        study_instance_uid=row.study_instance_uid,
        changes=json.loads(row.changes),
        previous=json.loads(row.previous),
        reason=row.reason,
        made_by=row.made_by,
        created=row.created,
        undone=row.undone,
    )
