"""Who sends a request, found out before anything else sees it; without a login only the front page is served."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from http.cookies import CookieError, SimpleCookie

from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pellucid.access import LOCAL, AuditEvent, Caller, Outcome
from pellucid.access.doorkeeper import NOBODY, Doorkeeper
from pellucid.access.trail import AuditTrailError
from pellucid.archive import ArchiveUnavailableError
from pellucid.server.callers import CALLER

log = logging.getLogger("pellucid.server")

_OPEN = frozenset(
    {
        "/api/session",
        "/api/shares/open",
        "/api/login/oidc",
        "/api/login/oidc/callback",
        "/api/login/oidc/logout",
    }
)
"""What can be asked without a login: to log in."""
_ALIVE = frozenset({"/health", "/ready"})
"""Whether the server lives: answered whoever asks, whatever is broken."""


def session_cookie(*, secure: bool) -> str:
    """The cookie's name; over TLS one that no other host or page without TLS can set (RFC 6265bis)."""
    return "__Host-pellucid" if secure else "pellucid_session"


class Authentication:
    """Notes the caller in the scope; refuses those who have not logged in, where that is needed.

    `is_service`: whether a request is for a programming interface; all others are for the viewer's files.
    """

    def __init__(self, app: ASGIApp, keeper: Doorkeeper, is_service: Callable[[Scope], bool]) -> None:
        self._app = app
        self._keeper = keeper
        self._is_service = is_service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope["path"] in _ALIVE:
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._caller(scope)
        except (ArchiveUnavailableError, SQLAlchemyError, OSError) as error:
            log.error("nobody can be let in: %s", type(error).__name__)
            await _unavailable(scope, receive, send)
            return
        if caller is None and scope["path"] not in _OPEN and self._is_service(scope):
            await _refuse(scope, receive, send)
            return
        scope[CALLER] = caller or replace(NOBODY, address=_address(scope))
        await self._app(scope, receive, self._noting(scope, send) if caller else send)

    async def _caller(self, scope: Scope) -> Caller | None:
        address = _address(scope)
        authorization = _header(scope, b"authorization")
        scheme, _, token = authorization.partition(" ")
        if authorization:
            # Whoever says who they are is taken by that word alone.
            if scheme.lower() != "bearer":
                return None
            found = await run_in_threadpool(self._keeper.caller_of_token, token.strip(), address)
            if found is None:
                await run_in_threadpool(self._alert, "Login", replace(NOBODY, address=address), "a token was refused")
            return found
        session = session_of(scope)
        if session:
            found = await run_in_threadpool(self._keeper.caller_of_session, session, address)
            if found is not None:
                return found
        required = self._keeper.login_known_required()
        if required is None:
            required = await run_in_threadpool(self._keeper.login_required)
        if required:
            return None
        return replace(LOCAL, address=address)

    def _noting(self, scope: Scope, send: Send) -> Send:
        """Refusals are noted in the audit trail before they leave."""

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 403:
                caller: Caller = scope[CALLER]
                await run_in_threadpool(
                    self._alert, "Use of Restricted Function", caller, f"{scope['method']} {scope['path'][:200]}"
                )
            await send(message)

        return noting

    def _alert(self, kind: str, caller: Caller, what: str) -> None:
        """Note an attempt; where the trail cannot be written the refusal stands all the same."""
        event = "User Authentication" if kind == "Login" else "Security Alert"
        detail = {"type": kind, "subject": what}
        try:
            self._keeper.audit(
                AuditEvent(event=event, action="E", caller=caller, outcome=Outcome.MINOR_FAILURE, detail=detail)
            )
        except AuditTrailError as error:
            log.error("%s", error)


def session_of(scope: Scope) -> str:
    """The token in the session's cookie."""
    cookies = SimpleCookie()
    try:
        cookies.load(_header(scope, b"cookie"))
    except CookieError:
        return ""
    found = cookies.get(session_cookie(secure=scope["scheme"] in ("https", "wss")))
    return found.value if found else ""


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "log in first"})
        return
    headers = {"www-authenticate": 'Bearer realm="pellucid"'}
    await JSONResponse({"detail": "log in first"}, 401, headers)(scope, receive, send)


async def _unavailable(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1013})
        return
    detail = "it cannot be found out now who asks: the database does not answer"
    await JSONResponse({"detail": detail}, 503, {"retry-after": "10"})(scope, receive, send)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _header(scope: Scope, name: bytes) -> str:
    found: bytes = next((value for key, value in scope["headers"] if key == name), b"")
    return found.decode("latin-1")
