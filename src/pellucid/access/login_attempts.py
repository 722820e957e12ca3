"""How often a name may be tried: after a few failures it is locked for a while, whether there is such an account."""

from __future__ import annotations

import math
import time

from sqlalchemy import delete
from sqlalchemy.orm import Session

from pellucid.access.secret import digest_of
from pellucid.access.tables import LoginFailureRow
from pellucid.archive import Archive
from pellucid.errors import PellucidError

FREE_FAILURES = 5
_FIRST_LOCK_S = 30.0
_LONGEST_LOCK_S = 900.0
_FORGOTTEN_AFTER_S = 24 * 3600.0


class TooManyAttemptsError(PellucidError):
    """Logging in was tried too often; it can be tried again after `retry_after_s`."""

    def __init__(self, retry_after_s: float) -> None:
        self.retry_after_s = max(1, math.ceil(retry_after_s))
        super().__init__(f"too many attempts to log in; try again in {self.retry_after_s} s")


class LoginAttempts:
    """Failures by name, in the archive's database: all processes count together."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def require_open(self, name: str) -> None:
        """Raises `TooManyAttemptsError` while the name is locked."""
        with self._archive.reading() as session:
            row = session.get(LoginFailureRow, digest_of(name))
            left = row.locked_until - time.time() if row else 0.0
        if left > 0:
            raise TooManyAttemptsError(left)

    def note_failure(self, name: str) -> None:
        """Count a failure; from the fifth on the name is locked, each time twice as long."""
        now = time.time()
        with self._archive.writing() as session:
            session.execute(delete(LoginFailureRow).where(LoginFailureRow.last < now - _FORGOTTEN_AFTER_S))
            key = digest_of(name)
            row = session.get(LoginFailureRow, key)
            if row is None:
                row = LoginFailureRow(name_sha256=key, failures=0, last=now, locked_until=0.0)
                session.add(row)
            row.failures += 1
            row.last = now
            beyond = row.failures - FREE_FAILURES
            if beyond >= 0:
                row.locked_until = now + min(_LONGEST_LOCK_S, _FIRST_LOCK_S * 2.0 ** min(beyond, 10))

    @staticmethod
    def forget(session: Session, name: str) -> None:
        """Start counting anew after a success, within a transaction."""
        session.execute(delete(LoginFailureRow).where(LoginFailureRow.name_sha256 == digest_of(name)))
