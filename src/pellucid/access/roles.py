"""Roles, and what each may do; somebody with several may do what any of them may."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from pellucid.access.caller import Permission
from pellucid.errors import UnknownOptionError


class Role(StrEnum):
    """What somebody is here."""

    READER = "reader"
    """Looks at images."""

    TECHNOLOGIST = "technologist"
    """Makes images: stores them, reconstructs, works through the worklist. Also called radiographer."""

    PHYSICIAN = "physician"
    """Reads images, stores findings, shows studies to others. Also called radiologist."""

    SCIENTIST = "scientist"
    """Reconstructs and measures. Also called physicist."""

    MONITOR = "monitor"
    """Looks at the studies of particular projects, never at all studies: for trials."""

    ADMINISTRATOR = "administrator"
    """Runs the archive. Reading the audit trail is another's task."""

    AUDITOR = "auditor"
    """Reads the audit trail, and nothing else."""


_P = Permission
PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.READER: frozenset({_P.FIND, _P.READ}),
    Role.TECHNOLOGIST: frozenset({_P.FIND, _P.READ, _P.STORE, _P.SCHEDULE}),
    Role.PHYSICIAN: frozenset({_P.FIND, _P.READ, _P.STORE, _P.SCHEDULE, _P.SHARE}),
    Role.SCIENTIST: frozenset({_P.FIND, _P.READ, _P.STORE}),
    Role.MONITOR: frozenset({_P.FIND, _P.READ}),
    Role.ADMINISTRATOR: frozenset(_P) - {_P.AUDIT},
    Role.AUDITOR: frozenset({_P.AUDIT}),
}

_ALSO_CALLED = {
    "radiographer": Role.TECHNOLOGIST,
    "radiologist": Role.PHYSICIAN,
    "physicist": Role.SCIENTIST,
    "trial monitor": Role.MONITOR,
}


def role_of(text: str) -> Role:
    """The role of a name; raises `UnknownOptionError`."""
    name = text.strip().lower()
    try:
        return _ALSO_CALLED.get(name) or Role(name)
    except ValueError:
        raise UnknownOptionError("role", text, [*Role, *_ALSO_CALLED]) from None


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    """What somebody with these roles may do."""
    return frozenset().union(*(PERMISSIONS[role] for role in roles))
