"""Procedure steps and notices of availability as a provider: N-CREATE, N-SET and N-GET (PS3.4 annexes F and R)."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session as DatabaseSession

from pellucid.access import Permission
from pellucid.archive.levels import tag_of
from pellucid.dimse.data_set import Attributes, decode, encode, text
from pellucid.dimse.messages import Message
from pellucid.dimse.service import (
    DUPLICATE_INSTANCE,
    INVALID_ATTRIBUTE,
    MAY_NO_LONGER_BE_UPDATED,
    MISSING_ATTRIBUTE,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    SUCCESS,
    Session,
)
from pellucid.dimse.services import AVAILABILITY_NOTIFICATION, PROCEDURE_STEP
from pellucid.dimse.tables import NormalizedObjectRow
from pellucid.dimse.worklist import Worklist
from pellucid.errors import InvalidInputError
from pellucid.study import new_uid

_STATUS = tag_of("PerformedProcedureStepStatus")
_SCHEDULED = tag_of("ScheduledStepAttributesSequence")
_FINAL = ("COMPLETED", "DISCONTINUED")
_NEEDED = (
    "ScheduledStepAttributesSequence",
    "PerformedProcedureStepID",
    "PerformedStationAETitle",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "PerformedProcedureStepStatus",
    "Modality",
)
_NEEDED_AT_END = ("PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime", "PerformedSeriesSequence")
_NEEDED_IN_NOTICE = ("StudyInstanceUID", "ReferencedSeriesSequence")
_NOT_CHANGED = frozenset(
    map(
        tag_of,
        (
            "ScheduledStepAttributesSequence",
            "PerformedProcedureStepID",
            "PerformedStationAETitle",
            "PatientID",
            "Modality",
        ),
    )
)
"""Not allowed in an N-SET (PS3.4 table F.7.2-1)."""


class _RefusedError(Exception):
    """The operation is refused with this status; `more`: of the response's command set."""

    def __init__(self, status: int, comment: str, **more: Any) -> None:
        super().__init__(comment)
        self.status, self.more = status, more


def serve_create(session: Session, message: Message) -> None:
    """N-CREATE of a procedure step in progress, or of a notice that instances are available."""
    if not session.allowed(message, Permission.SCHEDULE):
        return
    uid = message.command.get("AffectedSOPInstanceUID") or new_uid()
    try:
        attributes = _list(session, message)
        if message.context.abstract_syntax == PROCEDURE_STEP:
            _require(attributes, _NEEDED)
            if text(attributes, _STATUS) != "IN PROGRESS":
                raise _RefusedError(INVALID_ATTRIBUTE, "a procedure step begins IN PROGRESS")
        else:
            _require(attributes, _NEEDED_IN_NOTICE)
        _insert(session, message, uid, attributes)
    except _RefusedError as refusal:
        session.answer(message, refusal.status, str(refusal), **refusal.more)
        return
    if message.context.abstract_syntax == PROCEDURE_STEP:
        _tell_worklist(session, attributes, "STARTED")
    session.note("Procedure Record", "C", studies=_studies(attributes))
    session.answer(message, SUCCESS, AffectedSOPInstanceUID=uid)


def serve_set(session: Session, message: Message) -> None:
    """N-SET of a procedure step that has not ended."""
    if not session.allowed(message, Permission.SCHEDULE):
        return
    try:
        changes = _list(session, message)
        if forbidden := _NOT_CHANGED & changes.keys():
            raise _RefusedError(INVALID_ATTRIBUTE, f"may not be changed: {', '.join(sorted(forbidden))}")
        with session.doors.archive.writing() as writing:
            attributes = _change(writing, message, changes)
    except _RefusedError as refusal:
        session.answer(message, refusal.status, str(refusal), **refusal.more)
        return
    status = text(attributes, _STATUS)
    if status in _FINAL:
        _tell_worklist(session, attributes, status)
    session.note("Procedure Record", "U", studies=_studies(attributes))
    session.answer(message, SUCCESS)


def serve_get(session: Session, message: Message) -> None:
    """N-GET of a procedure step: the attributes asked for, or all."""
    if not session.allowed(message, Permission.FIND):
        return
    with session.doors.archive.reading() as reading:
        row = _row(reading, message)
    if row is None:
        session.answer(message, NO_SUCH_INSTANCE)
        return
    attributes = json.loads(row.attributes)
    wanted = [f"{tag:08X}" for tag in message.command.get("AttributeIdentifierList", ())]
    chosen = {tag: value for tag, value in attributes.items() if not wanted or tag in wanted}
    session.answer(message, SUCCESS, data=encode(chosen, message.context.transfer_syntax))


def _list(session: Session, message: Message) -> Attributes:
    assert isinstance(message.data, bytes)
    try:
        return decode(message.data, message.context.transfer_syntax, nesting=session.association.limits.nesting)
    except InvalidInputError as error:
        raise _RefusedError(PROCESSING_FAILURE, str(error)) from error


def _insert(session: Session, message: Message, uid: str, attributes: Attributes) -> None:
    now = _now()
    with session.doors.archive.writing() as writing:
        if writing.get(NormalizedObjectRow, uid) is not None:
            raise _RefusedError(DUPLICATE_INSTANCE, "there is one of this UID")
        writing.add(
            NormalizedObjectRow(
                sop_instance_uid=uid,
                sop_class_uid=message.context.abstract_syntax,
                status=text(attributes, _STATUS),
                made_by=session.association.negotiated.calling_title,
                attributes=json.dumps(attributes),
                created=now,
                changed=now,
            )
        )


def _change(writing: DatabaseSession, message: Message, changes: Attributes) -> Attributes:
    row = _row(writing, message)
    if row is None:
        raise _RefusedError(NO_SUCH_INSTANCE, "no such procedure step")
    if row.status in _FINAL:
        raise _RefusedError(PROCESSING_FAILURE, f"the procedure step is {row.status}", ErrorID=MAY_NO_LONGER_BE_UPDATED)
    attributes: Attributes = {**json.loads(row.attributes), **changes}
    status = text(attributes, _STATUS)
    if status not in ("IN PROGRESS", *_FINAL):
        raise _RefusedError(INVALID_ATTRIBUTE, "PerformedProcedureStepStatus is not one of those that there are")
    if status in _FINAL:
        _require(attributes, _NEEDED_AT_END)
    row.status, row.attributes, row.changed = status, json.dumps(attributes), _now()
    return attributes


def _row(session: DatabaseSession, message: Message) -> NormalizedObjectRow | None:
    row = session.get(NormalizedObjectRow, message.command.get("RequestedSOPInstanceUID", ""))
    return None if row is None or row.sop_class_uid == AVAILABILITY_NOTIFICATION else row


def _require(attributes: Attributes, keywords: tuple[str, ...]) -> None:
    missing = [keyword for keyword in keywords if not attributes.get(tag_of(keyword), {}).get("Value")]
    if missing:
        raise _RefusedError(MISSING_ATTRIBUTE, f"missing: {', '.join(missing)}")


def _tell_worklist(session: Session, attributes: Attributes, status: str) -> None:
    for step in attributes[_SCHEDULED].get("Value", ()):
        study = text(step or {}, tag_of("StudyInstanceUID"))
        if study:
            Worklist(session.doors.archive).set_status(study, text(step, tag_of("ScheduledProcedureStepID")), status)


def _studies(attributes: Attributes) -> dict[str, str]:
    patient = text(attributes, tag_of("PatientID"))
    steps = attributes.get(_SCHEDULED, {}).get("Value", ()) or [attributes]
    found = [text(step or {}, tag_of("StudyInstanceUID")) for step in steps]
    return {study: patient for study in found if study}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
