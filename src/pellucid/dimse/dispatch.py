"""From a request to the service that serves it."""

from __future__ import annotations

from collections.abc import Mapping

from pellucid.dimse.command_set import Operation
from pellucid.dimse.find_service import serve_find
from pellucid.dimse.messages import Message
from pellucid.dimse.retrieve_service import serve_get, serve_move
from pellucid.dimse.service import SUCCESS, UNRECOGNIZED_OPERATION, Serve, Session
from pellucid.dimse.services import FIND_CLASSES, GET_CLASSES, MOVE_CLASSES, SERVICE_CLASSES, VERIFICATION
from pellucid.dimse.store_service import serve_store


def serve(session: Session, message: Message) -> None:
    """Serve one request."""
    syntax = message.context.abstract_syntax
    service: Serve | None
    if syntax not in SERVICE_CLASSES:
        service = serve_store if message.operation == Operation.C_STORE and message.context.as_scp else None
    else:
        service = _SERVICES.get((syntax, message.operation))
    if service is None or message.is_response:
        message.discard()
        session.answer(message, UNRECOGNIZED_OPERATION, "not for this SOP class")
        return
    service(session, message)


def _echo(session: Session, message: Message) -> None:
    session.answer(message, SUCCESS)


_SERVICES: Mapping[tuple[str, int], Serve] = {
    (VERIFICATION, Operation.C_ECHO): _echo,
    **{(uid, Operation.C_FIND): serve_find for uid in FIND_CLASSES},
    **{(uid, Operation.C_MOVE): serve_move for uid in MOVE_CLASSES},
    **{(uid, Operation.C_GET): serve_get for uid in GET_CLASSES},
}
