"""Tokens that people make for their programs: sent as `Authorization: Bearer …`, for some permissions, for a time."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import func, select, update

from pellucid.access.accounts import Account
from pellucid.access.caller import Caller, Permission
from pellucid.access.secret import digest_of, new_secret
from pellucid.access.tables import AccessTokenRow, AccountRow
from pellucid.archive import Archive
from pellucid.errors import InvalidInputError

PREFIX = "pellucid_token_"
LONGEST_DAYS = 366
_MOST = 50
_TOUCH_S = 60.0
_NEVER_DELEGATED = frozenset({Permission.ADMINISTER, Permission.AUDIT})
"""A token has these only where they are asked for by name."""


@dataclass(frozen=True, kw_only=True)
class AccessToken:
    """What is said of a token in lists; times are Unix seconds, `used` 0 where it never was."""

    id: str
    account: str
    description: str
    permissions: frozenset[Permission]
    created: float
    used: float
    expires: float


class AccessTokens:
    """The tokens in the archive's database."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def make(
        self,
        account: Account,
        description: str,
        *,
        days: int,
        permissions: Iterable[Permission] | None = None,
    ) -> tuple[AccessToken, str]:
        """Make one; what is said of it, and the token itself, which is shown this once.

        `permissions`: default: all of the account but administration and the audit trail.
        """
        own = account.caller().permissions
        wanted = own - _NEVER_DELEGATED if permissions is None else frozenset(permissions)
        if excess := wanted - own:
            raise InvalidInputError(f"{account.name} may not {', '.join(sorted(excess))}", field="permissions")
        if not wanted:
            raise InvalidInputError("there are none for a token", field="permissions")
        if not 1 <= days <= LONGEST_DAYS:
            raise InvalidInputError(f"is {days}; expected 1 to {LONGEST_DAYS}", field="days")
        if not 1 <= len(description) <= 200:
            raise InvalidInputError(f"has {len(description)} characters; expected 1 to 200", field="description")
        secret, now = new_secret(PREFIX), time.time()
        row = AccessTokenRow(
            id=secrets.token_hex(8),
            token_sha256=digest_of(secret),
            account=account.name,
            description=description,
            permissions=json.dumps(sorted(wanted)),
            created=now,
            used=0.0,
            expires=now + days * 86400.0,
        )
        made = _token(row)
        with self._archive.writing() as session:
            owned = select(func.count()).where(AccessTokenRow.account == account.name)
            if (session.scalar(owned) or 0) >= _MOST:
                raise InvalidInputError(f"there are {_MOST} already; remove one first", field="tokens")
            session.add(row)
        return made, secret

    def all(self, account: str | None = None) -> list[AccessToken]:
        """Those of an account (or of all), the newest first."""
        chosen = select(AccessTokenRow).order_by(AccessTokenRow.created.desc())
        if account is not None:
            chosen = chosen.where(AccessTokenRow.account == account)
        with self._archive.reading() as session:
            return [_token(row) for row in session.scalars(chosen)]

    def remove(self, token_id: str, account: str | None = None) -> bool:
        """Remove one (of an account); whether it was there."""
        with self._archive.writing() as session:
            row = session.get(AccessTokenRow, token_id)
            if row is None or (account is not None and row.account != account):
                return False
            session.delete(row)
            return True

    def find(self, secret: str) -> AccessToken | None:
        """The token that was sent, which is used herewith; None where there is none or its time is over."""
        now = time.time()
        chosen = select(AccessTokenRow).where(AccessTokenRow.token_sha256 == digest_of(secret))
        with self._archive.reading() as session:
            row = session.scalar(chosen.join(AccountRow, AccountRow.name == AccessTokenRow.account))
        if row is None or now >= row.expires:
            return None
        if now > row.used + _TOUCH_S:
            with self._archive.writing() as session:
                session.execute(update(AccessTokenRow).where(AccessTokenRow.id == row.id).values(used=now))
        return _token(row)


def narrowed(caller: Caller, token: AccessToken) -> Caller:
    """A person's program: it may do what both the person and the token may."""
    return replace(caller, permissions=caller.permissions & token.permissions)


def _token(row: AccessTokenRow) -> AccessToken:
    return AccessToken(
        id=row.id,
        account=row.account,
        description=row.description,
        permissions=frozenset(map(Permission, json.loads(row.permissions))),
        created=row.created,
        used=row.used,
        expires=row.expires,
    )
