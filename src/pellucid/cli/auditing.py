"""What commands do is written into the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from getpass import getuser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pellucid.archive import Archive


def note(archive: Archive, event: str, action: str, studies: Mapping[str, str], **detail: str) -> None:
    """Append an event; `studies`: Study Instance UID → Patient ID."""
    from pellucid.access import LOCAL, AuditEvent
    from pellucid.access.doorkeeper import trail_file
    from pellucid.access.trail import AuditTrail

    trail = AuditTrail(trail_file(archive))
    try:
        caller = replace(LOCAL, name=f"{getuser()} at the command line")
        trail.write(AuditEvent(event=event, action=action, caller=caller, studies=studies, detail=detail))
    finally:
        trail.close()
