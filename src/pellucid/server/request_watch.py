"""Every request: its id, its time, its route (never its address), for the log and the metrics."""

from __future__ import annotations

import logging
import time
import uuid
from typing import Any

from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pellucid.access.door import through
from pellucid.server.logs import request_id
from pellucid.server.metrics import Metrics

log = logging.getLogger("pellucid.requests")

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestWatch:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = _Seen(receive, send)
        began = time.perf_counter()
        token = request_id.set(seen.id)
        try:
            with self._metrics.in_flight.track_inprogress(), through(_door(scope["path"])):
                await self._app(scope, seen.receive, seen.send)
        finally:
            self._note(scope, seen, time.perf_counter() - began)
            request_id.reset(token)

    def _note(self, scope: Scope, seen: _Seen, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = route_of(scope)
        self._metrics.answered(method, route, seen.status, seconds)
        milliseconds = round(1000 * seconds, 1)
        fields = {
            "method": method,
            "route": route,
            "status": seen.status,
            "duration_ms": milliseconds,
            "request_bytes": seen.received,
            "response_bytes": seen.sent,
        }
        log.info("%s %s %d in %s ms", method, route, seen.status, milliseconds, extra=fields)


class _Seen:
    """What passes of one request and its answer; 499 is an answer that nobody waited for."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.id = uuid.uuid4().hex
        self.status = 499
        self.received = 0
        self.sent = 0
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        message = await self._receive()
        self.received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", []), (b"x-request-id", self.id.encode("ascii"))]
        self.sent += len(message.get("body", b""))
        await self._send(message)


def route_of(scope: Scope) -> str:
    """The address with placeholders, as it is declared; "none" where no route was found."""
    route: Any = scope.get("route")
    if route is None and "endpoint" in scope:
        routes = scope["app"].router.routes
        route = next((r for r in routes if isinstance(r, Route) and r.endpoint is scope["endpoint"]), None)
    if route is None:
        return "none"
    return f"{scope.get('root_path', '')}{route.path}"


def _door(path: str) -> str:
    return "stow" if path.startswith("/dicom-web/") else "program"
