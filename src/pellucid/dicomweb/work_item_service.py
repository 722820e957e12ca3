"""UPS-RS: the handlers of the worklist service (PS3.18 chapter 11)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pellucid.access import Caller, Permission
from pellucid.archive.levels import tag_of
from pellucid.dicomweb.answering import base_of, caller_of, ranges_of, warning
from pellucid.dicomweb.attribute_matching import path_of
from pellucid.dicomweb.context import Context
from pellucid.dicomweb.dicom_xml import from_xml
from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.resource import DICOM_JSON, DICOM_XML, MULTIPART, Answer, Handler, Resource
from pellucid.dicomweb.searching import PARAMETERS, chosen_form, given_texts
from pellucid.dicomweb.work_items import STATE, TRANSACTION, as_text, first

_ITEM = "/workitems/{workitem}"
_SUBSCRIBER = _ITEM + "/subscribers/{subscriber}"
_EVENTS = "/subscribers/{subscriber}/events"
_BODY_BYTES = 1 << 20
_MOST = 1000
_TITLE = re.compile(r"(?=.*[^ ])[ !-\[\]-~]{1,16}")
_OPTIONS = ("limit", "offset", "fuzzymatching", "emptyvaluematching", "includefield", "accept")


async def create(context: Context, request: Request) -> Response:
    """Create a work item; its UID is in the data set, in the query, or made here."""
    caller, item = _allowed(request, Permission.SCHEDULE), await _body(request)
    named = next((name for name in request.query_params if re.fullmatch("[0-9.]{1,64}", name)), None)
    asked = request.query_params.get("workitem") or request.query_params.get("AffectedSOPInstanceUID") or named
    uid = await run_in_threadpool(context.worklist.create, item, asked, caller)
    context.audit(request, "Procedure Record", "C", item=uid)
    url = f"{base_of(request)}/workitems/{uid}"
    return Response(status_code=201, headers={"Location": url, "Content-Location": url})


def retrieve(context: Context, request: Request) -> Response:
    """A work item."""
    caller, form = _allowed(request, Permission.FIND), chosen_form(ranges_of(request))
    item = context.worklist.get(request.path_params["workitem"], caller)
    context.audit(request, "Procedure Record", "R", item=request.path_params["workitem"])
    return given_texts([as_text(item)], form, {})


def search(context: Context, request: Request) -> Response:
    """Work items that match."""
    caller, form = _allowed(request, Permission.FIND), chosen_form(ranges_of(request))
    query = request.query_params
    filters = {path_of(name): value for name, value in query.multi_items() if name not in _OPTIONS}
    fuzzy = query.get("fuzzymatching", "false")
    if fuzzy not in ("true", "false"):
        raise RequestError(400, f"fuzzymatching: is {fuzzy[:40]!r}; expected true or false")
    limit, offset = min(_MOST, _count(query, "limit", _MOST)), _count(query, "offset", 0)
    found: list[str] = []
    more = 0
    for number, item in enumerate(context.worklist.find(filters, caller, fuzzy=fuzzy == "true")):
        if number >= offset + limit:
            more += 1
        elif number >= offset:
            found.append(as_text(item))
    context.audit(request, "Query", "E", query=request.url.query)
    text = [f"There are {more} additional results that can be requested"] if more else []
    return given_texts(found, form, warning(text))


async def update(context: Context, request: Request) -> Response:
    """Change attributes of a work item."""
    caller, changes = _allowed(request, Permission.SCHEDULE), await _body(request)
    uid, query = request.path_params["workitem"], request.query_params
    named = next((name for name in query if re.fullmatch("[0-9.]{1,64}", name)), "")
    transaction = query.get("transaction-uid") or named or str(first(changes, TRANSACTION))
    await run_in_threadpool(context.worklist.update, uid, changes, transaction, caller)
    context.audit(request, "Procedure Record", "U", item=uid)
    return Response(status_code=200, headers={"Content-Location": f"{base_of(request)}/workitems/{uid}"})


async def change_state(context: Context, request: Request) -> Response:
    """Begin, complete or cancel a work item."""
    caller, asked = _allowed(request, Permission.SCHEDULE), await _body(request)
    uid, state, transaction = request.path_params["workitem"], first(asked, STATE), first(asked, TRANSACTION)
    text = await run_in_threadpool(context.worklist.change_state, uid, str(state), str(transaction), caller)
    context.audit(request, "Procedure Record", "U", item=uid, state=state)
    headers = {"Content-Location": f"{base_of(request)}/workitems/{uid}", **warning([text] if text else [])}
    return Response(status_code=200, headers=headers)


async def request_cancellation(context: Context, request: Request) -> Response:
    """Ask that a work item be canceled."""
    caller, reasons = _allowed(request, Permission.SCHEDULE), await _body(request, empty=True)
    uid = request.path_params["workitem"]
    text = await run_in_threadpool(context.worklist.request_cancellation, uid, reasons, caller)
    context.audit(request, "Procedure Record", "U", item=uid, state="cancellation requested")
    return Response(status_code=202, headers=warning([text] if text else []))


def subscribe(context: Context, request: Request) -> Response:
    """Hear of a work item, or of all of them."""
    caller, subscriber = _allowed(request, Permission.FIND), _subscriber(request)
    query = request.query_params
    lock = query.get("deletionlock", "false").lower()
    if lock not in ("true", "false"):
        raise RequestError(400, f"deletionlock: is {lock[:40]!r}; expected true or false")
    uid = request.path_params["workitem"]
    context.worklist.subscribe(uid, subscriber, caller, lock=lock == "true", filters=_filters(query))
    context.audit(request, "Procedure Record", "U", item=uid, subscriber=subscriber)
    channel = re.sub("^http", "ws", f"{base_of(request)}/ws/subscribers/{subscriber}")
    return Response(status_code=201, headers={"Content-Location": channel})


def unsubscribe(context: Context, request: Request) -> Response:
    """Hear no more of a work item, or of any."""
    caller, subscriber = _allowed(request, Permission.FIND), _subscriber(request)
    context.worklist.unsubscribe(request.path_params["workitem"], subscriber, caller)
    context.audit(request, "Procedure Record", "U", item=request.path_params["workitem"], subscriber=subscriber)
    return Response(status_code=200)


def suspend(context: Context, request: Request) -> Response:
    """Hear of no new work items."""
    caller, subscriber = _allowed(request, Permission.FIND), _subscriber(request)
    context.worklist.suspend(request.path_params["workitem"], subscriber, caller)
    context.audit(request, "Procedure Record", "U", item=request.path_params["workitem"], subscriber=subscriber)
    return Response(status_code=200)


def events(context: Context, request: Request) -> Response:
    """What a subscriber has not been told yet, for those who ask instead of holding a WebSocket."""
    caller, subscriber = _allowed(request, Permission.FIND), _subscriber(request)
    after = _count(request.query_params, "after", 0)
    found = context.worklist.events(subscriber, caller, after=after)
    if after:
        context.worklist.forget_events(subscriber, after)
    headers = {"X-Last-Event": str(found[-1][0])} if found else {}
    if not found:
        return Response(status_code=204)
    return JSONResponse([json.loads(report) for _, report in found], headers=headers, media_type=DICOM_JSON)


def _allowed(request: Request, permission: Permission) -> Caller:
    caller = caller_of(request)
    caller.require(permission)
    return caller


def _subscriber(request: Request) -> str:
    title = str(request.path_params["subscriber"])
    if not _TITLE.fullmatch(title):
        raise RequestError(400, f"{title[:40]!r} is not an application entity title of up to 16 characters")
    return title


def _filters(query: Mapping[str, str]) -> dict[str, str]:
    """Filters of a subscription: query parameters, or `filter=Keyword=value,Keyword=value`."""
    pairs = [part.partition("=") for part in query.get("filter", "").split(",") if part]
    given = {name: value for name, _, value in pairs}
    given |= {name: value for name, value in query.items() if name not in ("filter", "deletionlock", "accept")}
    return {path_of(name): value for name, value in given.items()}


def _count(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise RequestError(400, f"{name}: is {text[:40]!r}; expected an integer >= 0")
    return int(text)


async def _body(request: Request, *, empty: bool = False) -> dict[str, Any]:
    """The one data set of a request, as DICOM JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    pieces: list[bytes] = []
    async for piece in request.stream():
        pieces.append(piece)
        if sum(map(len, pieces)) > _BODY_BYTES:
            raise RequestError(413, f"the request is larger than {_BODY_BYTES} bytes")
    content = b"".join(pieces)
    if empty and not content.strip():
        return {}
    if kind == DICOM_XML:
        return from_xml(content)
    if kind not in (DICOM_JSON, "application/json"):
        raise RequestError(415, f"Content-Type is {kind or 'missing'}; expected {DICOM_JSON} or {DICOM_XML}")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"the body is not JSON ({str(error)[:100]})") from None
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    if not isinstance(found, dict):
        raise RequestError(400, "the body is not one DICOM JSON object, nor an array of one")
    for tag in (STATE, TRANSACTION, tag_of("SOPInstanceUID")):
        if not isinstance(found.get(tag, {}), dict) or not isinstance(found.get(tag, {}).get("Value", []), list):
            raise RequestError(400, f"attribute {tag} is not an element of the DICOM JSON model")
    return found


def _resource(
    method: str,
    path: str,
    text: str,
    section: str,
    handler: Handler,
    permission: Permission,
    answers: Mapping[int, Answer],
    problems: tuple[int, ...],
    *,
    query: Mapping[str, tuple[str, str]] | None = None,
    body: bool = False,
) -> Resource:
    return Resource(
        method=method,
        path=path,
        text=f"{text} (UPS-RS)",
        section=section,
        handler=handler,
        permission=permission,
        answers=answers,
        query=query or {},
        body=(DICOM_JSON, DICOM_XML) if body else (),
        problems=problems,
    )


_SEARCH = {name: told for name, told in PARAMETERS.items() if name not in ("emptyvaluematching", "includefield")}
_DATA = (DICOM_JSON, MULTIPART)
_ACCEPT = {"accept": ("string", "Media type; instead of the header")}
_CHANGE = (400, 404, 409, 413, 415)
RESOURCES = (
    _resource(
        "POST",
        "/workitems",
        "Create a work item",
        "11.4",
        create,
        Permission.SCHEDULE,
        {201: Answer("It is created; Location says where")},
        (400, 409, 413, 415),
        query={"workitem": ("string", "SOP Instance UID; else that of the data set")},
        body=True,
    ),
    _resource(
        "GET",
        "/workitems",
        "Search for work items. Any other query parameter is a keyword or tag that must match",
        "11.9",
        search,
        Permission.FIND,
        {200: Answer("The matches", _DATA, "DicomObjects"), 204: Answer("There are no matches")},
        (400, 406),
        query=_SEARCH,
    ),
    _resource(
        "GET",
        _ITEM,
        "Retrieve a work item",
        "11.5",
        retrieve,
        Permission.FIND,
        {200: Answer("The work item, without its Transaction UID", _DATA, "DicomObjects")},
        (400, 404, 406),
        query=_ACCEPT,
    ),
    _resource(
        "POST",
        _ITEM,
        "Update a work item",
        "11.6",
        update,
        Permission.SCHEDULE,
        {200: Answer("It is changed")},
        _CHANGE,
        query={"transaction-uid": ("string", "Of a work item in progress")},
        body=True,
    ),
    _resource(
        "PUT",
        _ITEM + "/state",
        "Begin, complete or cancel a work item",
        "11.7",
        change_state,
        Permission.SCHEDULE,
        {200: Answer("It has that state")},
        _CHANGE,
        body=True,
    ),
    _resource(
        "POST",
        _ITEM + "/cancelrequest",
        "Ask that a work item be canceled",
        "11.8",
        request_cancellation,
        Permission.SCHEDULE,
        {202: Answer("It is canceled, or its performer is asked")},
        _CHANGE,
        body=True,
    ),
    _resource(
        "POST",
        _SUBSCRIBER,
        "Subscribe to a work item, or to all (1.2.840.10008.5.1.4.34.5, filtered 1.2.840.10008.5.1.4.34.5.1)",
        "11.10",
        subscribe,
        Permission.FIND,
        {201: Answer("Content-Location says the WebSocket of the events")},
        (400, 404),
        query={
            "deletionlock": ("string", "true: ended work items are kept"),
            "filter": ("string", "Keyword=value,… of a filtered subscription"),
        },
    ),
    _resource(
        "DELETE",
        _SUBSCRIBER,
        "Unsubscribe",
        "11.11",
        unsubscribe,
        Permission.FIND,
        {200: Answer("There is no such subscription any more")},
        (400, 404),
    ),
    _resource(
        "POST",
        _SUBSCRIBER + "/suspend",
        "Subscribe to no new work items",
        "11.12",
        suspend,
        Permission.FIND,
        {200: Answer("The subscription is suspended")},
        (400, 404),
    ),
    _resource(
        "GET",
        _EVENTS,
        "Event reports that were not given yet; after=X-Last-Event acknowledges those given",
        "beyond PS3.18",
        events,
        Permission.FIND,
        {200: Answer("Event reports, the oldest first", (DICOM_JSON,), "DicomObjects"), 204: Answer("There are none")},
        (400,),
        query={"after": ("integer", "Events up to this number are known")},
    ),
)
