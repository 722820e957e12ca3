"""C-STORE as a provider (PS3.4 annex B): received bytes go into the archive as they are, then the answer goes out."""

from __future__ import annotations

from sqlalchemy import select

from pellucid.access import Permission
from pellucid.archive import FailureReason, Stored, StoreRefusedError
from pellucid.archive.schema import SeriesRow, StudyProjectRow, StudyRow
from pellucid.dimse.messages import Message
from pellucid.dimse.service import NOT_AUTHORIZED, SUCCESS, Session

_OUT_OF_RESOURCES = 0xA700
_MISMATCH = FailureReason.DATA_SET_MISMATCH


class _NotYoursError(Exception):
    """The study exists, and the caller may not see it."""


def serve_store(session: Session, message: Message) -> None:
    """Store one instance."""
    try:
        if not message.has_data:
            session.answer(message, FailureReason.CANNOT_UNDERSTAND, "no data set")
        elif message.too_large:
            session.answer(message, _OUT_OF_RESOURCES, "too large, or no room")
        elif session.allowed(message, Permission.STORE):
            _store(session, message)
    finally:
        message.discard()


def _store(session: Session, message: Message) -> None:
    try:
        with session.doors.archive.batch() as batch:
            stored = batch.store(message.data)
            _require_announced(message, stored)
            _require_own(session, stored)
        _join_projects(session, stored)
    except StoreRefusedError as error:
        session.answer(message, int(error.reason), str(error))
    except _NotYoursError:
        session.answer(message, NOT_AUTHORIZED, "the study is not visible to this application")
    else:
        if stored.study_instance_uid not in session.noted_studies:
            session.noted_studies.add(stored.study_instance_uid)
            session.note("DICOM Instances Transferred", "C", studies={stored.study_instance_uid: ""})
        session.answer(message, SUCCESS)


def _require_announced(message: Message, stored: Stored) -> None:
    """The command set and the data set must speak of the same instance."""
    for keyword, found in (
        ("AffectedSOPClassUID", stored.sop_class_uid),
        ("AffectedSOPInstanceUID", stored.sop_instance_uid),
    ):
        if message.command.get(keyword) != found:
            raise StoreRefusedError(
                "differs between command and data set", _MISMATCH, field=keyword.removeprefix("Affected")
            )


def _require_own(session: Session, stored: Stored) -> None:
    """Who sees only some projects adds to no study of others."""
    visible = session.caller.visible
    if visible.everything:
        return
    known = select(StudyRow.study_instance_uid).where(StudyRow.study_instance_uid == stored.study_instance_uid)
    with session.doors.archive.reading() as reading:
        if reading.scalar(known) and not reading.scalar(known.where(*visible.conditions(StudyRow.study_instance_uid))):
            raise _NotYoursError


def _join_projects(session: Session, stored: Stored) -> None:
    """A study that such a caller brings belongs to the caller's projects."""
    visible = session.caller.visible
    if visible.everything or stored.study_instance_uid in session.noted_studies:
        return
    with session.doors.archive.writing() as writing:
        if writing.scalar(
            select(SeriesRow.study_instance_uid).where(SeriesRow.study_instance_uid == stored.study_instance_uid)
        ):
            for project in visible.projects:
                writing.merge(StudyProjectRow(study_instance_uid=stored.study_instance_uid, project=project))
