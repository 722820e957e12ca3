"""What is written into the audit trail, in the terms of DICOM PS3.15 section A.5."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from pellucid.access.caller import Caller


class Outcome(IntEnum):
    """Event Outcome Indicator (RFC 3881 section 5.1.4)."""

    SUCCESS = 0
    MINOR_FAILURE = 4
    SERIOUS_FAILURE = 8
    MAJOR_FAILURE = 12


@dataclass(frozen=True, kw_only=True)
class AuditEvent:
    """One event: `event` is the DICOM audit message (table A.5.3-x), such as "Query" or "DICOM Instances Transferred".

    `action`: C(reate), R(ead), U(pdate), D(elete) or E(xecute). `studies`: Study Instance UID → Patient ID.
    `detail`: what else must be known, such as the query or the number of instances; never pixel data or passwords.
    """

    event: str
    action: str
    caller: Caller
    outcome: Outcome = Outcome.SUCCESS
    studies: Mapping[str, str] = field(default_factory=dict)
    detail: Mapping[str, str] = field(default_factory=dict)


AuditSink = Callable[[AuditEvent], None]
"""Writes one event into the trail before the answer leaves; raises where it cannot."""
