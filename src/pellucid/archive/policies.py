"""What is done with objects that contradict what is stored, and how much may be stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pellucid.archive.refusals import FailureReason, StoreRefusedError

Duplicates = Literal["refuse", "keep", "replace"]


@dataclass(frozen=True, kw_only=True)
class Policies:
    """Settings of storing.

    `duplicates`: what becomes of another object under a UID that is stored: it is refused, or accepted while the
    first is kept ("keep"), or takes its place while the first stays as a version ("replace"); `duplicates_by_source`:
    for some senders, by AE title or account. `other_patients`: whether a study takes instances of another Patient ID.
    `quarantine`: what is refused for such reasons is kept for an administrator. `quota_bytes`: of all objects (0: no
    limit); `quota_by_project`: of the studies of a project [byte].
    """

    duplicates: Duplicates = "refuse"
    duplicates_by_source: Mapping[str, Duplicates] = field(default_factory=dict)
    other_patients: Literal["accept", "refuse"] = "accept"
    quarantine: bool = False
    quota_bytes: int = 0
    quota_by_project: Mapping[str, int] = field(default_factory=dict)

    def duplicates_of(self, source: str) -> Duplicates:
        """What becomes of another object under a UID that is stored, from this sender."""
        title = source.rpartition("@")[2]
        return self.duplicates_by_source.get(source, self.duplicates_by_source.get(title, self.duplicates))


_CONFLICTS = (FailureReason.DUPLICATE_INSTANCE, FailureReason.DATA_SET_MISMATCH)


def is_conflict(error: StoreRefusedError) -> bool:
    """Whether an object was refused for what is stored already, not for what it is."""
    return error.reason in _CONFLICTS
