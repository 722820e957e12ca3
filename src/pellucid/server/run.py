"""Run the server until it is stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from pellucid.errors import InvalidInputError
from pellucid.server.app import create_app
from pellucid.server.platform import Platform
from pellucid.server.security import is_loopback
from pellucid.server.settings import Settings

_GRACE_SECONDS = 3


def serve(
    settings: Settings, *, platform: Platform | None = None, ready: Callable[[str], None] = lambda _: None
) -> None:
    """Serve until Ctrl-C or SIGTERM; `ready` is called with the address as soon as it answers.

    Raises `InvalidInputError` where it must not or cannot listen.
    """
    import uvicorn

    if not is_loopback(settings.host):
        raise InvalidInputError(
            f"is {settings.host!r}; this version has neither TLS nor users, so it listens only on this machine: "
            "use 127.0.0.1, and a tunnel (ssh -L) from elsewhere",
            field="host",
        )
    logging.getLogger("pellucid").setLevel(logging.INFO)
    app = create_app(settings, platform=platform)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        # An access log would write identifiers: they are in paths and query strings.
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    server = uvicorn.Server(config)
    threading.Thread(target=_announce, args=(server, ready), daemon=True).start()
    server.run()


def _announce(server: Any, ready: Callable[[str], None]) -> None:
    """Wait until the server listens; the port is read back because 0 asks for any free one."""
    while not server.started:
        if server.should_exit:
            return
        time.sleep(0.02)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    ready(f"http://{host}:{port}/")
