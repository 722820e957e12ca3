"""Who asks, and what they may do: the same for every door (HTTP, DIMSE, command line)."""

from pellucid.access.audit_event import AuditEvent, AuditSink, Outcome
from pellucid.access.caller import LOCAL, Caller, Permission, PermissionDeniedError

__all__ = ["LOCAL", "AuditEvent", "AuditSink", "Caller", "Outcome", "Permission", "PermissionDeniedError"]
