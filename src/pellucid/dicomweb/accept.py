"""Which of the representations that can be given a client accepts (PS3.18 section 8.7)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message

from pellucid.dicomweb.problems import RequestError

MULTIPART = "multipart/related"
ANY = "*"


@dataclass(frozen=True)
class MediaRange:
    """One alternative of an Accept header: `part` is the media type, of the parts where `multipart`.

    `transfer_syntax` is a UID, "*" (as stored) or "" (the media type's default).
    """

    part: str
    transfer_syntax: str
    multipart: bool
    quality: float

    def allows(self, media_type: str) -> bool:
        """Whether the range includes `media_type`."""
        if self.part == "*/*":
            return True
        return self.part == media_type or (self.part.endswith("/*") and media_type.startswith(self.part[:-1]))


def accepted(headers: Mapping[str, str], query: Mapping[str, str]) -> list[MediaRange]:
    """The client's alternatives, the preferred first; the `accept` query parameter replaces the header."""
    text = query.get("accept") or headers.get("accept") or "*/*"
    ranges = [_media_range(part) for part in re.split(r""",(?=(?:[^"]*"[^"]*")*[^"]*$)""", text) if part.strip()]
    return sorted((r for r in ranges if r.quality > 0), key=lambda r: -r.quality)


def _media_range(text: str) -> MediaRange:
    message = Message()
    message["content-type"] = text.strip()
    found = [(str(name).lower(), str(value)) for name, value in message.get_params(failobj=[], unquote=True)]
    if not found or "/" not in found[0][0]:
        raise RequestError(400, f"Accept: {text.strip()!r} is not a media type")
    kind = found[0][0]
    parameters = dict(found[1:])
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        raise RequestError(400, f"Accept: q={parameters['q']} is not a number") from None
    multipart = kind in (MULTIPART, "multipart/*")
    part = parameters.get("type", "*/*").lower() if multipart else kind
    return MediaRange(part, parameters.get("transfer-syntax", ""), multipart or kind == "*/*", quality)


def not_acceptable(can: str) -> RequestError:
    """The error for a client that accepts nothing of what can be given."""
    return RequestError(406, f"none of the accepted media types can be given; this resource comes as {can}")
