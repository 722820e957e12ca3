"""The listener as a server runs it: in processes of its own that share one port and one archive, and deliveries."""

from __future__ import annotations

import ipaddress
import multiprocessing
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from pellucid.access import AuditSink
from pellucid.archive import Archive, Stored
from pellucid.dimse.delivering import Deliverer
from pellucid.dimse.limits import NetworkLimits
from pellucid.dimse.listener import Listener, listening_socket
from pellucid.dimse.partners import Partners, title_of
from pellucid.dimse.routing import route_new_instances
from pellucid.dimse.service import Authenticate, Doors, no_audit
from pellucid.dimse.tls import TlsFiles
from pellucid.errors import InvalidInputError

_START_S = 60
_STOP_S = 10
_ASSOCIATIONS, _INSTANCES, _BYTES = 0, 1, 2
"""What a process counts."""


@dataclass(frozen=True, kw_only=True)
class DimseSettings:
    """How the listener runs. `titles`: the AE titles it is called by; the first is the one it calls with.

    `processes`: 0 serves in threads of this process; more serve in processes of their own, which share the work.
    `prepare` is called at the start of each such process. `tls`: with a certificate every connection to the listener is
    encrypted; for calls its authorities are trusted, besides the system's. `jpip`: the address of the service that
    provides pixels (empty: none).
    `audit`, `authenticate` make the doors to trail and accounts from an archive, in whichever process.
    """

    host: str = "127.0.0.1"
    port: int = 11112
    titles: tuple[str, ...] = ("PELLUCID",)
    processes: int = 1
    private_storage: bool = False
    jpip: str = ""
    tls: TlsFiles = field(default_factory=TlsFiles)
    limits: NetworkLimits = field(default_factory=NetworkLimits)
    audit: Callable[[Archive], AuditSink] | None = None
    authenticate: Callable[[Archive], Authenticate] | None = None
    prepare: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        for title in self.titles:
            title_of(title)

    @property
    def is_for_this_machine(self) -> bool:
        """Whether it listens on loopback alone."""
        if self.host == "localhost":
            return True
        with suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return False

    def doors(self, archive: Archive) -> Doors:
        """What requests are served with."""
        return Doors(
            archive=archive,
            titles=self.titles,
            audit=self.audit(archive) if self.audit else no_audit,
            authenticate=self.authenticate(archive) if self.authenticate else None,
            limits=self.limits,
            private_storage=self.private_storage,
            open_to_loopback=self.is_for_this_machine,
            calling_files=self.tls,
            jpip=self.jpip,
        )


class DimseServer:
    """Serves associations from `start` until `close`."""

    def __init__(self, archive: Archive, settings: DimseSettings) -> None:
        """Listen; raises `InvalidInputError` where that must not or cannot be."""
        if not settings.is_for_this_machine and not Partners(archive).let_anyone_in():
            raise InvalidInputError(
                f"is {settings.host!r}, but no application entity may call: `pellucid ae add` names who may",
                field="dimse host",
            )
        settings.tls.for_listening()
        self._archive = archive
        self._settings = settings
        self._socket = listening_socket(settings.host, settings.port)
        self._listener: Listener | None = None
        self._processes: list[SpawnProcess] = []
        self._stopping: Event | None = None
        self._counts: list[Any] = []

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._socket.getsockname()[1])

    def start(self) -> DimseServer:
        """Begin to serve."""
        settings = self._settings
        if settings.processes == 0:
            tls = settings.tls.for_listening()
            self._listener = Listener(settings.doors(self._archive), self._socket, tls).start()
            return self
        spawning = multiprocessing.get_context("spawn")
        self._stopping = spawning.Event()
        started = []
        opened_as = {
            "limits": self._archive.limits,
            "places": self._archive.places,
            "transcoding": self._archive.transcoding,
            "policies": self._archive.policies,
        }
        for number in range(settings.processes):
            ready, count = spawning.Event(), spawning.Array("q", 3)
            process = spawning.Process(
                target=_serve_in_process,
                args=(self._archive.folder, opened_as, settings, self._socket, self._stopping, ready, count),
                name=f"pellucid dimse {number}",
                daemon=True,
            )
            process.start()
            self._processes.append(process)
            started.append(ready)
            self._counts.append(count)
        if not all(ready.wait(_START_S) for ready in started):
            self.close()
            raise InvalidInputError("the processes that serve DICOM associations did not start", field="dimse")
        return self

    def associations(self) -> int:
        """How many are open, as of the last second."""
        own = self._listener.open_associations if self._listener else 0
        return own + sum(int(count[_ASSOCIATIONS]) for count in self._counts)

    def stored(self) -> tuple[int, int]:
        """New instances, and their bytes, that the processes have stored."""
        return sum(int(count[_INSTANCES]) for count in self._counts), sum(int(count[_BYTES]) for count in self._counts)

    def close(self) -> None:
        """Let open associations end for a moment, then stop."""
        if self._listener is not None:
            self._listener.close()
        if self._stopping is not None:
            self._stopping.set()
        for process in self._processes:
            process.join(_STOP_S)
            if process.is_alive():
                process.kill()
                process.join()
        self._socket.close()


def start_deliveries(archive: Archive, settings: DimseSettings) -> Deliverer:
    """Route what is stored in this process, and deliver what is in the queue; raises where its TLS files are unfit."""
    settings.tls.for_calling()
    archive.on_store.append(route_new_instances)
    return Deliverer(settings.doors(archive)).start()


def _count(counts: Any, session: Session, stored: Sequence[Stored]) -> None:
    """Count what is stored once its transaction is."""
    instances, size = len(stored), sum(one.size for one in stored)

    def committed(_session: Session) -> None:
        with counts.get_lock():
            counts[_INSTANCES] += instances
            counts[_BYTES] += size

    event.listen(session, "after_commit", committed, once=True)


def _serve_in_process(
    folder: Path,
    opened_as: dict[str, Any],
    settings: DimseSettings,
    listening: socket.socket,
    stopping: Event,
    ready: Event,
    count: Any,
) -> None:
    # What stops a whole group (Ctrl-C, a service manager) reaches every process; the server's own tells when to stop.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    if settings.prepare is not None:
        settings.prepare()
    listening.setblocking(False)
    with ExitStack() as opened:
        archive = opened.enter_context(Archive(folder, **opened_as))
        archive.on_store.append(route_new_instances)
        archive.on_store.append(partial(_count, count))
        tls = settings.tls.for_listening()
        listener = Listener(settings.doors(archive), listening, tls).start()
        opened.callback(listener.close)
        ready.set()
        parent = multiprocessing.parent_process()
        while not stopping.wait(1.0):
            count[_ASSOCIATIONS] = listener.open_associations
            if parent is not None and not parent.is_alive():
                return
