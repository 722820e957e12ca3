"""WADO-URI: one object by query parameters (PS3.18 chapter 9)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from pellucid.access import Permission
from pellucid.archive import InstanceRecord, View
from pellucid.codecs.syntaxes import SYNTAXES
from pellucid.dicomweb.accept import accepted, not_acceptable
from pellucid.dicomweb.answering import base_of
from pellucid.dicomweb.context import Context
from pellucid.dicomweb.documents import document_media
from pellucid.dicomweb.films import film
from pellucid.dicomweb.instances import EXPLICIT, instance, refuses
from pellucid.dicomweb.pictures import document_response, picture
from pellucid.dicomweb.pixels import Pixels
from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.rendered import representative_frame
from pellucid.dicomweb.rendering import PICTURES, Rendering, Viewport, quality_of, window_of
from pellucid.dicomweb.representation import Body, entity_tag, respond
from pellucid.dicomweb.resource import DICOM, Answer, Resource

_FILM = "video/mp4"
_PICTURE_PARAMETERS = ("rows", "columns", "region", "windowCenter", "windowWidth", "imageQuality", "annotation")
_PARAMETERS = {
    "requestType": ("string", "WADO"),
    "studyUID": ("string", "Study Instance UID"),
    "seriesUID": ("string", "Series Instance UID"),
    "objectUID": ("string", "SOP Instance UID"),
    "contentType": ("string", "Media types, the preferred first"),
    "charset": ("string", "Of text: UTF-8"),
    "anonymize": ("string", "yes: refused, objects are given as they are"),
    "transferSyntax": ("string", "UID; of application/dicom"),
    "frameNumber": ("integer", "Frame, from 1"),
    "rows": ("integer", "Most rows of the picture"),
    "columns": ("integer", "Most columns of the picture"),
    "region": ("string", "left,top,right,bottom, each from 0 to 1"),
    "windowCenter": ("number", "With windowWidth"),
    "windowWidth": ("number", "With windowCenter"),
    "imageQuality": ("integer", "1 to 100"),
    "annotation": ("string", "patient, technique, or both"),
    "presentationUID": ("string", "Refused: presentation states are not applied"),
    "presentationSeriesUID": ("string", "With presentationUID"),
}


def retrieve(context: Context, request: Request) -> Response:
    """One object, as DICOM or as people look at it."""
    query = request.query_params
    record, view = _record(context, request), context.view(request)
    if query.get("anonymize"):
        raise RequestError(406, "objects are given as they are; anonymize is not done")
    if query.get("presentationUID") or query.get("presentationSeriesUID"):
        raise RequestError(406, "presentation states are not applied")
    if query.get("charset", "utf-8").lower() not in ("utf-8", "utf8", "*"):
        raise RequestError(406, "text is given in UTF-8")
    context.audit(request, "DICOM Instances Accessed", "R", [record.study_instance_uid], instances=1)
    media = _media(record, query)
    if media == DICOM:
        return _as_dicom(request, view, record, query)
    if query.get("transferSyntax"):
        raise RequestError(400, f"transferSyntax is of {DICOM}")
    if media not in (*PICTURES, _FILM):
        return document_response(view, request, record, media)
    rendering = replace(_rendering(query, record), media_type=media)
    pixels = Pixels(view, record)
    if media == _FILM:
        return respond(
            request, Body.of(film(pixels, rendering), media, tag=entity_tag(record.object_sha256, rendering))
        )
    number = query.get("frameNumber")
    frame = representative_frame(pixels) if number is None else _frame(number, record.number_of_frames)
    return respond(request, picture(context, pixels, frame, rendering))


def _record(context: Context, request: Request) -> InstanceRecord:
    query = request.query_params
    if query.get("requestType") != "WADO":
        raise RequestError(400, f"requestType: is {query.get('requestType')!r}; expected WADO")
    uids = [query.get(name, "") for name in ("studyUID", "seriesUID", "objectUID")]
    if not all(re.fullmatch(r"[0-9.]{1,64}", uid) for uid in uids):
        raise RequestError(400, "studyUID, seriesUID and objectUID: expected a UID each")
    records = context.view(request).instances(*uids)
    if not records:
        raise RequestError(404, "no such instance")
    return records[0]


def _media(record: InstanceRecord, query: Mapping[str, str]) -> str:
    """The media type that is preferred of those that this object can have (PS3.18 table 9.4.1-1)."""
    document = document_media(record.sop_class_uid)
    if document:
        offered = [document, DICOM]
    elif not record.pixel_tag:
        offered = [DICOM]
    elif record.number_of_frames > 1 and "frameNumber" not in query:
        offered = [DICOM, _FILM, *PICTURES]
    else:
        offered = [*PICTURES, DICOM]
    for wanted in accepted({}, {"accept": query.get("contentType") or "*/*"}):
        found = next((media for media in offered if wanted.allows(media)), None)
        if found is not None:
            return found
    raise not_acceptable(", ".join(offered))


def _as_dicom(request: Request, view: View, record: InstanceRecord, query: Mapping[str, str]) -> Response:
    given = [name for name in (*_PICTURE_PARAMETERS, "frameNumber") if query.get(name)]
    if given:
        raise RequestError(400, f"{given[0]}: has no meaning for {DICOM}")
    syntax = query.get("transferSyntax") or EXPLICIT
    if syntax != EXPLICIT and (syntax not in SYNTAXES or refuses(view, record, syntax)):
        raise RequestError(406, f"transferSyntax: the object cannot be given as {syntax!r} without loss")
    return respond(request, instance(view, record, syntax, base_of(request)))


def _rendering(query: Mapping[str, str], record: InstanceRecord) -> Rendering:
    centre, width = query.get("windowCenter"), query.get("windowWidth")
    if bool(centre) != bool(width):
        raise RequestError(400, "windowCenter and windowWidth: one needs the other")
    asked = Rendering.asked({"annotation": query.get("annotation", "")})
    return replace(
        asked,
        window=window_of(f"{centre},{width}") if centre else None,
        viewport=_viewport(query, record),
        quality=quality_of(query.get("imageQuality") or "90"),
    )


def _viewport(query: Mapping[str, str], record: InstanceRecord) -> Viewport | None:
    left, top, right, bottom = _region(query.get("region", ""))
    if not any(query.get(name) for name in ("rows", "columns", "region")):
        return None
    width, height = (right - left) * record.columns, (bottom - top) * record.rows
    columns, rows = (_size(name, query.get(name)) for name in ("columns", "rows"))
    # One side alone says nothing of the other: the picture keeps its proportions.
    fitted = Viewport(columns or 8192, rows or 8192, left * record.columns, top * record.rows, width, height)
    if columns or rows:
        return fitted
    return replace(fitted, width=max(1, round(width)), height=max(1, round(height)))


def _region(text: str) -> tuple[float, float, float, float]:
    if not text:
        return 0.0, 0.0, 1.0, 1.0
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError:
        left = top = right = bottom = -1.0
    if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
        raise RequestError(400, f"region: is {text!r}; expected left,top,right,bottom, each from 0 to 1")
    return left, top, right, bottom


def _size(name: str, text: str | None) -> int:
    if not text:
        return 0
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 8192:
        raise RequestError(400, f"{name}: is {text!r}; expected 1 … 8192")
    return int(text)


def _frame(text: str, count: int) -> int:
    if not text.isascii() or not text.isdigit() or int(text[:9]) < 1:
        raise RequestError(400, f"frameNumber: is {text!r}; expected a number from 1")
    if int(text) > count:
        raise RequestError(404, f"frame {text} does not exist; the instance has {count}")
    return int(text) - 1


RESOURCES = (
    Resource(
        method="GET",
        path="/wado",
        text="One object by query parameters (WADO-URI)",
        section="9",
        handler=retrieve,
        permission=Permission.READ,
        answers={
            200: Answer("The object", (DICOM, *PICTURES, _FILM, "text/html", "application/pdf", "text/xml", "model/*")),
            206: Answer("The range of it", (DICOM, *PICTURES, _FILM)),
            304: Answer("It has not changed"),
        },
        query=_PARAMETERS,
        problems=(400, 404, 406, 416),
    ),
)
