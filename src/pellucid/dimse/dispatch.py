"""From a request to the service that serves it."""

from __future__ import annotations

from collections.abc import Mapping

from pellucid.archive import ArchiveUnavailableError, FailureReason
from pellucid.dimse import commitment, normalized_service
from pellucid.dimse.command_set import Operation
from pellucid.dimse.find_service import serve_find
from pellucid.dimse.messages import Message
from pellucid.dimse.problems import NetworkError
from pellucid.dimse.retrieve_service import serve_get, serve_move
from pellucid.dimse.service import (
    PROCESSING_FAILURE,
    SUCCESS,
    UNRECOGNIZED_OPERATION,
    Serve,
    Session,
    log,
    place_of,
)
from pellucid.dimse.services import (
    AVAILABILITY_NOTIFICATION,
    FIND_CLASSES,
    GET_CLASSES,
    MODALITY_WORKLIST,
    MOVE_CLASSES,
    PROCEDURE_STEP,
    PROCEDURE_STEP_RETRIEVE,
    SERVICE_CLASSES,
    STORAGE_COMMITMENT,
    VERIFICATION,
)
from pellucid.dimse.store_service import serve_store
from pellucid.dimse.worklist_service import serve_worklist

_UNABLE = 0xC001
_QUERIES = (Operation.C_FIND, Operation.C_GET, Operation.C_MOVE)


def serve(session: Session, message: Message) -> None:
    """Serve one request."""
    syntax = message.context.abstract_syntax
    service: Serve | None
    if syntax not in SERVICE_CLASSES:
        service = serve_store if message.operation == Operation.C_STORE and message.context.as_scp else None
    else:
        service = _service(syntax, message.operation)
    if service is None or message.is_response:
        message.discard()
        session.answer(message, UNRECOGNIZED_OPERATION, "not for this SOP class")
        return
    try:
        service(session, message)
    except NetworkError:
        raise
    except ArchiveUnavailableError as error:
        message.discard()
        session.answer(message, FailureReason.OUT_OF_RESOURCES, str(error)[:64])
    except Exception as error:  # noqa: BLE001 (the partner is told, and may ask for something else)
        message.discard()
        log.error("%s failed: %s in %s", Operation(message.operation).name, type(error).__name__, place_of(error))
        session.answer(message, _UNABLE if message.operation in _QUERIES else PROCESSING_FAILURE, "failed here")


def _service(syntax: str, operation: int) -> Serve | None:
    return _SERVICES.get((syntax, Operation(operation))) if operation in set(Operation) else None


def _echo(session: Session, message: Message) -> None:
    session.answer(message, SUCCESS)


_SERVICES: Mapping[tuple[str, Operation], Serve] = {
    (VERIFICATION, Operation.C_ECHO): _echo,
    **{(uid, Operation.C_FIND): serve_find for uid in FIND_CLASSES},
    **{(uid, Operation.C_MOVE): serve_move for uid in MOVE_CLASSES},
    **{(uid, Operation.C_GET): serve_get for uid in GET_CLASSES},
    (MODALITY_WORKLIST, Operation.C_FIND): serve_worklist,
    (PROCEDURE_STEP, Operation.N_CREATE): normalized_service.serve_create,
    (PROCEDURE_STEP, Operation.N_SET): normalized_service.serve_set,
    (PROCEDURE_STEP_RETRIEVE, Operation.N_GET): normalized_service.serve_get,
    (AVAILABILITY_NOTIFICATION, Operation.N_CREATE): normalized_service.serve_create,
    (STORAGE_COMMITMENT, Operation.N_ACTION): commitment.serve_action,
    (STORAGE_COMMITMENT, Operation.N_EVENT_REPORT): commitment.serve_report,
}


def services() -> list[tuple[str, Operation]]:
    """What is served besides storage: SOP class and operation."""
    return list(_SERVICES)
