"""What can go wrong between two applications, beyond what a status code tells."""

from __future__ import annotations

from pellucid.errors import PellucidError


class NetworkError(PellucidError):
    """The association ended, or never began; the text says with whom and why."""


class AssociationEndedError(NetworkError):
    """The partner released or aborted the association, or the connection broke."""


class ProtocolError(NetworkError):
    """The partner sent what the protocol does not allow; `reason` is the A-P-ABORT's (PS3.8 table 9-26)."""

    def __init__(self, message: str, reason: int = 0) -> None:
        super().__init__(message)
        self.reason = reason


class AssociationRefusedError(NetworkError):
    """The partner refused the association; `transient`: it may accept it later."""

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient
