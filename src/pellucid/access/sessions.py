"""Sessions of browsers: somebody who logged in, or who opened a link, until they leave or time runs out."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import delete, select, update

from pellucid.access.secret import digest_of, new_secret
from pellucid.access.tables import SessionRow
from pellucid.archive import Archive

_TOUCH_S = 60.0


@dataclass(frozen=True, kw_only=True)
class OpenSession:
    """A session: of an account or of a link (the other is empty); `expires` in Unix seconds, if it is used."""

    account: str
    link: str
    expires: float


class Sessions:
    """The sessions in the archive's database.

    `idle_s`: it ends when it was not used for so long; `longest_s`: it ends however much it was used.
    """

    def __init__(self, archive: Archive, *, idle_s: float, longest_s: float) -> None:
        self._archive = archive
        self._idle_s = idle_s
        self._longest_s = longest_s

    def begin(
        self,
        *,
        account: str = "",
        link: str = "",
        address: str = "",
        provider_session: str = "",
        ends: float | None = None,
    ) -> str:
        """Begin one; the token to be kept by the browser. `ends`: when it ends at the latest [Unix s]."""
        token = new_secret()
        now = time.time()
        expires = min(now + self._longest_s, ends or now + self._longest_s)
        with self._archive.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.expires < now))
            session.add(
                SessionRow(
                    token_sha256=digest_of(token),
                    account=account,
                    link=link,
                    provider_session=provider_session,
                    address=address[:64],
                    created=now,
                    used=now,
                    expires=expires,
                )
            )
        return token

    def find(self, token: str) -> OpenSession | None:
        """The session of a token, which is used herewith; None where it ended."""
        now = time.time()
        with self._archive.reading() as session:
            row = session.get(SessionRow, digest_of(token))
        if row is None or now >= min(row.expires, row.used + self._idle_s):
            return None
        if now > row.used + min(_TOUCH_S, self._idle_s / 10):
            with self._archive.writing() as session:
                session.execute(update(SessionRow).where(SessionRow.token_sha256 == row.token_sha256).values(used=now))
        return OpenSession(account=row.account, link=row.link, expires=row.expires)

    def end(self, token: str) -> None:
        """End the session of a token."""
        with self._archive.writing() as session:
            session.execute(delete(SessionRow).where(SessionRow.token_sha256 == digest_of(token)))

    def end_all(self, *, account: str) -> int:
        """End all of an account; how many there were."""
        with self._archive.writing() as session:
            return _deleted(session.execute(delete(SessionRow).where(SessionRow.account == account)))

    def end_of_provider(self, provider_session: str) -> int:
        """End those that an identity provider says are over."""
        with self._archive.writing() as session:
            chosen = delete(SessionRow).where(SessionRow.provider_session == provider_session)
            return _deleted(session.execute(chosen))

    def count(self, account: str) -> int:
        """How many of an account are open."""
        now = time.time()
        chosen = select(SessionRow).where(SessionRow.account == account, SessionRow.expires > now)
        with self._archive.reading() as session:
            return sum(row.used + self._idle_s > now for row in session.scalars(chosen))


def _deleted(result: object) -> int:
    return int(getattr(result, "rowcount", 0))
