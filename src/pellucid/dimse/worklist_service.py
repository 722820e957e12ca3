"""Modality Worklist C-FIND as a provider (PS3.4 section K.4)."""

from __future__ import annotations

from typing import Any

from pellucid.access import Permission
from pellucid.dimse.data_set import CHARACTER_SET, Attributes, decode, encode
from pellucid.dimse.find_service import UNABLE
from pellucid.dimse.messages import Message
from pellucid.dimse.service import CANCELLED, PENDING, SUCCESS, Session
from pellucid.dimse.worklist import Worklist
from pellucid.errors import InvalidInputError


def serve_worklist(session: Session, message: Message) -> None:
    """Answer one query of a modality."""
    if not session.allowed(message, Permission.FIND):
        return
    assert isinstance(message.data, bytes)
    syntax, association = message.context.transfer_syntax, session.association
    try:
        keys = decode(message.data, syntax, nesting=association.limits.nesting)
        found = list(Worklist(session.doors.archive).find(keys))
    except InvalidInputError as error:
        session.answer(message, UNABLE, str(error))
        return
    session.note("Query", "E", detail={"level": "worklist", "keys": " ".join(sorted(keys))})
    for item in found:
        if association.is_cancelled(message.command.get("MessageID", 0)):
            session.answer(message, CANCELLED)
            return
        answer = asked_for(item, keys)
        answer[CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}
        association.send(message.context, message.answer(PENDING), encode(answer, syntax), flush=False)
    session.answer(message, SUCCESS)


def asked_for(item: Attributes, keys: Attributes) -> Attributes:
    """The attributes asked for, also within sequences; a sequence asked for without an item is given whole."""
    answer: Attributes = {}
    for tag, key in keys.items():
        if tag == CHARACTER_SET:
            continue
        found: dict[str, Any] = item.get(tag) or {"vr": key["vr"]}
        inner = (key.get("Value") or [{}])[0] if key["vr"] == "SQ" else {}
        if inner and found.get("Value"):
            found = {"vr": "SQ", "Value": [asked_for(part or {}, inner) for part in found["Value"]]}
        answer[tag] = found
    return answer
