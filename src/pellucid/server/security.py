"""What every request passes first: only this machine's names, no other site's forms, headers, no leaks in errors."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import time
import traceback
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pellucid.server.request_limits import DEEPEST, Throttle, json_depth

log = logging.getLogger("pellucid.server")

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_BODY_BYTES = 1 << 20
_LARGE_BODIES = ("/api/uploads", "/api/captures", "/dicom-web/studies")
"""Requests that stream to disk and count for themselves."""

_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self' blob: data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_CAPTURE_PAGE = "/capture"
_CAPTURE_POLICY = f"{_POLICY}; media-src 'self' blob:"
"""The page that records shows what it has recorded."""

_NO_DEVICES = (b"permissions-policy", b"camera=(), display-capture=(), microphone=(), geolocation=()")
_CAPTURE_DEVICES = (b"permissions-policy", b"camera=(self), display-capture=(self), microphone=(), geolocation=()")
_TOO_LARGE = f"the request is larger than {_BODY_BYTES} bytes"
_PATIENCE_S = 30.0
_SLOWEST_BYTES_PER_S = 1000.0
"""A body may take 30 s, and longer as it is large: who sends less on average holds a connection for nothing."""

_STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", _POLICY.encode("ascii")),
]


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses requests that another web site makes a browser send, and adds the security headers.

    A web page elsewhere must not reach the server through the browser of someone who may: by a name that resolves to
    its address (the Host header must be one of `names`, or this machine), or by a form, a script or a socket (the
    Origin of a changing request must be this host). One address elsewhere may ask `requests_per_second` on average.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = (), requests_per_second: float = 200.0) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)
        self._throttle = Throttle(per_second=requests_per_second, burst=10.0 * requests_per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket" and self._refusal(scope):
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                present = {name for name, _ in message.get("headers", [])}
                message["headers"] = [*message.get("headers", []), *(h for h in _headers(scope) if h[0] not in present)]
            await send(message)

        refusal = self._refusal(scope)
        if refusal:
            await JSONResponse({"detail": refusal}, 403)(scope, receive, guarded)
            return
        if self._asks_too_much(scope):
            await JSONResponse({"detail": "too many requests"}, 429, {"retry-after": "1"})(scope, receive, guarded)
            return
        body = _Body(receive, scope)
        if body.is_announced_too_large:
            await JSONResponse({"detail": _TOO_LARGE}, 413, {"connection": "close"})(scope, receive, guarded)
            return
        try:
            await self._app(scope, body.receive, guarded)
        except ClientDisconnect:
            return  # nothing failed here, and nobody is there to be answered
        except Exception as error:  # noqa: BLE001 (the outermost handler: nothing may leave it)
            log_without_values(error)
            if not started:
                await JSONResponse({"detail": "internal error"}, 500)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> str:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in (b"host", b"origin")}
        host = headers.get(b"host", "")
        address = _split(f"//{host}")
        name = (address.hostname if address else "") or ""
        if not is_loopback(name) and name not in self._names:
            return "this server answers only to localhost" + (" and the names it was given" if self._names else "")
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if changes and b"origin" in headers:
            origin = _split(headers[b"origin"])
            if origin is None or origin.netloc != host:
                return "requests from other sites are refused"
        return ""

    def _asks_too_much(self, scope: Scope) -> bool:
        address = str((scope.get("client") or ("127.0.0.1",))[0])
        return _is_address_elsewhere(address) and not self._throttle.take(address)


class _Body:
    """A request's body: in time; where it is held in memory, small; where it is JSON, not nested without end."""

    def __init__(self, receive: Receive, scope: Scope) -> None:
        self._receive = receive
        headers = {name: value for name, value in scope["headers"] if name in (b"content-length", b"content-type")}
        self._is_small = not scope["path"].startswith(_LARGE_BODIES)
        self._json: list[bytes] | None = [] if self._is_small and b"json" in headers.get(b"content-type", b"") else None
        announced = headers.get(b"content-length", b"")
        self.is_announced_too_large = self._is_small and announced.isdigit() and int(announced) > _BODY_BYTES
        self._began = time.monotonic()
        self._received = 0
        self._is_whole = False

    async def receive(self) -> Message:
        """The next part of the body."""
        if self._is_whole:
            return await self._receive()
        deadline = _PATIENCE_S + self._received / _SLOWEST_BYTES_PER_S - (time.monotonic() - self._began)
        try:
            async with asyncio.timeout(max(0.1, deadline)):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(408, "the request came too slowly", {"connection": "close"}) from None
        self._is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        self._count(message.get("body", b""))
        return message

    def _count(self, part: bytes) -> None:
        self._received += len(part)
        if self._is_small and self._received > _BODY_BYTES:
            raise HTTPException(413, _TOO_LARGE)
        if self._json is not None:
            self._json.append(part)
            if self._is_whole and json_depth(b"".join(self._json)) > DEEPEST:
                raise HTTPException(400, f"the JSON is nested more than {DEEPEST} deep")


def log_without_values(error: BaseException) -> None:
    """Log where an unexpected error came from; its text may quote patient data and is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    place = " <- ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames[-8:]))
    log.error("internal error: %s at %s", type(error).__name__, place)


def _headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    path: str = scope["path"]
    headers = [*_HEADERS, _STRICT_TRANSPORT] if scope["scheme"] == "https" else _HEADERS
    if path.rstrip("/") == _CAPTURE_PAGE:
        others = [header for header in headers if header[0] != b"content-security-policy"]
        return [*others, _CAPTURE_DEVICES, (b"content-security-policy", _CAPTURE_POLICY.encode("ascii"))]
    headers = [*headers, _NO_DEVICES]
    if path.startswith(("/api", "/dicom-web", "/fhir")):
        return [*headers, (b"cache-control", b"no-store")]
    return headers


def _is_address_elsewhere(text: str) -> bool:
    try:
        return not ipaddress.ip_address(text).is_loopback
    except ValueError:
        return False


def _split(url: str) -> SplitResult | None:
    """The parts of an address; None where it is malformed."""
    try:
        return urlsplit(url)
    except ValueError:
        return None
