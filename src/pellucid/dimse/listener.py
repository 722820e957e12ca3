"""Listens for associations: one thread each, so many at a time, each served until its partner has had enough."""

from __future__ import annotations

import ipaddress
import select
import socket
import ssl
import threading
import time
from contextlib import suppress

from pynetdicom.pdu import A_ASSOCIATE_RQ

from pellucid.access import LOCAL, AuditEvent, Caller, Outcome
from pellucid.access.door import through
from pellucid.dimse import negotiation
from pellucid.dimse.association import Association
from pellucid.dimse.command_set import Operation
from pellucid.dimse.connection import Connection, Pdu
from pellucid.dimse.dispatch import serve
from pellucid.dimse.partners import both
from pellucid.dimse.problems import AssociationEndedError, NetworkError, ProtocolError
from pellucid.dimse.service import Doors, Session, log, place_of
from pellucid.errors import InvalidInputError

_REJECTED_FOR_GOOD, _REJECTED_FOR_NOW = 1, 2
_USER, _PRESENTATION = 1, 3
_NO_REASON, _APPLICATION_CONTEXT, _CALLING_TITLE, _CALLED_TITLE, _LOCAL_LIMIT = 1, 2, 3, 7, 2
_BACKLOG = 128
_FAREWELL_S = 0.5
_YIELD_S = 0.003
_GRACE_S = 5.0
_NAME, _NAME_AND_PASSWORD = 1, 2


class _RejectedError(Exception):
    """The association is refused with result, source and reason (PS3.8 table 9-21)."""


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens; several processes may accept from it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise InvalidInputError(
            f"{host}:{port} cannot be listened on ({error.strerror or error}): another server?", field="dimse port"
        ) from error
    return listener


class Listener:
    """Serves the associations of one listening socket until it is closed; `tls`: every connection is encrypted."""

    def __init__(self, doors: Doors, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        self._doors = doors
        self._socket = listener
        self._tls = tls
        self._stopping = threading.Event()
        self._alarm, self._woken = socket.socketpair()  # the second is readable once the first is closed
        self._open: dict[threading.Thread, Connection | None] = {}
        self._associations: dict[threading.Thread, Association] = {}
        self._lock = threading.Lock()
        self._acceptor = threading.Thread(target=self._accept, name="dimse listener", daemon=True)

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._socket.getsockname()[1])

    @property
    def open_associations(self) -> int:
        """How many associations are being served."""
        return len(self._associations)

    def start(self) -> Listener:
        """Begin to accept."""
        self._acceptor.start()
        return self

    def close(self) -> None:
        """Accept no more; let open associations end, and break them after a few seconds."""
        self._stopping.set()
        self._alarm.close()
        self._acceptor.join()
        self._woken.close()
        self._socket.close()
        for thread, association in list(self._associations.items()):
            if association.is_idle and (connection := self._open.get(thread)):
                connection.close()
        deadline = time.monotonic() + _GRACE_S
        for thread in list(self._open):
            thread.join(max(0.0, deadline - time.monotonic()))
        for connection in list(self._open.values()):
            if connection is not None:
                connection.close()
        for thread in list(self._open):
            thread.join(_FAREWELL_S)

    def _accept(self) -> None:
        while not self._stopping.is_set():
            if self._socket not in select.select([self._socket, self._woken], [], [])[0]:
                continue
            # Other processes accept from the same socket: whoever serves less is quicker.
            time.sleep(_YIELD_S * len(self._open))
            try:
                link, address = self._socket.accept()
            except OSError:
                continue
            thread = threading.Thread(target=self._serve, args=(link, str(address[0])), name="association", daemon=True)
            with self._lock:
                self._open[thread] = None
            thread.start()

    def _serve(self, link: socket.socket, address: str) -> None:
        thread = threading.current_thread()
        try:
            connection = self._connection(link)
            with self._lock:
                self._open[thread] = connection
            try:
                with through("dimse"):
                    self._serve_association(connection, _plain(address))
            finally:
                connection.close()
        except NetworkError as error:
            log.debug("association ended: %s", error)
        except OSError as error:
            log.info("connection refused: %s", type(error).__name__)
        except Exception as error:  # noqa: BLE001 (one association must not take the others with it)
            log.error("association broken off: %s in %s", type(error).__name__, place_of(error))
        finally:
            with self._lock:
                self._open.pop(thread, None)
                self._associations.pop(thread, None)

    def _connection(self, link: socket.socket) -> Connection:
        link.settimeout(self._doors.limits.association_request_s)
        if self._tls is not None:
            try:
                link = self._tls.wrap_socket(link, server_side=True)
            except (OSError, ssl.SSLError):
                link.close()
                raise
        return Connection(link, self._doors.limits)

    def _serve_association(self, connection: Connection, address: str) -> None:
        opened = self._establish(connection, address)
        if opened is None:
            return
        association, caller = opened
        with self._lock:
            self._associations[threading.current_thread()] = association
        session = Session(doors=self._doors, association=association, caller=caller)
        while not self._stopping.is_set():
            message = association.receive()
            if message.operation == Operation.C_CANCEL:  # of a request that has been answered meanwhile
                continue
            serve(session, message)
        association.abort()

    def _establish(self, connection: Connection, address: str) -> tuple[Association, Caller] | None:
        limits = self._doors.limits
        kind, content = connection.read(limits.association_request_s)
        if kind is not Pdu.ASSOCIATE_RQ:
            raise AssociationEndedError("the partner did not ask for an association")
        try:
            pdu = A_ASSOCIATE_RQ()
            pdu.decode(_with_header(content))
            proposal = negotiation.proposal_of(pdu)
        except Exception as error:
            _abort(connection)
            raise ProtocolError("an A-ASSOCIATE-RQ that cannot be read") from error
        try:
            caller, response = self._admit(proposal, address)
        except _RejectedError as refusal:
            connection.write(negotiation.rejecting(*refusal.args))
            connection.close_after_partner(_FAREWELL_S)
            return None
        agreed, answers = negotiation.negotiate(
            proposal, private_storage=self._doors.private_storage, by_reference=bool(self._doors.jpip)
        )
        connection.write(
            negotiation.accepting(proposal, agreed, answers, pdu_bytes=limits.pdu_bytes, server_response=response)
        )
        return Association(connection, agreed, limits, self._doors.archive.incoming), caller

    def _admit(self, proposal: negotiation.Proposal, address: str) -> tuple[Caller, bytes | None]:
        doors = self._doors
        if len(self._open) > doors.limits.associations:
            raise _RejectedError(_REJECTED_FOR_NOW, _PRESENTATION, _LOCAL_LIMIT)
        if proposal.application_context != negotiation.APPLICATION_CONTEXT:
            raise _RejectedError(_REJECTED_FOR_GOOD, _USER, _APPLICATION_CONTEXT)
        if proposal.called_title not in doors.titles:
            raise _RejectedError(_REJECTED_FOR_GOOD, _USER, _CALLED_TITLE)
        caller = doors.partners.caller(
            proposal.calling_title, proposal.called_title, address, open_to_loopback=doors.open_to_loopback
        )
        if caller is None:
            self._note_refusal(proposal.calling_title, address, "no rule lets it call")
            raise _RejectedError(_REJECTED_FOR_GOOD, _USER, _CALLING_TITLE)
        return self._identify(proposal, caller)

    def _identify(self, proposal: negotiation.Proposal, caller: Caller) -> tuple[Caller, bytes | None]:
        """The person that the requestor names (PS3.7 section D.3.3.7), where persons are known here."""
        identity, authenticate = proposal.identity, self._doors.authenticate
        if identity is None or authenticate is None or identity.user_identity_type not in (_NAME, _NAME_AND_PASSWORD):
            return caller, None
        name = (identity.primary_field or b"").decode("utf-8", "replace")
        password = (identity.secondary_field or b"").decode("utf-8", "replace")
        person = authenticate(name, password if identity.user_identity_type == _NAME_AND_PASSWORD else None)
        if person is None:
            self._note_refusal(proposal.calling_title, caller.address, "its user is unknown")
            raise _RejectedError(_REJECTED_FOR_GOOD, _USER, _NO_REASON)
        return both(caller, person), b"" if identity.positive_response_requested else None

    def _note_refusal(self, title: str, address: str, why: str) -> None:
        who = Caller(name=title, kind="ae", permissions=frozenset(), visible=LOCAL.visible, address=address)
        self._doors.audit(
            AuditEvent(
                event="Security Alert",
                action="E",
                caller=who,
                outcome=Outcome.SERIOUS_FAILURE,
                detail={"association refused": why},
            )
        )


def _with_header(content: memoryview) -> bytes:
    return b"\x01\0" + len(content).to_bytes(4, "big") + bytes(content)


def _abort(connection: Connection) -> None:
    with suppress(NetworkError):
        connection.write(b"\x07\0\0\0\0\4\0\0\x02\x06")


def _plain(address: str) -> str:
    """An address without its zone; IPv4 where it is mapped into IPv6."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)
