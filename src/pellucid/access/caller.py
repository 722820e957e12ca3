"""A caller: a person, a DICOM application, or someone with a link; what they may do and see."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pellucid.archive import EVERYTHING, Visible
from pellucid.errors import PellucidError


class Permission(StrEnum):
    """What a caller may do with what they see."""

    FIND = "find"
    """Search studies, worklists and procedure steps."""

    READ = "read"
    """Retrieve images, raw signals and what is rendered from them."""

    STORE = "store"
    """Store instances and raw signals, and reconstruct."""

    CORRECT = "correct"
    """Correct or merge patients and studies."""

    DELETE = "delete"
    """Delete instances and raw signals."""

    SCHEDULE = "schedule"
    """Create and change work items and procedure steps."""

    SHARE = "share"
    """Give others a link to a study."""

    ADMINISTER = "administer"
    """Change users, application entities, rules, storage and jobs of others."""

    AUDIT = "audit"
    """Read the audit trail."""


class PermissionDeniedError(PellucidError):
    """A caller asked for what they may not do."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks: `name` is an account, an AE title, or a link's id; `address` is where they connect from."""

    name: str
    kind: Literal["local", "account", "ae", "link", "nobody"]
    permissions: frozenset[Permission]
    visible: Visible
    address: str = ""

    def may(self, permission: Permission) -> bool:
        """Whether the caller has the permission."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raises `PermissionDeniedError` where the caller does not have the permission."""
        if not self.may(permission):
            raise PermissionDeniedError(f"{self.name} may not {permission}")


LOCAL = Caller(name="local", kind="local", permissions=frozenset(Permission), visible=EVERYTHING)
"""Whoever sits at this machine, where it is used without accounts."""
