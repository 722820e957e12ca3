"""PDUs over a socket (PS3.8 section 9.3): each length is checked before its bytes are read, each wait is bounded."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from enum import IntEnum
from typing import Protocol

from pellucid.dimse.limits import NetworkLimits
from pellucid.dimse.problems import AssociationEndedError, ProtocolError

_FIRST_BUFFER = 16 << 10
_UNLIMITED_PDU = 128 << 10
_SEND_AT_ONCE = 64 << 10
_UNEXPECTED, _UNRECOGNIZED, _INVALID = 2, 1, 6


class Pdu(IntEnum):
    """PDU types."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


_SHORT = 64
"""Longest PDU of the types that hold no list (their length is 4)."""


class Connection:
    """One connection; reading and writing belong to one thread."""

    def __init__(self, link: socket.socket, limits: NetworkLimits) -> None:
        with suppress(OSError):
            # Answers are small: without this they wait for an acknowledgement that the partner delays by 40 ms.
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._link = link
        self._limits = limits
        self._buffer = bytearray(_FIRST_BUFFER)
        self._start = self._end = 0
        self._waiting: list[bytes | memoryview] = []
        self._waiting_bytes = 0
        self.closed = False

    def read(self, wait_s: float) -> tuple[Pdu, memoryview]:
        """The next PDU's type and content (valid until the next read); `wait_s`: for it to begin."""
        self._fill(6, time.monotonic() + wait_s)
        kind = self._buffer[self._start]
        length = int.from_bytes(self._buffer[self._start + 2 : self._start + 6], "big")
        if kind not in Pdu.__members__.values():
            raise ProtocolError(f"PDU of unknown type {kind:#04x}", _UNRECOGNIZED)
        most = self._most(Pdu(kind))
        if length > most:
            raise ProtocolError(f"PDU of {length} bytes; expected up to {most}", _INVALID)
        self._fill(6 + length, time.monotonic() + self._limits.message_s)
        first = self._start + 6
        self._start = first + length
        return Pdu(kind), memoryview(self._buffer)[first : first + length]

    def has_input(self) -> bool:
        """Whether something came that has not been read; never waits."""
        if self._end > self._start or (isinstance(self._link, ssl.SSLSocket) and self._link.pending()):
            return True
        try:
            return bool(select.select([self._link], [], [], 0)[0])
        except (OSError, ValueError):
            return True

    def write(self, *parts: bytes | memoryview, flush: bool = True) -> None:
        """Send bytes, or keep them until enough has come together."""
        self._waiting.extend(parts)
        self._waiting_bytes += sum(map(len, parts))
        if flush or self._waiting_bytes >= _SEND_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Send what was kept."""
        data, self._waiting, self._waiting_bytes = b"".join(self._waiting), [], 0
        try:
            self._link.settimeout(self._limits.message_s)
            self._link.sendall(data)
        except OSError as error:
            raise AssociationEndedError(f"the connection broke ({_reason(error)})") from error

    def close(self) -> None:
        """Close the connection."""
        if not self.closed:
            self.closed = True
            with suppress(OSError):
                self._link.shutdown(socket.SHUT_RDWR)
            self._link.close()

    def close_after_partner(self, wait_s: float) -> None:
        """Wait for the partner to close first, as PS3.8 asks of whoever answers last, then close."""
        with suppress(OSError, ValueError):
            self._link.settimeout(wait_s)
            self._link.shutdown(socket.SHUT_WR)
            self._link.recv(1)
        self.close()

    def _most(self, kind: Pdu) -> int:
        if kind is Pdu.DATA:
            return self._limits.pdu_bytes
        return self._limits.associate_bytes if kind in (Pdu.ASSOCIATE_RQ, Pdu.ASSOCIATE_AC) else _SHORT

    def _fill(self, need: int, deadline: float) -> None:
        """Make sure that `need` bytes from `_start` are in the buffer."""
        if self._end - self._start >= need:
            return
        if self._start:
            self._buffer[: self._end - self._start] = self._buffer[self._start : self._end]
            self._start, self._end = 0, self._end - self._start
        if need > len(self._buffer):
            larger = bytearray(need)
            larger[: self._end] = self._buffer[: self._end]
            self._buffer = larger
        view = memoryview(self._buffer)
        while self._end < need:
            self._end += self._receive(view[self._end :], deadline)

    def _receive(self, target: memoryview, deadline: float) -> int:
        left = deadline - time.monotonic()
        try:
            if left <= 0:
                raise TimeoutError
            self._link.settimeout(left)
            count = self._link.recv_into(target)
        except (OSError, ValueError) as error:
            raise AssociationEndedError(f"the connection broke ({_reason(error)})") from error
        if count == 0:
            raise AssociationEndedError("the partner closed the connection")
        return count


class Cutter(Protocol):
    """Cuts data into P-DATA-TF PDUs; `last`: nothing more comes after it."""

    def __call__(self, data: memoryview, *, last: bool) -> Iterator[bytes | memoryview]:
        """The pieces of one chunk, each after its header."""


def fragments(context_id: int, *, command: bool, most: int) -> Cutter:
    """Cuts bytes into P-DATA-TF PDUs of at most `most` bytes (0: the partner sets no limit)."""
    room = (most or _UNLIMITED_PDU) - 6

    def cut(data: memoryview, *, last: bool) -> Iterator[bytes | memoryview]:
        for start in range(0, max(len(data), 1), room):
            piece = data[start : start + room]
            is_last = last and start + room >= len(data)
            header = int(command) | (2 if is_last else 0)
            size = len(piece) + 2
            yield b"\x04\0" + (size + 4).to_bytes(4, "big") + size.to_bytes(4, "big") + bytes((context_id, header))
            yield piece

    return cut


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "nothing came in time"
    return getattr(error, "strerror", None) or type(error).__name__
