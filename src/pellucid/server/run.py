"""Run the server until it is stopped."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from pellucid.errors import InvalidInputError
from pellucid.server import logs
from pellucid.server.app import create_app
from pellucid.server.dimse import dimse
from pellucid.server.platform import Platform
from pellucid.server.security import is_loopback
from pellucid.server.settings import Settings


def say_address(address: str) -> None:
    """Print where the server is."""
    sys.stdout.write(f"Pellucid is at {address} (Ctrl-C stops it)\n")
    sys.stdout.flush()


def serve(settings: Settings, *, platform: Platform | None = None, ready: Callable[[str], None] = say_address) -> None:
    """Serve until Ctrl-C or SIGTERM; `ready` is called with the address once the server listens.

    `platform`: one that is open already; it is closed at the end. Raises `InvalidInputError` where the server must
    not listen (an address other than loopback) or cannot (the port is in use, the data folder is unusable).
    """
    if not is_loopback(settings.host):
        raise InvalidInputError(
            f"is {settings.host!r}; this version has neither TLS nor users, so it listens only on this machine: "
            "use 127.0.0.1, and a tunnel (ssh -L) from elsewhere",
            field="host",
        )
    with _listening(settings) as listener:
        opened = platform or Platform.open(settings)
        logs.configure(settings.log_format, settings.log_level)
        config = uvicorn.Config(
            create_app(settings, platform=opened),
            # An access log would write identifiers: they are in paths and query strings.
            access_log=False,
            server_header=False,
            log_level="warning",
            log_config=None,
            timeout_graceful_shutdown=settings.grace_seconds,
        )
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        try:
            with dimse(settings, opened) as partner:
                ready(f"http://{host}:{listener.getsockname()[1]}" + (f", DICOM {partner}" if partner else ""))
                _stopping_jobs_first(uvicorn.Server(config), opened).run(sockets=[listener])
        except KeyboardInterrupt:
            return
        finally:
            opened.close()


def _stopping_jobs_first(server: Any, platform: Platform) -> Any:
    """The server, ending event streams and jobs when it is told to stop, instead of waiting for them."""
    handle_exit = server.handle_exit

    def stop(signal_number: int, frame: FrameType | None) -> None:
        platform.jobs.stopping.set()
        handle_exit(signal_number, frame)

    server.handle_exit = stop
    return server


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only then; without, answers wait 40 ms for an
    # acknowledgement that the client delays.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen()
    except OSError as error:
        listener.close()
        reason = error.strerror or error
        raise InvalidInputError(
            f"{settings.host}:{settings.port} cannot be listened on ({reason}): another server?", field="port"
        ) from error
    return listener
