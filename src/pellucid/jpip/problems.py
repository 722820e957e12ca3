"""Requests that cannot be answered."""


class RequestError(Exception):
    """An HTTP status and one line."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
