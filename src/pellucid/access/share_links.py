"""Links that show studies to whoever has them: for a time, perhaps with a passphrase, perhaps a few times only."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select, update

from pellucid.access import passwords
from pellucid.access.caller import Caller, Permission
from pellucid.access.login_attempts import LoginAttempts
from pellucid.access.secret import digest_of, new_secret
from pellucid.access.tables import ShareLinkRow
from pellucid.archive import Archive, Query, Visible
from pellucid.errors import InvalidInputError, PellucidError

LONGEST_DAYS = 90
_MOST_STUDIES = 50
_SHORTEST_PASSPHRASE = 8
_MAY = frozenset({Permission.FIND, Permission.READ})


class LinkRefusedError(PellucidError):
    """A link that does not open; the text does not tell why."""

    def __init__(self) -> None:
        super().__init__("the link is not valid (any more), or needs a passphrase, or the passphrase is wrong")


@dataclass(frozen=True, kw_only=True)
class ShareLink:
    """What is said of a link in lists; times are Unix seconds; `maximum_uses` 0: any number."""

    id: str
    made_by: str
    studies: frozenset[str]
    description: str
    has_passphrase: bool
    maximum_uses: int
    uses: int
    revoked: bool
    created: float
    expires: float

    @property
    def is_open(self) -> bool:
        """Whether its time has come to an end or somebody revoked it."""
        return not self.revoked and time.time() < self.expires

    def caller(self, address: str = "") -> Caller:
        """Whoever has the link."""
        return Caller(
            name=f"link {self.id} of {self.made_by}",
            kind="link",
            permissions=_MAY,
            visible=Visible(studies=self.studies),
            address=address,
        )


class ShareLinks:
    """The links in the archive's database."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._attempts = LoginAttempts(archive)

    def make(
        self,
        maker: Caller,
        studies: Iterable[str],
        *,
        days: int,
        description: str = "",
        passphrase: str = "",
        maximum_uses: int = 0,
    ) -> tuple[ShareLink, str]:
        """Make one for studies that its maker sees; what is said of it, and its secret, which is shown this once."""
        maker.require(Permission.SHARE)
        chosen = frozenset(studies)
        self._require_seen(maker, chosen)
        if not 1 <= days <= LONGEST_DAYS:
            raise InvalidInputError(f"is {days}; expected 1 to {LONGEST_DAYS}", field="days")
        if not 0 <= maximum_uses <= 1_000_000:
            raise InvalidInputError(f"is {maximum_uses}; expected 0 (any number) or more", field="maximum_uses")
        if passphrase and not _SHORTEST_PASSPHRASE <= len(passphrase) <= passwords.LONGEST:
            raise InvalidInputError(f"expected at least {_SHORTEST_PASSPHRASE} characters", field="passphrase")
        secret, now = new_secret(), time.time()
        row = ShareLinkRow(
            id=secrets.token_hex(8),
            token_sha256=digest_of(secret),
            made_by=maker.name,
            studies=json.dumps(sorted(chosen)),
            description=description[:200],
            passphrase_hash=passwords.hash_of(passphrase) if passphrase else "",
            maximum_uses=maximum_uses,
            uses=0,
            revoked=False,
            created=now,
            expires=now + days * 86400.0,
        )
        made = _link(row)
        with self._archive.writing() as session:
            session.add(row)
        return made, secret

    def all(self, maker: str | None = None) -> list[ShareLink]:
        """Those of a maker (or of all), the newest first."""
        chosen = select(ShareLinkRow).order_by(ShareLinkRow.created.desc())
        if maker is not None:
            chosen = chosen.where(ShareLinkRow.made_by == maker)
        with self._archive.reading() as session:
            return [_link(row) for row in session.scalars(chosen)]

    def find(self, link_id: str) -> ShareLink | None:
        """One, whether it still opens or not."""
        with self._archive.reading() as session:
            row = session.get(ShareLinkRow, link_id)
            return _link(row) if row else None

    def revoke(self, link_id: str, maker: str | None = None) -> ShareLink | None:
        """Let one (of a maker) open no more, not even for those who opened it; None where there is none."""
        with self._archive.writing() as session:
            row = session.get(ShareLinkRow, link_id)
            if row is None or (maker is not None and row.made_by != maker):
                return None
            row.revoked = True
            return _link(row)

    def open(self, secret: str, passphrase: str = "") -> ShareLink:
        """Use a link once; raises `LinkRefusedError`, or `TooManyAttemptsError` for guessed passphrases."""
        with self._archive.reading() as session:
            row = session.scalar(select(ShareLinkRow).where(ShareLinkRow.token_sha256 == digest_of(secret)))
        if row is None or not _link(row).is_open:
            raise LinkRefusedError
        if row.passphrase_hash:
            self._attempts.require_open(f"link {row.id}")
            if not passwords.matches(passphrase, row.passphrase_hash):
                self._attempts.note_failure(f"link {row.id}")
                raise LinkRefusedError
        # Counted and limited in one statement: two who come at once do not both take the last use.
        free = (ShareLinkRow.maximum_uses == 0) | (ShareLinkRow.uses < ShareLinkRow.maximum_uses)
        count = update(ShareLinkRow).where(ShareLinkRow.id == row.id, free).values(uses=ShareLinkRow.uses + 1)
        with self._archive.writing() as session:
            if not getattr(session.execute(count), "rowcount", 0):
                raise LinkRefusedError
        return _link(row)

    def _require_seen(self, maker: Caller, studies: frozenset[str]) -> None:
        if not 1 <= len(studies) <= _MOST_STUDIES:
            raise InvalidInputError(f"are {len(studies)}; expected 1 to {_MOST_STUDIES}", field="studies")
        view = self._archive.seen_by(maker.visible)
        for uid in studies:
            if not view.find(Query("study", {"StudyInstanceUID": uid})):
                raise InvalidInputError(f"there is no study {uid[:64]}", field="studies")


def _link(row: ShareLinkRow) -> ShareLink:
    return ShareLink(
        id=row.id,
        made_by=row.made_by,
        studies=frozenset(json.loads(row.studies)),
        description=row.description,
        has_passphrase=bool(row.passphrase_hash),
        maximum_uses=row.maximum_uses,
        uses=row.uses,
        revoked=row.revoked,
        created=row.created,
        expires=row.expires,
    )
