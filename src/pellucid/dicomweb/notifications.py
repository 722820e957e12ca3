"""Event reports over a WebSocket (PS3.18 section 8.10)."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from pellucid.access import Permission, PermissionDeniedError
from pellucid.dicomweb.answering import caller_of
from pellucid.dicomweb.context import Context
from pellucid.dicomweb.problems import RequestError

PATH = "/ws/subscribers/{subscriber}"
_SECONDS = 0.5
"""How often new events are looked for: they may have been made by another process."""

_POLICY, _INTERNAL = 1008, 1011


def notification_route(context: Context) -> WebSocketRoute:
    """The WebSocket of a subscriber."""

    async def endpoint(socket: WebSocket) -> None:
        subscriber = socket.path_params["subscriber"]
        try:
            caller = caller_of(socket)
            caller.require(Permission.FIND)
            _require_same_site(socket)
            if not re.fullmatch(r"[ !-\[\]-~]{1,16}", subscriber):
                raise RequestError(400, "not an application entity title")
            await run_in_threadpool(context.worklist.events, subscriber, caller, after=0, limit=1)
        except (PermissionDeniedError, RequestError):
            await socket.close(_POLICY)
            return
        await socket.accept()
        sending = asyncio.create_task(_send(context, socket, subscriber))
        # A client has nothing to say; reading notices that it goes.
        while (await socket.receive())["type"] != "websocket.disconnect" and not sending.done():
            pass
        sending.cancel()
        with suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
            await sending

    return WebSocketRoute(PATH, endpoint)


async def _send(context: Context, socket: WebSocket, subscriber: str) -> None:
    caller, message = caller_of(socket), 0
    try:
        while True:
            found = await run_in_threadpool(context.worklist.events, subscriber, caller, after=0)
            for _, report in found:
                message = message % 0xFFFF + 1
                numbered = {**json.loads(report), "00000110": {"vr": "US", "Value": [message]}}
                await socket.send_text(json.dumps(dict(sorted(numbered.items()))))
            if found:
                await run_in_threadpool(context.worklist.forget_events, subscriber, found[-1][0])
            else:
                await asyncio.sleep(_SECONDS)
    except RequestError:  # another took the subscriber's name
        await socket.close(_POLICY)


def _require_same_site(socket: WebSocket) -> None:
    """A browser says which site asks; another site's page must not listen."""
    origin = socket.headers.get("origin")
    try:
        other = origin is not None and urlsplit(origin).netloc != socket.headers.get("host")
    except ValueError:
        other = True
    if other:
        raise RequestError(403, "requests from other sites are refused")
