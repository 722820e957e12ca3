"""Accounts of people: who they are, what they may do and see, and whether they are who they say."""

from __future__ import annotations

import json
import re
import time
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from pellucid.access import passwords
from pellucid.access.caller import Caller
from pellucid.access.login_attempts import LoginAttempts, TooManyAttemptsError
from pellucid.access.roles import Role, permissions_of
from pellucid.access.tables import AccessTokenRow, AccountRow, SessionRow, ShareLinkRow
from pellucid.archive import EVERYTHING, Archive, Visible
from pellucid.errors import InvalidInputError, PellucidError

ALL_PROJECTS = "*"
"""As a project: every study."""

_NAME = re.compile(r"[\w.@+-]{1,128}")
_PROJECT = re.compile(r"[\w. +-]{1,64}")
_UID = re.compile(r"[0-9.]{1,64}")


class LoginRefusedError(PellucidError):
    """Somebody is not who they say, or may not log in; the text does not tell which."""

    def __init__(self) -> None:
        super().__init__("the name or the password is wrong")


@dataclass(frozen=True, kw_only=True)
class Account:
    """Somebody who may log in. `issuer`, `subject`: who that is for an identity provider; empty for a local account.

    `projects`: whose studies are seen, "*" for all; `studies`: Study Instance UIDs that are seen besides.
    """

    name: str
    full_name: str = ""
    roles: frozenset[Role] = frozenset()
    projects: frozenset[str] = frozenset()
    studies: frozenset[str] = frozenset()
    active: bool = True
    issuer: str = ""
    subject: str = ""
    created: float = 0.0
    last_login: float = 0.0

    def __post_init__(self) -> None:
        if self.name != name_of(self.name):
            raise InvalidInputError(f"is {self.name!r}; expected {name_of(self.name)!r}", field="name")
        for project in self.projects - {ALL_PROJECTS}:
            project_of(project)
        for study in self.studies:
            if not _UID.fullmatch(study):
                raise InvalidInputError(f"is {study!r}; expected a Study Instance UID", field="study")
        if Role.MONITOR in self.roles and ALL_PROJECTS in self.projects:
            raise InvalidInputError("a monitor sees particular projects, not all", field="projects")

    @property
    def visible(self) -> Visible:
        """The studies that are seen."""
        if ALL_PROJECTS in self.projects:
            return EVERYTHING
        return Visible(projects=self.projects, studies=self.studies)

    def caller(self, address: str = "") -> Caller:
        """The person, calling from an address."""
        return Caller(
            name=self.name,
            kind="account",
            permissions=permissions_of(self.roles),
            visible=self.visible,
            address=address,
        )


def name_of(text: str) -> str:
    """A name to log in by, in the form it is kept in; raises `InvalidInputError`."""
    name = unicodedata.normalize("NFKC", text).strip().casefold()
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"is {text!r}; expected 1 to 128 letters, digits and characters of . @ + - _", field="name"
        )
    return name


def project_of(text: str) -> str:
    """A project's name; raises `InvalidInputError`."""
    if not _PROJECT.fullmatch(text) or text != text.strip():
        raise InvalidInputError(f"is {text!r}; expected 1 to 64 letters, digits, spaces and . + - _", field="project")
    return text


class Accounts:
    """The accounts in the archive's database."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._attempts = LoginAttempts(archive)

    def exist(self) -> bool:
        """Whether there is any."""
        with self._archive.reading() as session:
            return session.scalar(select(AccountRow.name).limit(1)) is not None

    def all(self) -> list[Account]:
        """Every one, by name."""
        with self._archive.reading() as session:
            return [_account(row) for row in session.scalars(select(AccountRow).order_by(AccountRow.name))]

    def find(self, name: str) -> Account | None:
        """The one of this name."""
        with self._archive.reading() as session:
            row = session.get(AccountRow, name)
            return _account(row) if row else None

    def get(self, name: str) -> Account:
        """The one of this name; raises `InvalidInputError` where there is none."""
        found = self.find(name_of(name))
        if found is None:
            raise InvalidInputError(f"{name!r} is not known; `pellucid user list` lists the accounts", field="name")
        return found

    def find_subject(self, issuer: str, subject: str) -> Account | None:
        """The one that an identity provider knows by this subject."""
        statement = select(AccountRow).where(AccountRow.issuer == issuer, AccountRow.subject == subject)
        with self._archive.reading() as session:
            row = session.scalar(statement)
            return _account(row) if row else None

    def add(self, account: Account, password: str | None = None) -> None:
        """Add one; `password`: for a local account. Raises `InvalidInputError` where the name is taken."""
        if (password is None) == (not account.issuer):
            raise InvalidInputError("is for local accounts, and they need one", field="password")
        if password is not None:
            passwords.require_fit(password, account.name)
        kept = "" if password is None else passwords.hash_of(password)
        with self._archive.writing() as session:
            if session.get(AccountRow, account.name) is not None:
                raise InvalidInputError(f"{account.name!r} is taken", field="name")
            session.add(_row(replace(account, created=time.time()), kept))

    def change(self, account: Account) -> None:
        """Change what somebody is called, may do or see; those who may not log in any more are logged out."""
        with self._archive.writing() as session:
            row = _existing(session, account.name)
            row.full_name = account.full_name
            row.roles, row.projects, row.studies = _lists(account)
            row.active = account.active
            if not account.active:
                _log_out(session, account.name)

    def remove(self, name: str) -> None:
        """Remove somebody, with all that lets them in."""
        with self._archive.writing() as session:
            session.delete(_existing(session, name))
            _log_out(session, name)
            for table, owner in ((AccessTokenRow, AccessTokenRow.account), (ShareLinkRow, ShareLinkRow.made_by)):
                for row in session.scalars(select(table).where(owner == name)):
                    session.delete(row)

    def set_password(self, name: str, password: str) -> None:
        """Give a local account another password; whoever is logged in with the old one is logged out."""
        passwords.require_fit(password, name)
        kept = passwords.hash_of(password)
        with self._archive.writing() as session:
            row = _existing(session, name)
            if row.issuer:
                raise InvalidInputError("is kept by the identity provider of this account", field="password")
            row.password_hash = kept
            _log_out(session, name)

    def log_in(self, name: str, password: str) -> Account:
        """Who logs in; raises `LoginRefusedError`, or `TooManyAttemptsError` where it was tried too often.

        Whether there is such an account shows neither in the answer nor in the time it takes.
        """
        try:
            name = name_of(name)
        except InvalidInputError:
            name = ""
        self._attempts.require_open(name)
        with self._archive.reading() as session:
            row = session.get(AccountRow, name) if name else None
        right = passwords.matches(password, row.password_hash if row else "")
        if row is None or not right or not row.active:
            self._attempts.note_failure(name)
            raise LoginRefusedError
        rehashed = passwords.hash_of(password) if passwords.is_outdated(row.password_hash) else ""
        self._note_login(name, rehashed)
        return _account(row)

    def authenticate(self, name: str, password: str | None) -> Caller | None:
        """Who that is, or None where it cannot be believed; without a password it never can."""
        if password is None:
            return None
        try:
            return self.log_in(name, password).caller()
        except (LoginRefusedError, TooManyAttemptsError):
            return None

    def note_login(self, name: str) -> None:
        """Note that somebody logged in, by whatever proof."""
        self._note_login(name, "")

    def _note_login(self, name: str, password_hash: str) -> None:
        with self._archive.writing() as session:
            row = _existing(session, name)
            row.last_login = time.time()
            row.password_hash = password_hash or row.password_hash
            self._attempts.forget(session, name)


def _existing(session: Session, name: str) -> AccountRow:
    row = session.get(AccountRow, name)
    if row is None:
        raise InvalidInputError(f"{name!r} is not known", field="name")
    return row


def _log_out(session: Session, name: str) -> None:
    for row in session.scalars(select(SessionRow).where(SessionRow.account == name)):
        session.delete(row)


def _json(items: Iterable[str]) -> str:
    return json.dumps(sorted(items))


def _lists(account: Account) -> tuple[str, str, str]:
    return _json(account.roles), _json(account.projects), _json(account.studies)


def _row(account: Account, password_hash: str) -> AccountRow:
    roles, projects, studies = _lists(account)
    return AccountRow(
        name=account.name,
        full_name=account.full_name,
        password_hash=password_hash,
        issuer=account.issuer,
        subject=account.subject,
        roles=roles,
        projects=projects,
        studies=studies,
        active=account.active,
        created=account.created,
        last_login=account.last_login,
    )


def _account(row: AccountRow) -> Account:
    return Account(
        name=row.name,
        full_name=row.full_name,
        roles=frozenset(map(Role, json.loads(row.roles))),
        projects=frozenset(json.loads(row.projects)),
        studies=frozenset(json.loads(row.studies)),
        active=row.active,
        issuer=row.issuer,
        subject=row.subject,
        created=row.created,
        last_login=row.last_login,
    )
