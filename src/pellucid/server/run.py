"""Run the server until it is stopped."""

from __future__ import annotations

import os
import socket
import ssl
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import uvicorn

from pellucid.access.tls import server_context
from pellucid.errors import InvalidInputError
from pellucid.server import logs
from pellucid.server.app import create_app
from pellucid.server.connections import HEAD_BYTES, BoundedConnection
from pellucid.server.dimse import dimse
from pellucid.server.entrance import require_logins, require_safe
from pellucid.server.platform import Platform
from pellucid.server.settings import Settings


def say_address(address: str) -> None:
    """Print where the server is."""
    sys.stdout.write(f"Pellucid is at {address} (Ctrl-C stops it)\n")
    sys.stdout.flush()


def serve(settings: Settings, *, platform: Platform | None = None, ready: Callable[[str], None] = say_address) -> None:
    """Serve until Ctrl-C or SIGTERM; `ready` is called with the address once the server listens.

    `platform`: one that is open already; it is closed at the end. Raises `InvalidInputError` where the server must
    not listen (elsewhere than on this machine without TLS, or without accounts) or cannot (the port is in use, the
    data folder is unusable).
    """
    require_safe(settings)
    tls = _tls(settings)
    with _listening(settings) as listener:
        opened = platform or Platform.open(settings)
        logs.configure(settings.log_format, settings.log_level)
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        address = f"{'https' if tls else 'http'}://{host}:{listener.getsockname()[1]}"
        try:
            require_logins(settings, opened.keeper)
            server = uvicorn.Server(_configured(settings, create_app(settings, platform=opened), tls))
            with dimse(settings, opened, settings.reached_at(listener.getsockname()[1])) as partner:
                ready(address + (f", DICOM {partner}" if partner else ""))
                _stopping_jobs_first(server, opened).run(sockets=[listener])
        except KeyboardInterrupt:
            return
        finally:
            opened.close()


def _configured(settings: Settings, app: Any, tls: ssl.SSLContext | None) -> Any:
    return uvicorn.Config(
        app,
        # An access log would write identifiers: they are in paths and query strings.
        access_log=False,
        server_header=False,
        log_level="warning",
        log_config=None,
        timeout_graceful_shutdown=settings.grace_seconds,
        http=BoundedConnection,
        h11_max_incomplete_event_size=HEAD_BYTES,
        limit_concurrency=settings.connections,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        ssl_context_factory=(lambda _config, _make: tls) if tls else None,
    )


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return server_context(settings.tls_certificate, settings.tls_key)


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
