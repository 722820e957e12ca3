"""C-FIND as a provider for Patient Root and Study Root (PS3.4 annex C)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pellucid.access import Permission
from pellucid.dimse.association import encoded_command
from pellucid.dimse.data_set import Attributes, decode, encode
from pellucid.dimse.messages import Message
from pellucid.dimse.pixel_providers import with_provider_urls
from pellucid.dimse.query_keys import Keys, QueryError, keys_of
from pellucid.dimse.searching import search
from pellucid.dimse.service import CANCELLED, PENDING, PENDING_UNSUPPORTED_KEYS, SUCCESS, Session
from pellucid.errors import InvalidInputError

MISMATCH, UNABLE = 0xA900, 0xC000
_CHECK_CANCEL_EVERY = 16


def serve_find(session: Session, message: Message) -> None:
    """Answer one query."""
    if not session.allowed(message, Permission.FIND):
        return
    try:
        keys = requested_keys(session, message)
        session.note("Query", "E", detail={"level": keys.level, "keys": " ".join(sorted(keys.returned))})
        answer_all(session, message, with_provider_urls(session, search(session.view, keys), keys), keys)
    except QueryError as error:
        session.answer(message, MISMATCH, str(error))
    except InvalidInputError as error:
        session.answer(message, UNABLE, str(error))


def requested_keys(session: Session, message: Message) -> Keys:
    """The keys of a request's identifier, in the view that its SOP class and the extended negotiation allow."""
    assert isinstance(message.data, bytes)
    identifier = decode(message.data, message.context.transfer_syntax, nesting=session.association.limits.nesting)
    syntax = message.context.abstract_syntax
    extended = session.association.negotiated.extended.get(syntax, b"")
    keys = keys_of(identifier, syntax, extended)
    return replace(keys, retrieve_title=session.association.negotiated.called_title)


def answer_all(session: Session, message: Message, found: Iterator[Attributes], keys: Keys) -> None:
    """A pending response for each match, then the final one; ended where the partner cancels."""
    association, context = session.association, message.context
    pending = encoded_command(
        message.answer(PENDING_UNSUPPORTED_KEYS if keys.has_unsupported else PENDING), with_data=True
    )
    number = message.command.get("MessageID", 0)
    for count, attributes in enumerate(found):
        if count % _CHECK_CANCEL_EVERY == 0 and association.is_cancelled(number):
            session.answer(message, CANCELLED)
            return
        data = encode(keys.answer(attributes), context.transfer_syntax)
        association.send(context, pending, data, flush=False)
    session.answer(message, SUCCESS)
