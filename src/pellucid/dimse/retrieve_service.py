"""C-MOVE and C-GET as a provider (PS3.4 sections C.4.2 and C.4.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pellucid.access import Outcome, Permission
from pellucid.archive import InstanceRecord, ObjectDamagedError, View
from pellucid.dimse.association import Association
from pellucid.dimse.data_set import Attributes, decode, encode, text
from pellucid.dimse.messages import Message
from pellucid.dimse.partners import ApplicationEntity
from pellucid.dimse.problems import AssociationEndedError, NetworkError
from pellucid.dimse.query_keys import Keys, QueryError, keys_of
from pellucid.dimse.requestor import associate
from pellucid.dimse.searching import search
from pellucid.dimse.sending import contexts_needed, is_warning, send
from pellucid.dimse.service import CANCELLED, PENDING, SUCCESS, Session, log
from pellucid.errors import InvalidInputError

UNKNOWN_DESTINATION, MISMATCH, UNABLE = 0xA801, 0xA900, 0xC000
NOTHING_SENT, SOME_FAILED = 0xA702, 0xB000
_FAILED_LIST = "00080058"


def serve_get(session: Session, message: Message) -> None:
    """Send instances back over the same association."""
    records = _requested(session, message)
    if records is None:
        return
    work = _SubOperations(session, message, records)
    for record in records:
        if work.is_cancelled():
            return
        work.note(record, *_send(session, session.association, record))
        work.report()
    work.finish()


def serve_move(session: Session, message: Message) -> None:
    """Send instances to another application, which must be known here."""
    title = message.command.get("MoveDestination", "")
    destination = session.doors.partners.destination(title)
    if destination is None:
        session.answer(message, UNKNOWN_DESTINATION, "unknown move destination")
        return
    records = _requested(session, message)
    if records is None:
        return
    work = _SubOperations(session, message, records)
    originator = (session.caller.name.rpartition("@")[2], message.command.get("MessageID", 0))
    outbound = _Outbound(session, destination)
    try:
        for record in records:
            if work.is_cancelled():
                return
            work.note(record, *outbound.send(record, records, originator))
            work.report()
        work.finish()
    finally:
        outbound.close()


class _Outbound:
    """Associations to a destination, opened as they are needed; after one could not be, no other is tried."""

    def __init__(self, session: Session, destination: ApplicationEntity) -> None:
        self._session = session
        self._destination = destination
        self._association: Association | None = None
        self._groups: list[list[Any]] = []
        self._proposed: set[str] = set()
        self._unreachable = ""

    def send(
        self, record: InstanceRecord, records: list[InstanceRecord], originator: tuple[str, int]
    ) -> tuple[int, str]:
        """Send one of the records."""
        if self._unreachable:
            return NOTHING_SENT, self._unreachable
        try:
            association = self._for(record, records)
            return _send(self._session, association, record, originator)
        except NetworkError as error:
            self._unreachable = str(error)
        except InvalidInputError as error:  # its text names files here, which is not for partners
            log.error("%s cannot be called: %s", self._destination.title, error)
            self._unreachable = "no TLS to the destination"
        self.close()
        return NOTHING_SENT, self._unreachable

    def close(self) -> None:
        """Release the association."""
        if self._association is not None:
            self._association.release()
            self._association = None

    def _for(self, record: InstanceRecord, records: list[InstanceRecord]) -> Association:
        if not self._groups:
            jpip = self._session.doors.jpip
            pictures = {one.sop_class_uid for one in records if jpip and one.pixel_tag}
            self._groups = contexts_needed(records, by_reference=pictures)
        group = next(g for g in self._groups if any(w.abstract_syntax == record.sop_class_uid for w in g))
        proposed = {wanted.abstract_syntax for wanted in group}
        if self._association is None or record.sop_class_uid not in self._proposed:
            self.close()
            doors = self._session.doors
            self._association = associate(doors.peer(self._destination), group, limits=doors.limits)
            self._proposed = proposed
        return self._association


@dataclass
class _SubOperations:
    """The numbers that responses carry, and what failed."""

    session: Session
    message: Message
    records: list[InstanceRecord]
    completed: int = 0
    failed: list[str] = field(default_factory=list)
    warned: int = 0
    comment: str = ""

    def note(self, record: InstanceRecord, status: int, comment: str) -> None:
        """Count one sub-operation."""
        if status == SUCCESS:
            self.completed += 1
        elif is_warning(status):
            self.warned += 1
        else:
            self.failed.append(record.sop_instance_uid)
            self.comment = self.comment or comment

    def report(self) -> None:
        """A pending response; the last sub-operation is told by the final one."""
        if self._remaining:
            self._answer(PENDING, NumberOfRemainingSuboperations=self._remaining)

    def finish(self) -> None:
        """The final response."""
        self._note_transfer()
        if self.failed or self.warned:
            nothing = len(self.failed) == len(self.records)
            self._answer(NOTHING_SENT if nothing else SOME_FAILED, with_failed=True)
        else:
            self._answer(SUCCESS)

    def is_cancelled(self) -> bool:
        """Whether the partner cancelled; then the final response has been sent."""
        if not self.session.association.is_cancelled(self.message.command.get("MessageID", 0)):
            return False
        self._note_transfer()
        self._answer(CANCELLED, with_failed=True, NumberOfRemainingSuboperations=self._remaining)
        return True

    @property
    def _remaining(self) -> int:
        return len(self.records) - self.completed - self.warned - len(self.failed)

    def _answer(self, status: int, *, with_failed: bool = False, **more: int) -> None:
        data = None
        if with_failed:
            failed = {_FAILED_LIST: {"vr": "UI", "Value": self.failed}}
            data = encode(failed, self.message.context.transfer_syntax)
        numbers = {
            "NumberOfCompletedSuboperations": self.completed,
            "NumberOfFailedSuboperations": len(self.failed),
            "NumberOfWarningSuboperations": self.warned,
            **more,
        }
        limited = {name: min(number, 0xFFFF) for name, number in numbers.items()}
        self.session.answer(self.message, status, self.comment if with_failed else "", data, **limited)

    def _note_transfer(self) -> None:
        self.session.note(
            "DICOM Instances Transferred",
            "R",
            outcome=Outcome.MINOR_FAILURE if self.failed else Outcome.SUCCESS,
            studies={record.study_instance_uid: "" for record in self.records},
            detail={
                "instances": str(self.completed + self.warned),
                "destination": self.message.command.get("MoveDestination", self.session.caller.name),
            },
        )


def _send(
    session: Session, association: Association, record: InstanceRecord, originator: tuple[str, int] | None = None
) -> tuple[int, str]:
    try:
        content = session.doors.content(session.view, record)
        return send(association, record, content, originator=originator)
    except ObjectDamagedError as error:
        return UNABLE, str(error)
    except AssociationEndedError:
        raise
    except NetworkError as error:
        return UNABLE, str(error)


def _requested(session: Session, message: Message) -> list[InstanceRecord] | None:
    """The instances that a request names; None where it was refused, and answered so."""
    if not session.allowed(message, Permission.READ):
        return None
    assert isinstance(message.data, bytes)
    try:
        identifier = decode(message.data, message.context.transfer_syntax, nesting=session.association.limits.nesting)
        extended = session.association.negotiated.extended.get(message.context.abstract_syntax, b"")
        keys = keys_of(identifier, message.context.abstract_syntax, extended)
        return list(_records(session.view, _unique_only(identifier, keys)))
    except QueryError as error:
        session.answer(message, MISMATCH, str(error))
    except InvalidInputError as error:
        session.answer(message, UNABLE, str(error))
    return None


_UNIQUE = {"PATIENT": 0, "STUDY": 1, "SERIES": 2, "IMAGE": 3}
_KEYWORDS = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_TAGS = ("00100020", "0020000D", "0020000E", "00080018")


def _unique_only(identifier: Attributes, keys: Keys) -> Keys:
    """Only unique keys choose what is retrieved; the one of the level must be there (C.4.2.2.1)."""
    depth = _UNIQUE[keys.level]
    if not text(identifier, _TAGS[depth]).strip("*?\\"):
        raise QueryError(f"is needed for a retrieval at {keys.level} level", field=_KEYWORDS[depth])
    filters = {name: value for name, value in keys.filters.items() if name in _KEYWORDS[: depth + 1]}
    return Keys(level=keys.level, filters=filters, matched_after={}, returned={})


def _records(view: View, keys: Keys) -> Iterator[InstanceRecord]:
    found = search(view, keys) if keys.level != "PATIENT" else _studies(view, keys)
    for attributes in found:
        uids = [text(attributes, tag) or None for tag in _TAGS[1 : max(2, _UNIQUE[keys.level] + 1)]]
        yield from view.instances(str(uids[0]), *uids[1:])


def _studies(view: View, keys: Keys) -> Iterator[Attributes]:
    """The studies of the patients."""
    return search(view, Keys(level="STUDY", filters=keys.filters, matched_after={}, returned={}))
