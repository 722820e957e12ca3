"""One record of the audit trail, and the digest that chains it to the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from pellucid.access.audit_event import AuditEvent, Outcome

BEGINNING = "0" * 64
"""What stands for the digest before the first record."""


@dataclass(frozen=True, kw_only=True)
class AuditRecord:
    """An event as it is kept: `sequence` from 1 without gaps, `time` in UTC (ISO 8601), `digest` over all else."""

    sequence: int
    time: str
    event: str
    action: str
    outcome: Outcome
    caller: str
    kind: str
    address: str
    studies: Mapping[str, str]
    detail: Mapping[str, str]
    previous: str
    digest: str

    def computed_digest(self) -> str:
        """SHA-256 of everything in the record but the digest itself."""
        content = [
            self.sequence,
            self.time,
            self.event,
            self.action,
            int(self.outcome),
            self.caller,
            self.kind,
            self.address,
            dict(self.studies),
            dict(self.detail),
            self.previous,
        ]
        text = json.dumps(content, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def record_of(event: AuditEvent, *, sequence: int, time: str, previous: str) -> AuditRecord:
    """The record of an event that comes after the one with the digest `previous`."""
    open_record = AuditRecord(
        sequence=sequence,
        time=time,
        event=event.event,
        action=event.action,
        outcome=Outcome(event.outcome),
        caller=event.caller.name,
        kind=event.caller.kind,
        address=event.caller.address,
        studies=dict(event.studies),
        detail=dict(event.detail),
        previous=previous,
        digest="",
    )
    return AuditRecord(**{**vars(open_record), "digest": open_record.computed_digest()})
