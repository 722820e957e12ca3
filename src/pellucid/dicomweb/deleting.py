"""Deletion of studies, series and instances, as other archives offer it (the standard has none)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from pellucid.access import Permission
from pellucid.dicomweb.context import Context, place_of
from pellucid.dicomweb.resource import INSTANCE, SERIES, STUDY, Answer, Resource


def delete(context: Context, request: Request) -> Response:
    """Delete what the path names, and what is empty then."""
    records = context.records(request, Permission.DELETE)
    gone = context.archive.delete(*place_of(request))
    context.audit(request, "DICOM Study Deleted", "D", [records[0].study_instance_uid], instances=gone)
    return Response(status_code=204)


RESOURCES = tuple(
    Resource(
        method="DELETE",
        path=path,
        text=f"Delete the {level}, and what is empty then",
        section="beyond PS3.18",
        handler=delete,
        permission=Permission.DELETE,
        answers={204: Answer("It is gone")},
        problems=(404,),
    )
    for path, level in ((STUDY, "study"), (SERIES, "series"), (INSTANCE, "instance"))
)
