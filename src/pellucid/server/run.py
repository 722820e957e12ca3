"""Run the server until it is stopped."""

from __future__ import annotations

import logging

from pellucid.errors import InvalidInputError
from pellucid.server.app import create_app
from pellucid.server.platform import Platform
from pellucid.server.security import is_loopback
from pellucid.server.settings import Settings

_GRACE_SECONDS = 3


def serve(settings: Settings, *, platform: Platform | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM; raises `InvalidInputError` where it must not or cannot listen."""
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
    uvicorn.Server(config).run()
