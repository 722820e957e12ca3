"""The audit trail sent elsewhere: its messages to a syslog server (RFC 5424), and anchors of it into a file."""

from __future__ import annotations

import json
import logging
import os
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pellucid.access.audit_event import Outcome
from pellucid.access.audit_message import message_of
from pellucid.access.audit_record import AuditRecord
from pellucid.access.trail import Anchor, AuditTrail
from pellucid.errors import InvalidInputError

log = logging.getLogger("pellucid.audit")

_FACILITY = 10
"""Security and authorization messages (RFC 5424 table 1), as PS3.15 section A.6 asks."""
_MESSAGE_ID = "DICOM+RFC3881"
_LARGEST_DATAGRAM = 65_000
_CONNECT_S = 10.0
_RETRY_S = 15.0
_POLL_S = 1.0
_PORTS = {"udp": 514, "tls": 6514}


@dataclass(frozen=True, kw_only=True)
class SyslogServer:
    """Where messages go: by UDP (RFC 5426), or TLS (RFC 5425) with the authorities of `authority` (default: usual)."""

    scheme: str
    host: str
    port: int
    authority: Path | None = None

    @classmethod
    def at(cls, address: str, authority: Path | None = None) -> SyslogServer:
        """The server of an address such as tls://log.example.org:6514; raises `InvalidInputError`."""
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in _PORTS or not parts.hostname:
            raise InvalidInputError(
                f"is {address!r}; expected udp://host:port or tls://host:port", field="audit_syslog"
            )
        return cls(scheme=parts.scheme, host=parts.hostname, port=port or _PORTS[parts.scheme], authority=authority)


def syslog_line(record: AuditRecord, *, source: str, host: str) -> bytes:
    """A record as a message of RFC 5424 section 6; warnings are of severity 4, all else of 5."""
    severity = 5 if record.outcome == Outcome.SUCCESS else 4
    header = f"<{_FACILITY * 8 + severity}>1 {record.time} {host} {source} {os.getpid()} {_MESSAGE_ID} - "
    return header.encode("ascii", "replace") + b"\xef\xbb\xbf" + message_of(record, source=source)


class SyslogForwarder:
    """Sends every record in its order, again where it could not be sent; `cursor` keeps how far it got."""

    def __init__(self, trail: AuditTrail, server: SyslogServer, *, source: str, cursor: Path) -> None:
        self._trail = trail
        self._server = server
        self._source = source
        self._cursor = cursor
        self._socket: socket.socket | None = None

    def run(self, stopping: threading.Event) -> None:
        """Until told to stop."""
        wait = _POLL_S
        while not stopping.wait(wait):
            try:
                while self.forward():
                    pass
                wait = _POLL_S
            except (OSError, ssl.SSLError) as error:
                log.warning("audit messages wait: the syslog server cannot be reached (%s)", type(error).__name__)
                self._close()
                wait = _RETRY_S
        self._close()

    def forward(self) -> int:
        """Send what came since the last time; how many records."""
        records = self._trail.after(self._position())
        for record in records:
            self._send(syslog_line(record, source=self._source, host=socket.gethostname() or "-"))
            new = self._cursor.with_suffix(".new")
            new.write_text(str(record.sequence))
            new.replace(self._cursor)
        return len(records)

    def _position(self) -> int:
        try:
            return int(self._cursor.read_text())
        except (OSError, ValueError):
            return 0

    def _send(self, line: bytes) -> None:
        if self._socket is None:
            self._socket = _connected(self._server)
        if self._server.scheme == "udp":
            self._socket.send(line[:_LARGEST_DATAGRAM])
        else:
            self._socket.sendall(b"%d %s" % (len(line), line))

    def _close(self) -> None:
        opened, self._socket = self._socket, None
        if opened is not None:
            with suppress(OSError):
                opened.close()


def _connected(server: SyslogServer) -> socket.socket:
    if server.scheme == "udp":
        family, kind, protocol, _, address = socket.getaddrinfo(server.host, server.port, type=socket.SOCK_DGRAM)[0]
        plain = socket.socket(family, kind, protocol)
        plain.connect(address)
        return plain
    context = ssl.create_default_context(cafile=str(server.authority) if server.authority else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    link = socket.create_connection((server.host, server.port), timeout=_CONNECT_S)
    try:
        return context.wrap_socket(link, server_hostname=server.host)
    except BaseException:
        link.close()
        raise


def write_anchor(file: Path, anchor: Anchor) -> None:
    """Add an anchor to a file: one line of JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as out:
        out.write(json.dumps(asdict(anchor)) + "\n")
        out.flush()
        os.fsync(out.fileno())


def read_anchors(file: Path) -> list[Anchor]:
    """The anchors of a file; raises `InvalidInputError`."""
    try:
        return [Anchor(**json.loads(line)) for line in file.read_text().splitlines() if line.strip()]
    except OSError as error:
        raise InvalidInputError(f"cannot be read ({error.strerror})", file=file) from error
    except (ValueError, TypeError) as error:
        raise InvalidInputError(
            "holds no anchors: expected lines such as `pellucid audit anchor` prints", file=file
        ) from error


class Anchoring:
    """Adds an anchor to a file every `interval_s`, where something came since."""

    def __init__(self, trail: AuditTrail, file: Path, *, interval_s: float) -> None:
        self._trail = trail
        self._file = file
        self._interval_s = interval_s
        self._last = 0

    def run(self, stopping: threading.Event) -> None:
        """Until told to stop, and once more then."""
        while not stopping.wait(self._interval_s):
            self._anchor()
        self._anchor()

    def _anchor(self) -> None:
        head = self._trail.head()
        if head.sequence != self._last:
            try:
                write_anchor(self._file, head)
                self._last = head.sequence
            except OSError as error:
                log.warning("the audit trail is not anchored: the file cannot be written (%s)", type(error).__name__)


class Background:
    """Threads that run until the server stops."""

    def __init__(self) -> None:
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, name: str, run: Callable[[threading.Event], None]) -> None:
        """Run something in a thread."""
        thread = threading.Thread(target=run, args=(self._stopping,), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Tell all to stop, and wait for them."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(_CONNECT_S)
