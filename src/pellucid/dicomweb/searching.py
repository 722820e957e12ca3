"""QIDO-RS: the handlers of the search transaction (PS3.18 section 10.6)."""

from __future__ import annotations

import json

from starlette.requests import Request
from starlette.responses import Response

from pellucid.access import Permission
from pellucid.archive.query import Level
from pellucid.dicomweb.accept import MediaRange, not_acceptable
from pellucid.dicomweb.answering import base_of, ranges_of, warning
from pellucid.dicomweb.context import Context
from pellucid.dicomweb.dicom_xml import to_xml
from pellucid.dicomweb.multipart import Part
from pellucid.dicomweb.related import related
from pellucid.dicomweb.resource import DICOM_JSON, DICOM_XML, MULTIPART, SERIES, STUDY, Answer, Handler, Resource
from pellucid.dicomweb.search import Search

PARAMETERS = {
    "limit": ("integer", "Most matches; 5000 at once"),
    "offset": ("integer", "Matches passed over"),
    "fuzzymatching": ("string", "true: beginnings of words of names match"),
    "emptyvaluematching": ("string", 'true: the value "" (two quotes) matches what has no value'),
    "includefield": (
        "string",
        "Keywords or tags, of sequences joined by dots, separated by commas, or all; repeatable",
    ),
    "accept": ("string", "Media type; instead of the header"),
}


def _search(level: Level) -> Handler:
    def handler(context: Context, request: Request) -> Response:
        fixed = {
            keyword: request.path_params[name]
            for name, keyword in (("study", "StudyInstanceUID"), ("series", "SeriesInstanceUID"))
            if name in request.path_params
        }
        search = Search(level, fixed, request.query_params.multi_items())
        chosen = chosen_form(ranges_of(request))
        texts, more = search.results(context.view(request, Permission.FIND), base_of(request))
        context.audit(request, "Query", "E", fixed.values() if level != "study" else (), query=request.url.query)
        told = list(search.ignored)
        headers = warning([*told, "There are additional results that can be requested"] if more else told)
        if more:
            following = request.url.include_query_params(offset=search.offset + search.limit, limit=search.limit)
            headers["Link"] = f'<{following}>; rel="next"'
        return given_texts(texts, chosen, headers)

    return handler


def chosen_form(ranges: list[MediaRange]) -> str:
    """Whether data sets are given as JSON or as XML."""
    for wanted in ranges:
        if wanted.allows(DICOM_JSON) or wanted.part == "application/json":
            return DICOM_JSON
        if wanted.multipart and wanted.allows(DICOM_XML):
            return DICOM_XML
    raise not_acceptable(f'{DICOM_JSON} or {MULTIPART}; type="{DICOM_XML}"')


def given_texts(texts: list[str], form: str, headers: dict[str, str]) -> Response:
    """Data sets, each as DICOM JSON in text, as one JSON array or as parts of XML; 204 where there are none."""
    if not texts:
        return Response(status_code=204, headers=headers)
    if form == DICOM_XML:
        response = related(DICOM_XML, (Part(DICOM_XML, to_xml(json.loads(text))) for text in texts))
        response.headers.update(headers)
        return response
    return Response(f"[{','.join(texts)}]", headers=headers, media_type=DICOM_JSON)


def _resource(path: str, level: Level, what: str) -> Resource:
    return Resource(
        method="GET",
        path=path,
        text=f"Search for {what} (QIDO-RS). Any other query parameter is a keyword or tag that must match.",
        section="10.6",
        handler=_search(level),
        permission=Permission.FIND,
        answers={
            200: Answer(
                "The matches; Warning headers name what was ignored and how many more there are",
                (DICOM_JSON, MULTIPART),
                "DicomObjects",
            ),
            204: Answer("There are no matches"),
        },
        query=PARAMETERS,
        problems=(400, 406),
    )


RESOURCES = (
    _resource("/studies", "study", "studies"),
    _resource("/series", "series", "series of all studies"),
    _resource("/instances", "instance", "instances of all studies"),
    _resource(STUDY + "/series", "series", "series of a study"),
    _resource(STUDY + "/instances", "instance", "instances of a study"),
    _resource(SERIES + "/instances", "instance", "instances of a series"),
)
