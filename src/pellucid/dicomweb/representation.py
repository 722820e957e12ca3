"""Bytes as a response: entity tags, conditional requests and byte ranges (RFC 9110 sections 8.8, 13, 14)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from pellucid.dicomweb.problems import RequestError

_PIECE = 1 << 20
_WHOLE = 16 << 20
"""Up to this size a body is one piece [byte]."""


@dataclass(frozen=True, kw_only=True)
class Body:
    """A representation of `size` bytes; `read(start, length)` gives a part of it."""

    size: int
    read: Callable[[int, int], bytes]
    media_type: str
    tag: str = ""
    modified: str = ""
    location: str = ""

    @classmethod
    def of(cls, data: bytes, media_type: str, *, tag: str = "", modified: str = "", location: str = "") -> Body:
        """Bytes in memory."""
        return cls(
            size=len(data),
            read=lambda start, length: data[start : start + length],
            media_type=media_type,
            tag=tag,
            modified=modified,
            location=location,
        )

    def pieces(self, start: int, length: int) -> Iterator[bytes]:
        """A part of it, in pieces of at most 1 MiB."""
        while length > 0:
            piece = self.read(start, min(_PIECE, length))
            yield piece
            start, length = start + len(piece), length - len(piece)


def entity_tag(*parts: object) -> str:
    """A strong entity tag of what a representation is made of."""
    return f'"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}"'


def http_date(received: str) -> str:
    """An ISO 8601 time in UTC as HTTP writes it; empty where it is none."""
    try:
        return format_datetime(datetime.fromisoformat(received).astimezone(UTC), usegmt=True)
    except ValueError:
        return ""


def not_modified(request: Request, tag: str, modified: str = "") -> Response | None:
    """The 304 response where the client has this representation already."""
    headers = _headers(tag, modified)
    asked = request.headers.get("if-none-match")
    if asked is not None:
        found = {part.strip().removeprefix("W/") for part in asked.split(",")}
        same = bool(tag) and (tag in found or asked.strip() == "*")
    else:
        since = _parsed(request.headers.get("if-modified-since", ""))
        then = _parsed(modified)
        same = since is not None and then is not None and then <= since
    return Response(status_code=304, headers=headers) if same else None


def respond(request: Request, body: Body, headers: Mapping[str, str] | None = None) -> Response:
    """The whole body, the range that was asked for (206), or 304; raises `RequestError` 416."""
    unchanged = not_modified(request, body.tag, body.modified)
    if unchanged is not None:
        return unchanged
    given = {**_headers(body.tag, body.modified), "Accept-Ranges": "bytes", **(headers or {})}
    if body.location:
        given["Content-Location"] = body.location
    wanted = _range(request, body)
    if wanted is None:
        return _response(body, 0, body.size, 200, given)
    first, last = wanted
    given["Content-Range"] = f"bytes {first}-{last}/{body.size}"
    return _response(body, first, last + 1 - first, 206, given)


def _response(body: Body, start: int, length: int, status: int, headers: dict[str, str]) -> Response:
    headers["Content-Type"] = body.media_type
    if length <= _WHOLE:
        return Response(body.read(start, length), status, headers)
    headers["Content-Length"] = str(length)
    return StreamingResponse(body.pieces(start, length), status, headers)


def _headers(tag: str, modified: str) -> dict[str, str]:
    return {name: value for name, value in (("ETag", tag), ("Last-Modified", modified)) if value}


def _range(request: Request, body: Body) -> tuple[int, int] | None:
    """First and last byte of a single range; several are not given, the whole is."""
    found = re.fullmatch(r"\s*bytes\s*=\s*(\d{0,18})-(\d{0,18})\s*", request.headers.get("range", ""), re.IGNORECASE)
    if found is None or not (found[1] or found[2]):
        return None
    condition = request.headers.get("if-range")
    if condition is not None and condition not in (body.tag, body.modified):
        return None
    if not found[1]:
        first, last = max(0, body.size - int(found[2])), body.size - 1
        satisfied = int(found[2]) > 0 and body.size > 0
    else:
        first = int(found[1])
        last = min(int(found[2]) if found[2] else body.size - 1, body.size - 1)
        if found[2] and int(found[2]) < first:
            return None
        satisfied = first < body.size
    if not satisfied:
        raise RequestError(
            416, f"the range begins beyond the {body.size} bytes", {"Content-Range": f"bytes */{body.size}"}
        )
    return first, last


def _parsed(date: str) -> datetime | None:
    try:
        return parsedate_to_datetime(date) if date else None
    except ValueError:
        return None
