"""Storage commitment (PS3.4 annex J): what was asked for, what the archive can say, and the report of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select

from pellucid.access import Permission
from pellucid.archive import Archive, ObjectDamagedError, Query, View
from pellucid.archive.levels import tag_of
from pellucid.dimse.association import Association
from pellucid.dimse.command_set import Operation
from pellucid.dimse.data_set import Attributes, decode, encode, text
from pellucid.dimse.deliveries import enqueue
from pellucid.dimse.messages import Context, Message
from pellucid.dimse.problems import NetworkError
from pellucid.dimse.service import (
    INVALID_ARGUMENT,
    NO_SUCH_ACTION,
    NO_SUCH_INSTANCE,
    PROCESSING_FAILURE,
    SUCCESS,
    Session,
)
from pellucid.dimse.services import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
from pellucid.dimse.tables import CommitmentRow
from pellucid.errors import InvalidInputError

_REQUEST, _ALL_COMMITTED, _SOME_FAILED = 1, 1, 2
_CLASS_CONFLICT = 0x0119
_TRANSACTION, _REFERENCES, _FAILURES = (
    tag_of("TransactionUID"),
    tag_of("ReferencedSOPSequence"),
    tag_of("FailedSOPSequence"),
)
_CLASS, _INSTANCE, _REASON = (
    tag_of("ReferencedSOPClassUID"),
    tag_of("ReferencedSOPInstanceUID"),
    tag_of("FailureReason"),
)

Reference = tuple[str, str]
"""SOP class and SOP instance."""


@dataclass(frozen=True, kw_only=True)
class Commitment:
    """One that this side asked for: `state` is "asked", "committed" or "failed"; `failed`: instance → reason."""

    transaction_uid: str
    partner: str
    state: str
    requested: Sequence[str]
    failed: Mapping[str, int]


# As a provider


def serve_action(session: Session, message: Message) -> None:
    """N-ACTION: take the request; the report follows over a new association where the partner's address is known."""
    if not session.allowed(message, Permission.STORE):
        return
    if message.command.get("ActionTypeID") != _REQUEST:
        session.answer(message, NO_SUCH_ACTION)
        return
    if message.command.get("RequestedSOPInstanceUID") != STORAGE_COMMITMENT_INSTANCE:
        session.answer(message, NO_SUCH_INSTANCE)
        return
    try:
        transaction, references = _request(session, message)
    except InvalidInputError as error:
        session.answer(message, INVALID_ARGUMENT, str(error))
        return
    partner = session.association.negotiated.calling_title
    payload = {"transaction": transaction, "references": references, "projects": _scope(session)}
    if session.doors.partners.destination(partner) is None:
        session.answer(message, SUCCESS, ActionTypeID=_REQUEST)
        report(session.association, message.context, transaction, check(session.view, references))
        return
    with session.doors.archive.writing() as writing:
        enqueue(writing, "commit", f"ae:{partner}", transaction, payload)
    session.answer(message, SUCCESS, ActionTypeID=_REQUEST)


def check(view: View, references: Iterable[Reference]) -> list[tuple[Reference, int]]:
    """Each reference with 0, or why the archive does not answer for it. The bytes are read again."""
    results = []
    for sop_class, sop_instance in references:
        results.append(((sop_class, sop_instance), _check(view, sop_class, sop_instance)))
    return results


def report(
    association: Association, context: Context, transaction: str, results: Sequence[tuple[Reference, int]]
) -> None:
    """N-EVENT-REPORT of the results; raises `NetworkError` where the partner does not take it."""
    failed = [(reference, reason) for reference, reason in results if reason]
    committed = [(reference, 0) for reference, reason in results if not reason]
    attributes: Attributes = {_TRANSACTION: {"vr": "UI", "Value": [transaction]}}
    for tag, listed in ((_REFERENCES, committed), (_FAILURES, failed)):
        if listed:
            attributes[tag] = {"vr": "SQ", "Value": [_item(*entry) for entry in listed]}
    command = {
        "CommandField": Operation.N_EVENT_REPORT,
        "AffectedSOPClassUID": STORAGE_COMMITMENT,
        "AffectedSOPInstanceUID": STORAGE_COMMITMENT_INSTANCE,
        "EventTypeID": _SOME_FAILED if failed else _ALL_COMMITTED,
    }
    answer = association.request(context, command, encode(attributes, context.transfer_syntax))
    if answer.command.get("Status") != SUCCESS:
        raise NetworkError(f"the report was answered with status {answer.command.get('Status', 0):04X}")


# As a user


def ask(
    archive: Archive, association: Association, context: Context, transaction: str, references: Sequence[Reference]
) -> None:
    """N-ACTION: ask the partner to answer for instances, and remember that."""
    partner = association.negotiated.called_title
    row = CommitmentRow(
        transaction_uid=transaction,
        partner=partner,
        state="asked",
        requested=json.dumps([instance for _, instance in references]),
        failed="{}",
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    with archive.writing() as session:
        session.add(row)
    status = send_request(association, context, transaction, references)
    if status != SUCCESS:
        _settle(archive, partner, transaction, {instance: status for _, instance in references})
        raise NetworkError(f"{partner} refused the request for storage commitment with status {status:04X}")


def send_request(association: Association, context: Context, transaction: str, references: Sequence[Reference]) -> int:
    """The N-ACTION itself; its status."""
    attributes = {
        _TRANSACTION: {"vr": "UI", "Value": [transaction]},
        _REFERENCES: {"vr": "SQ", "Value": [_item(reference, 0) for reference in references]},
    }
    command = {
        "CommandField": Operation.N_ACTION,
        "RequestedSOPClassUID": STORAGE_COMMITMENT,
        "RequestedSOPInstanceUID": STORAGE_COMMITMENT_INSTANCE,
        "ActionTypeID": _REQUEST,
    }
    answer = association.request(context, command, encode(attributes, context.transfer_syntax))
    return int(answer.command.get("Status", PROCESSING_FAILURE))


def serve_report(session: Session, message: Message) -> None:
    """N-EVENT-REPORT: a partner tells what it answers for."""
    try:
        transaction, failed = read_report(message, session.association.limits.nesting)
    except InvalidInputError as error:
        session.answer(message, INVALID_ARGUMENT, str(error))
        return
    partner = session.association.negotiated.calling_title
    known = _settle(session.doors.archive, partner, transaction, failed)
    session.answer(message, SUCCESS if known else PROCESSING_FAILURE, "" if known else "unknown transaction")


def read_report(message: Message, nesting: int) -> tuple[str, dict[str, int]]:
    """A report's transaction, and what failed for which reason."""
    assert isinstance(message.data, bytes)
    attributes = decode(message.data, message.context.transfer_syntax, nesting=nesting)
    failures = attributes.get(_FAILURES, {}).get("Value") or []
    reasons = {text(item, _INSTANCE): int(text(item, _REASON) or PROCESSING_FAILURE) for item in failures}
    return text(attributes, _TRANSACTION), reasons


def commitments(archive: Archive) -> list[Commitment]:
    """All that were asked for, the newest first."""
    with archive.reading() as session:
        rows = session.scalars(select(CommitmentRow).order_by(CommitmentRow.created.desc()))
        return [
            Commitment(
                transaction_uid=row.transaction_uid,
                partner=row.partner,
                state=row.state,
                requested=json.loads(row.requested),
                failed=json.loads(row.failed),
            )
            for row in rows
        ]


def _settle(archive: Archive, partner: str, transaction: str, failed: Mapping[str, int]) -> bool:
    with archive.writing() as session:
        row = session.get(CommitmentRow, transaction)
        if row is None or row.partner != partner:
            return False
        row.state = "failed" if failed else "committed"
        row.failed = json.dumps(dict(failed))
        return True


def _request(session: Session, message: Message) -> tuple[str, list[Reference]]:
    assert isinstance(message.data, bytes)
    attributes = decode(message.data, message.context.transfer_syntax, nesting=session.association.limits.nesting)
    items: list[Any] = attributes.get(_REFERENCES, {}).get("Value") or []
    references = [(text(item or {}, _CLASS), text(item or {}, _INSTANCE)) for item in items]
    transaction = text(attributes, _TRANSACTION)
    if not transaction or not references or not all(uid for pair in references for uid in pair):
        raise InvalidInputError("needs a TransactionUID and references of class and instance")
    return transaction, references


def _check(view: View, sop_class: str, sop_instance: str) -> int:
    try:
        matches = view.find(Query("instance", {"SOPInstanceUID": sop_instance}))
        if not matches:
            return NO_SUCH_INSTANCE
        found = matches[0]
        record = view.instances(found.study_instance_uid, found.series_instance_uid, sop_instance)[0]
        if record.sop_class_uid != sop_class:
            return _CLASS_CONFLICT
        view.objects.check(record.object_sha256)
    except (InvalidInputError, IndexError):
        return NO_SUCH_INSTANCE
    except ObjectDamagedError:
        return PROCESSING_FAILURE
    return 0


def _item(reference: Reference, reason: int) -> Attributes:
    item: Attributes = {_CLASS: {"vr": "UI", "Value": [reference[0]]}, _INSTANCE: {"vr": "UI", "Value": [reference[1]]}}
    if reason:
        item[_REASON] = {"vr": "US", "Value": [reason]}
    return item


def _scope(session: Session) -> list[str] | None:
    """The projects that the caller sees; None: everything."""
    visible = session.caller.visible
    return None if visible.everything else sorted(visible.projects)
