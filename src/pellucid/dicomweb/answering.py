"""What all handlers share: who asks, for what, and how errors and warnings are told."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from inspect import iscoroutine
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from pellucid.access import LOCAL, Caller, PermissionDeniedError
from pellucid.archive import ArchiveUnavailableError, ObjectDamagedError
from pellucid.dicomweb.accept import MediaRange, accepted
from pellucid.dicomweb.problems import PROBLEM_JSON, RequestError
from pellucid.errors import InvalidInputError

log = logging.getLogger("pellucid.dicomweb")


def caller_of(request: HTTPConnection) -> Caller:
    """Who sent the request, as the server in front of this service found out."""
    caller: Caller = request.scope.get("pellucid.caller", LOCAL)
    return caller


def problem(error: RequestError) -> Response:
    """The response that tells a client what was wrong (RFC 9457)."""
    content = {"title": HTTPStatus(error.status).phrase, "status": error.status, "detail": error.detail}
    return JSONResponse(content, error.status, headers=dict(error.headers), media_type=PROBLEM_JSON)


async def answered(handle: Callable[[Request], Response | Awaitable[Response]], request: Request) -> Response:
    """What a handler answers, its errors as responses; a handler that is no coroutine runs in a thread."""
    try:
        found: Any = await run_in_threadpool(handle, request)
        response: Response = await found if iscoroutine(found) else found
    except RequestError as error:
        return problem(error)
    except PermissionDeniedError as error:
        return problem(RequestError(403, str(error)))
    except InvalidInputError as error:
        return problem(RequestError(400, str(error)))
    except ArchiveUnavailableError as error:
        return problem(RequestError(503, str(error), {"Retry-After": "10"}))
    except ObjectDamagedError as error:
        log.error("%s", error)
        return problem(RequestError(500, str(error)))
    return response


def ranges_of(request: Request) -> list[MediaRange]:
    """The media types that the client accepts, the preferred first."""
    return accepted(request.headers, request.query_params)


def base_of(request: HTTPConnection) -> str:
    """The service's root as this client addressed it."""
    scheme = {"ws": "http", "wss": "https"}.get(request.url.scheme, request.url.scheme)
    place, server = request.url.netloc, request.scope.get("server")
    if server and server[1] and place == server[0] and server[1] not in (80, 443):
        place = f"{place}:{server[1]}"  # dicomweb-client leaves the port out of Host
    return f"{scheme}://{place}{request.scope.get('root_path', '')}"


def local_path(request: Request) -> str:
    """The path below the service's root."""
    return request.url.path.removeprefix(request.scope.get("root_path", ""))


def warning(texts: Iterable[str]) -> dict[str, str]:
    """A Warning header with code 299 (PS3.18 section 8.5.1) for each text; no header where there is none."""
    lines = [f'299 pellucid "{_plain(text)}"' for text in texts]
    return {"Warning": ", ".join(lines)} if lines else {}


def _plain(text: str) -> str:
    return re.sub(r"[^ -~]", "?", text).replace('"', "'")
