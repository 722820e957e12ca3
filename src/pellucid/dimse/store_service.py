"""C-STORE as a provider (PS3.4 annex B): received bytes go into the archive as they are, then the answer goes out."""

from __future__ import annotations

from pellucid.access import Permission
from pellucid.archive import FailureReason, Sender, Stored, StoreRefusedError
from pellucid.dimse.messages import Message
from pellucid.dimse.service import SUCCESS, Session

_OUT_OF_RESOURCES = 0xA700
_MISMATCH = FailureReason.DATA_SET_MISMATCH


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
        # Of a person at an application the title is what comes after the @.
        sender = Sender(title=session.caller.name.rpartition("@")[2], visible=session.caller.visible)
        with session.doors.archive.batch(sender) as batch:
            stored = batch.store(message.data)
            _require_announced(message, stored)
    except StoreRefusedError as error:
        session.answer(message, int(error.reason), str(error))
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
