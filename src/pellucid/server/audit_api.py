"""The audit trail, searched; that somebody does is noted in it (PS3.15 section A.5.3.2)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query
from fastapi import Path as PathParameter
from fastapi.responses import Response

from pellucid.access import AuditEvent
from pellucid.access.audit_message import message_of
from pellucid.access.doorkeeper import Doorkeeper
from pellucid.access.trail import AuditSearch
from pellucid.dicomweb.problems import EVERYWHERE
from pellucid.server import access_answers as forms
from pellucid.server.answers import problems
from pellucid.server.callers import Auditor

Text = Annotated[str, Query(max_length=128)]
_XML = {"description": "The message", "content": {"application/xml": {"schema": {"type": "string"}}}}
_LOGGED = 200


def audit_api(keeper: Doorkeeper) -> APIRouter:
    """The routes of /api/audit."""
    router = APIRouter(responses=problems(*EVERYWHERE), tags=["access"])

    @router.get("/api/audit", response_model=forms.Records, responses=problems(422))
    def search(
        caller: Auditor,
        *,
        event: Text = "",
        who: Text = "",
        subject: Text = "",
        since: Annotated[str, Query(pattern=r"^[0-9T:.+-]{0,32}$")] = "",
        until: Annotated[str, Query(pattern=r"^[0-9T:.+-]{0,32}$")] = "",
        failures: bool = False,
        before: Annotated[int, Query(ge=0, le=1 << 60)] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        """Records of the audit trail, the newest first; `subject` is a Study Instance UID or a Patient ID."""
        asked = AuditSearch(
            event=event,
            caller=who,
            subject=subject,
            since=since,
            until=until,
            failures_only=failures,
            before=before,
            limit=limit + 1,
        )
        found = keeper.trail.search(asked)
        given = {name: str(value)[:_LOGGED] for name, value in vars(asked).items() if value and name != "limit"}
        keeper.audit(AuditEvent(event="Audit Log Used", action="R", caller=caller, detail=given))
        return {"records": [forms.record_json(record) for record in found[:limit]], "more": len(found) > limit}

    @router.get(
        "/api/audit/{sequence}",
        response_class=Response,
        responses={200: _XML, **problems(404, 422)},
    )
    def message(sequence: Annotated[int, PathParameter(ge=1, le=1 << 60)], caller: Auditor) -> Response:
        """A record as a DICOM audit message (PS3.15 section A.5.1)."""
        found = keeper.trail.after(sequence - 1, 1)
        if not found or found[0].sequence != sequence:
            raise HTTPException(404, "no such record")
        keeper.audit(AuditEvent(event="Audit Log Used", action="R", caller=caller, detail={"subject": str(sequence)}))
        return Response(message_of(found[0], source="pellucid"), media_type="application/xml")

    return router
