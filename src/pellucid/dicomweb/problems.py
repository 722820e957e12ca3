"""HTTP errors with one line that says what was wrong."""

from __future__ import annotations


class RequestError(Exception):
    """A request that cannot be answered: HTTP status and one line."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
