"""Application entities that this one knows: who may call, from where, for what, and where each is reached."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select

from pellucid.access import Caller, Permission
from pellucid.archive import EVERYTHING, Archive, Visible
from pellucid.dimse.tables import ApplicationEntityRow
from pellucid.errors import InvalidInputError

ANYONE = "*"
"""As a title: a rule for every caller that has none of its own."""

_TITLE = re.compile(r"[ -\[\]-~]{1,16}")
_OF_AN_AE = frozenset({Permission.FIND, Permission.READ, Permission.STORE, Permission.SCHEDULE})


@dataclass(frozen=True, kw_only=True)
class ApplicationEntity:
    """A partner. Without `permissions` it may not call; without a `port` nothing can be sent to it.

    `addresses`: the networks it may call from (empty: any); `called_titles`: the titles of this side that it may
    call (empty: any); `projects`: what it sees (empty: everything).
    """

    title: str
    host: str = ""
    port: int = 0
    tls: bool = False
    addresses: tuple[str, ...] = ()
    called_titles: tuple[str, ...] = ()
    permissions: frozenset[Permission] = frozenset()
    projects: frozenset[str] = frozenset()
    description: str = ""

    def __post_init__(self) -> None:
        title_of(self.title)
        for called in self.called_titles:
            title_of(called, "called title")
        for address in self.addresses:
            _network(address)
        if not 0 <= self.port <= 65535 or (self.port and not self.host):
            raise InvalidInputError(f"is {self.host}:{self.port}; expected a host and a port up to 65535", field="port")
        if unfit := self.permissions - _OF_AN_AE:
            known = ", ".join(sorted(_OF_AN_AE))
            raise InvalidInputError(f"{', '.join(sorted(unfit))} is not for application entities; known: {known}")

    def may_call_from(self, address: str, called_title: str) -> bool:
        """Whether it may call this title from this address."""
        if not self.permissions or (self.called_titles and called_title not in self.called_titles):
            return False
        caller = ipaddress.ip_address(address)
        return not self.addresses or any(caller in _network(network) for network in self.addresses)

    @property
    def visible(self) -> Visible:
        """What it sees."""
        return Visible(projects=self.projects) if self.projects else EVERYTHING


def title_of(text: str, field: str = "AE title") -> str:
    """An AE title without its padding (PS3.5 table 6.2-1); raises `InvalidInputError`."""
    title = text.strip()
    if not _TITLE.fullmatch(title):
        raise InvalidInputError(f"is {text!r}; expected 1 to 16 printable characters, no backslash", field=field)
    return title


class Partners:
    """The application entities in the archive's database."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def all(self) -> list[ApplicationEntity]:
        """Every one, by title."""
        with self._archive.reading() as session:
            rows = session.scalars(select(ApplicationEntityRow).order_by(ApplicationEntityRow.title))
            return [_entity(row) for row in rows]

    def find(self, title: str) -> ApplicationEntity | None:
        """The one of this title."""
        with self._archive.reading() as session:
            row = session.get(ApplicationEntityRow, title)
            return _entity(row) if row else None

    def destination(self, title: str) -> ApplicationEntity | None:
        """The one of this title, where something can be sent to it."""
        found = self.find(title)
        return found if found and found.port else None

    def put(self, entity: ApplicationEntity) -> None:
        """Add one, or change the one of that title."""
        with self._archive.writing() as session:
            session.merge(_row(entity))

    def remove(self, title: str) -> bool:
        """Remove one; whether it was there."""
        with self._archive.writing() as session:
            row = session.get(ApplicationEntityRow, title)
            if row is not None:
                session.delete(row)
            return row is not None

    def caller(self, calling: str, called: str, address: str, *, open_to_loopback: bool) -> Caller | None:
        """Who calls, by the rule for this title, or else by the rule for anyone; None where no rule lets them.

        `open_to_loopback`: programs on this machine that no rule names may do everything.
        """
        rule = self.find(calling) if calling != ANYONE else None
        if rule is None or not rule.permissions:
            rule = self.find(ANYONE)
        if rule is not None and rule.permissions:
            if not rule.may_call_from(address, called):
                return None
            return _caller(calling, rule.permissions, rule.visible, address)
        if open_to_loopback and ipaddress.ip_address(address).is_loopback:
            return _caller(calling, _OF_AN_AE, EVERYTHING, address)
        return None

    def let_anyone_in(self) -> bool:
        """Whether there is any rule at all."""
        return any(entity.permissions for entity in self.all())


def both(first: Caller, second: Caller) -> Caller:
    """A person at an application: what both may do and see."""
    return Caller(
        name=f"{second.name}@{first.name}",
        kind=second.kind,
        permissions=first.permissions & second.permissions,
        visible=_common(first.visible, second.visible),
        address=first.address,
    )


def _common(first: Visible, second: Visible) -> Visible:
    if first.everything or second.everything:
        return second if first.everything else first
    return Visible(projects=first.projects & second.projects, studies=first.studies & second.studies)


def _caller(title: str, permissions: Iterable[Permission], visible: Visible, address: str) -> Caller:
    return Caller(name=title, kind="ae", permissions=frozenset(permissions), visible=visible, address=address)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InvalidInputError(
            f"is {text!r}; expected an address or a network such as 10.1.0.0/16", field="address"
        ) from None


def _entity(row: ApplicationEntityRow) -> ApplicationEntity:
    return ApplicationEntity(
        title=row.title,
        host=row.host,
        port=row.port,
        tls=row.tls,
        addresses=tuple(json.loads(row.addresses)),
        called_titles=tuple(json.loads(row.called_titles)),
        permissions=frozenset(map(Permission, json.loads(row.permissions))),
        projects=frozenset(json.loads(row.projects)),
        description=row.description,
    )


def _row(entity: ApplicationEntity) -> ApplicationEntityRow:
    return ApplicationEntityRow(
        title=entity.title,
        host=entity.host,
        port=entity.port,
        tls=entity.tls,
        addresses=json.dumps(entity.addresses),
        called_titles=json.dumps(entity.called_titles),
        permissions=json.dumps(sorted(entity.permissions)),
        projects=json.dumps(sorted(entity.projects)),
        description=entity.description,
    )
