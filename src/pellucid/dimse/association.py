"""An association (PS3.8): messages in both directions over accepted presentation contexts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pynetdicom.pdu import A_ABORT_RQ, A_RELEASE_RP, A_RELEASE_RQ

from pellucid.dimse import command_set
from pellucid.dimse.command_set import NO_DATA_SET, Command, CommandError, Operation
from pellucid.dimse.connection import Connection, Pdu, fragments
from pellucid.dimse.file_format import file_head
from pellucid.dimse.limits import NetworkLimits
from pellucid.dimse.messages import Context, DataSink, Message, chunks_of
from pellucid.dimse.problems import AssociationEndedError, NetworkError, ProtocolError

_UNEXPECTED, _INVALID = 2, 6
_DATA_FOLLOWS = 0x0001
_BY_PROVIDER = 2
_RELEASE_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Negotiated:
    """What both sides agreed on; `extended`: SOP Class Extended Negotiation by SOP class, as accepted.

    `partner_title`: the other side's title, whichever of the two that is.
    """

    calling_title: str
    called_title: str
    partner_title: str
    contexts: Mapping[int, Context]
    most_bytes: int
    extended: Mapping[str, bytes]


class Association:
    """An established association, used by one thread; `folder`: for instances too large to be held in memory."""

    def __init__(
        self, connection: Connection, negotiated: Negotiated, limits: NetworkLimits, folder: Path | None = None
    ) -> None:
        self.negotiated = negotiated
        self.limits = limits
        self._connection = connection
        self._folder = folder
        self._message_id = 0
        self.is_idle = False
        self._cancelled: set[int] = set()

    def receive(self, wait_s: float | None = None) -> Message:
        """The next message; raises `AssociationEndedError` where the partner releases, aborts or is silent."""
        message = _Incoming(self)
        wait = self.limits.idle_s if wait_s is None else wait_s
        self.is_idle = True
        try:
            while True:
                content = self._read(wait)
                self.is_idle = False
                for context_id, header, piece in _values(content):
                    if message.take(context_id, header, piece):
                        return message.result()
                wait = self.limits.message_s
        except (ProtocolError, CommandError) as error:
            message.discard()
            self.abort(getattr(error, "reason", _INVALID))
            raise AssociationEndedError(f"the partner broke the protocol: {error}") from error
        except AssociationEndedError:
            message.discard()
            self._connection.close()
            raise

    def send(
        self,
        context: Context,
        command: Command | bytes,
        data: bytes | Path | None = None,
        *,
        start: int = 0,
        flush: bool = True,
    ) -> None:
        """Send a message; `data`: a data set's bytes, or a file (or bytes) that hold it from `start` on.

        `command`: also as `encoded_command` made it, for messages that have the same.
        """
        most = self.negotiated.most_bytes
        encoded = memoryview(
            command if isinstance(command, bytes) else encoded_command(command, with_data=data is not None)
        )
        write, wants_more = self._connection.write, data is not None
        cut = fragments(context.id, command=True, most=most)
        write(*cut(encoded, last=True), flush=not wants_more and flush)
        if data is None:
            return
        cut = fragments(context.id, command=False, most=most)
        held: memoryview | None = None
        for chunk in chunks_of(data, start):
            if held is not None:
                for part in cut(held, last=False):
                    write(part, flush=False)
            held = chunk
        for part in cut(held if held is not None else memoryview(b""), last=True):
            write(part, flush=False)
        if flush:
            self._connection.flush()

    def request(
        self, context: Context, command: Command, data: bytes | Path | None = None, *, start: int = 0
    ) -> Message:
        """Send a request and wait for its (first) answer."""
        number = self.next_message_id()
        self.send(context, {**command, "MessageID": number}, data, start=start)
        return self.response(number)

    def response(self, message_id: int) -> Message:
        """The next message, which must answer the request `message_id`."""
        message = self.receive()
        while message.operation == Operation.C_CANCEL:
            self._cancelled.add(message.command.get("MessageIDBeingRespondedTo", 0))
            message = self.receive(self.limits.message_s)
        if not message.is_response or message.command.get("MessageIDBeingRespondedTo") != message_id:
            self.abort(_UNEXPECTED)
            raise AssociationEndedError("the partner answered a question that was not asked")
        return message

    def next_message_id(self) -> int:
        """A number that no open request has."""
        self._message_id = self._message_id % 0xFFFF + 1
        return self._message_id

    def is_cancelled(self, message_id: int) -> bool:
        """Whether a C-CANCEL for this request came; never waits."""
        if message_id in self._cancelled:
            return True
        if not self._connection.has_input():
            return False
        message = self.receive(self.limits.message_s)
        if message.operation != Operation.C_CANCEL:
            message.discard()
            self.abort(_UNEXPECTED)
            raise AssociationEndedError("the partner sent a request before the last was answered")
        return message.command.get("MessageIDBeingRespondedTo") == message_id

    def flush(self) -> None:
        """Send what was kept back."""
        self._connection.flush()

    def release(self) -> None:
        """End the association in good order (PS3.8 section 7.2); silent where it has ended already."""
        if self._connection.closed:
            return
        try:
            self._connection.write(A_RELEASE_RQ().encode())
            while True:
                kind, _ = self._connection.read(_RELEASE_S)
                if kind is Pdu.RELEASE_RQ:  # both at once (PS3.8 section 7.2.2.7)
                    self._connection.write(A_RELEASE_RP().encode())
                elif kind is not Pdu.DATA:
                    break
        except NetworkError:
            pass
        self._connection.close()

    def abort(self, reason: int | None = None) -> None:
        """End it at once; with a `reason`, as the provider who saw the protocol broken."""
        if self._connection.closed:
            return
        pdu = A_ABORT_RQ()
        pdu.source = 0 if reason is None else _BY_PROVIDER
        pdu.reason_diagnostic = reason or 0
        with suppress(NetworkError):
            self._connection.write(pdu.encode())
        self._connection.close()

    def sink(self, context: Context, command: Command) -> DataSink:
        """Where the data set after this command goes."""
        limits = self.limits
        if command["CommandField"] != Operation.C_STORE:
            return DataSink(memory_bytes=limits.identifier_bytes, largest=limits.identifier_bytes)
        head = file_head(
            sop_class_uid=command.get("AffectedSOPClassUID", ""),
            sop_instance_uid=command.get("AffectedSOPInstanceUID", ""),
            transfer_syntax=context.transfer_syntax,
            source_title=self.negotiated.partner_title,
        )
        return DataSink(
            head=head,
            memory_bytes=limits.memory_bytes,
            largest=limits.instance_bytes + len(head),
            folder=self._folder,
        )

    def _read(self, wait_s: float) -> memoryview:
        kind, content = self._connection.read(wait_s)
        if kind is Pdu.DATA:
            return content
        if kind is Pdu.RELEASE_RQ:
            self._connection.write(A_RELEASE_RP().encode())
            self._connection.close_after_partner(_RELEASE_S)
            raise AssociationEndedError("the partner released the association")
        if kind is Pdu.ABORT:
            raise AssociationEndedError("the partner aborted the association")
        raise ProtocolError(f"an unexpected PDU ({kind.name})", _UNEXPECTED)


def encoded_command(command: Command, *, with_data: bool) -> bytes:
    """The bytes of a command set; `with_data`: a data set follows."""
    return command_set.encode({**command, "CommandDataSetType": _DATA_FOLLOWS if with_data else NO_DATA_SET})


class _Incoming:
    """A message on its way in."""

    def __init__(self, association: Association) -> None:
        self._association = association
        self._context: Context | None = None
        self._encoded = bytearray()
        self._command: Command | None = None
        self._sink: DataSink | None = None

    def take(self, context_id: int, header: int, piece: memoryview) -> bool:
        """Take one fragment; whether the message is complete."""
        if self._context is None:
            self._context = self._association.negotiated.contexts.get(context_id)
        if self._context is None or self._context.id != context_id:
            raise ProtocolError("a fragment in a presentation context that was not accepted, or another one", _INVALID)
        is_command, is_last = bool(header & 1), bool(header & 2)
        if is_command != (self._command is None):
            raise ProtocolError("a fragment of a command within a data set, or the reverse", _INVALID)
        if is_command:
            return self._take_command(piece) if not is_last else self._end_command(piece)
        assert self._sink is not None
        self._sink.write(piece)
        return is_last

    def result(self) -> Message:
        """The complete message."""
        assert self._context is not None
        assert self._command is not None
        message = Message(context=self._context, command=self._command)
        if self._sink is not None:
            message.too_large = self._sink.too_large
            message.data = b"" if self._sink.too_large else self._sink.result()
        return message

    def discard(self) -> None:
        """Forget what came."""
        if self._sink is not None:
            self._sink.discard()

    def _take_command(self, piece: memoryview) -> bool:
        if len(self._encoded) + len(piece) > self._association.limits.command_bytes:
            raise ProtocolError("a command set that is too long", _INVALID)
        self._encoded += piece
        return False

    def _end_command(self, piece: memoryview) -> bool:
        self._take_command(piece)
        self._command = command_set.decode(bytes(self._encoded))
        if self._command["CommandDataSetType"] == NO_DATA_SET:
            return True
        assert self._context is not None
        self._sink = self._association.sink(self._context, self._command)
        return False


def _values(content: memoryview) -> list[tuple[int, int, memoryview]]:
    """Presentation data values of a P-DATA-TF PDU: context, message control header, fragment (PS3.8 9.3.5)."""
    found, position = [], 0
    while position < len(content):
        size = int.from_bytes(content[position : position + 4], "big")
        end = position + 4 + size
        if size < 2 or end > len(content):
            raise ProtocolError("a presentation data value that is longer than its PDU, or empty", _INVALID)
        found.append((content[position + 4], content[position + 5], content[position + 6 : end]))
        position = end
    return found


Handler = Callable[[Association, Message], None]
"""Serves one request, answers included."""
