"""What every request passes first: only this machine's names, no other site's forms, headers, no leaks in errors."""

from __future__ import annotations

import ipaddress
import logging
import traceback
from urllib.parse import SplitResult, urlsplit

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("pellucid.server")

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_BODY_BYTES = 1 << 20
_LARGE_BODIES = ("/api/uploads", "/dicom-web/studies")
"""Requests that stream to disk and count for themselves."""

_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval' blob:; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self' blob: data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
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

    There are no users yet, so whoever reaches the port is trusted. A web page elsewhere must not reach it through
    the browser of someone at this machine: by a name that resolves to loopback (the Host header is checked), or by
    a form or script (the Origin of a changing request must be this host).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
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

        refusal = _refusal(scope)
        if refusal:
            await JSONResponse({"detail": refusal}, 403)(scope, receive, guarded)
            return
        body = _Body(receive, None if scope["path"].startswith(_LARGE_BODIES) else _BODY_BYTES)
        try:
            await self._app(scope, body.receive, guarded)
        except Exception as error:  # noqa: BLE001 (the outermost handler: nothing may leave it)
            log_without_values(error)
            if not started:
                await JSONResponse({"detail": "internal error"}, 500)(scope, receive, guarded)


class _Body:
    """A request's body, refused where it is too large to be held in memory."""

    def __init__(self, receive: Receive, limit: int | None) -> None:
        self._receive = receive
        self._left = limit

    async def receive(self) -> Message:
        """The next part of the body."""
        message = await self._receive()
        if self._left is not None and message["type"] == "http.request":
            self._left -= len(message.get("body", b""))
            if self._left < 0:
                raise HTTPException(413, f"the request is larger than {_BODY_BYTES} bytes")
        return message


def log_without_values(error: BaseException) -> None:
    """Log where an unexpected error came from; its text may quote patient data and is left out."""
    frames = traceback.extract_tb(error.__traceback__)
    place = " <- ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames[-8:]))
    log.error("internal error: %s at %s", type(error).__name__, place)


def _headers(scope: Scope) -> list[tuple[bytes, bytes]]:
    path: str = scope["path"]
    if path.startswith(("/api", "/dicom-web")):
        return [*_HEADERS, (b"cache-control", b"no-store")]
    return _HEADERS


def _refusal(scope: Scope) -> str:
    headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in (b"host", b"origin")}
    host = headers.get(b"host", "")
    address = _split(f"//{host}")
    if address is None or not is_loopback(address.hostname or ""):
        return "this server answers only to localhost"
    if scope["method"] not in _SAFE and b"origin" in headers:
        origin = _split(headers[b"origin"])
        if origin is None or origin.netloc != host:
            return "requests from other sites are refused"
    return ""


def _split(url: str) -> SplitResult | None:
    """The parts of an address; None where it is malformed."""
    try:
        return urlsplit(url)
    except ValueError:
        return None
