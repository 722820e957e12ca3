"""HTTP errors with one line that says what was wrong."""

from __future__ import annotations

from collections.abc import Mapping

PROBLEM_JSON = "application/problem+json"
"""The media type of errors (RFC 9457)."""

MEANINGS = {
    400: "The request cannot be read",
    401: "Nobody is logged in, or what was sent to log in is not right",
    403: "The request comes from another site, or by a name that is not this machine's, or is not allowed",
    404: "There is no such thing",
    406: "None of the accepted media types can be given",
    409: "The request contradicts what is there",
    413: "The request is too large",
    415: "The request's media type is not taken",
    416: "The range lies beyond the representation",
    422: "A value cannot be used",
    429: "It was tried too often; Retry-After says when it can be tried again",
    500: "The server failed, or a stored object is damaged",
    507: "There is no room to store it",
}
"""What an error's status means here, for descriptions of the interfaces."""

EVERYWHERE = (401, 403, 500)
"""What any request may meet."""


class RequestError(Exception):
    """A request that cannot be answered: HTTP status, one line, and headers that say more."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
