"""What the handlers of one service work with: the archive as the caller sees it, limits, and the audit trail."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.requests import HTTPConnection, Request

from pellucid.access import AuditEvent, AuditSink, Outcome, Permission
from pellucid.archive import Archive, InstanceRecord, View
from pellucid.archive.remembered import Remembered
from pellucid.dicomweb.answering import caller_of
from pellucid.dicomweb.limits import StoreLimits
from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.worklist import Worklist

_PICTURES_BYTES = 64 << 20


def no_audit(_event: AuditEvent) -> None:
    """An audit trail that keeps nothing."""


class Context:
    """The archive, the limits of requests that store, and the audit trail."""

    def __init__(self, archive: Archive, limits: StoreLimits, audit: AuditSink = no_audit) -> None:
        self.archive = archive
        self.limits = limits
        self.pictures = Remembered(_PICTURES_BYTES)
        self.worklist = Worklist(archive)
        self._audit = audit

    def view(self, request: HTTPConnection, needed: Permission = Permission.READ) -> View:
        """The archive as this caller sees it; raises `PermissionDeniedError`."""
        caller = caller_of(request)
        caller.require(needed)
        return self.archive.seen_by(caller.visible)

    def records(self, request: Request, needed: Permission = Permission.READ) -> list[InstanceRecord]:
        """The instances that the request's path names; raises `RequestError` 404 where there are none."""
        records = self.view(request, needed).instances(*place_of(request))
        if not records:
            raise not_found(request)
        return records

    def audit(
        self, request: HTTPConnection, event: str, action: str, studies: Iterable[str] = (), **detail: Any
    ) -> None:
        """Write what the caller did into the audit trail (PS3.15 section A.5.3)."""
        self._audit(
            AuditEvent(
                event=event,
                action=action,
                caller=caller_of(request),
                outcome=detail.pop("outcome", Outcome.SUCCESS),
                studies=dict.fromkeys(studies, ""),
                detail={name: str(value) for name, value in detail.items()},
            )
        )


def place_of(request: Request) -> tuple[str, str | None, str | None]:
    """Study, series and instance of the request's path."""
    given = request.path_params
    return given["study"], given.get("series"), given.get("instance")


def not_found(request: Request) -> RequestError:
    """The error for a study, series or instance that is not there for this caller."""
    level = next((level for level in ("instance", "series") if level in request.path_params), "study")
    return RequestError(404, f"no such {level}")
