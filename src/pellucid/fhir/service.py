"""The routes of the FHIR service."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pellucid.access import LOCAL, AuditEvent, AuditSink, Caller, Permission, PermissionDeniedError
from pellucid.archive import Archive, ArchiveUnavailableError
from pellucid.errors import InvalidInputError
from pellucid.fhir import resources
from pellucid.fhir.resources import Resource
from pellucid.fhir.search import Search, parameters_of, studies

FHIR_JSON = "application/fhir+json"
_FORM_BYTES = 64 << 10
_ACCEPTED = ("*/*", "application/*", "application/json", FHIR_JSON)

Answer = Callable[[Request], Resource]


def routes(archive: Archive, audit: AuditSink | None = None, *, dicomweb: str = "/dicom-web") -> list[BaseRoute]:
    """The service's routes, to be mounted at its root (`/fhir`); `dicomweb` is the path of that service."""
    service = _Service(archive, audit, dicomweb)

    def get(path: str, answer: Answer, methods: tuple[str, ...] = ("GET",)) -> Route:
        async def endpoint(request: Request) -> Response:
            return await _answered(request, answer)

        return Route(path, endpoint, methods=list(methods))

    return [
        get("/metadata", service.capabilities),
        get("/ImagingStudy", service.search),
        get("/ImagingStudy/_search", service.search, ("POST",)),
        get("/ImagingStudy/{id}", service.read),
        get("/Endpoint", service.endpoints),
        get(f"/Endpoint/{resources.ENDPOINT}", service.endpoint),
        get("/{rest:path}", _nowhere, ("GET", "POST", "PUT", "PATCH", "DELETE")),
    ]


class _NotFoundError(Exception):
    pass


class _Service:
    def __init__(self, archive: Archive, audit: AuditSink | None, dicomweb: str) -> None:
        self._archive = archive
        self._audit = audit or (lambda _event: None)
        self._dicomweb = dicomweb

    def capabilities(self, request: Request) -> Resource:
        return resources.capability_statement(_root(request))

    def endpoint(self, request: Request) -> Resource:
        return resources.endpoint(f"{request.url.scheme}://{request.url.netloc}{self._dicomweb}")

    def endpoints(self, request: Request) -> Resource:
        found = self.endpoint(request)
        url = f"{_root(request)}/Endpoint"
        return resources.bundle([(f"{url}/{resources.ENDPOINT}", found)], {"self": url}, 1)

    def read(self, request: Request) -> Resource:
        caller, uid = _allowed(request), request.path_params["id"]
        if not set(uid) <= set("0123456789."):
            raise _NotFoundError(f"there is no ImagingStudy {uid[:64]!r}")
        found = studies(self._archive.seen_by(caller.visible), [uid], instances=True)
        self._note(caller, "ImagingStudy", uid if found else "")
        if not found:
            raise _NotFoundError(f"there is no ImagingStudy {uid[:64]!r}")
        return found[0]

    def search(self, request: Request) -> Resource:
        caller = _allowed(request)
        search = Search.of([*request.query_params.multi_items(), *request.scope.get("pellucid.form", [])])
        found, more, total = search.page(self._archive.seen_by(caller.visible))
        self._note(caller, urlencode(search.used))
        url = f"{_root(request)}/ImagingStudy"
        links = {"self": f"{url}?{urlencode(search.used)}" if search.used else url}
        if more:
            changes = {"_count": search.count, "_offset": search.offset + search.count}
            links["next"] = f"{url}?{urlencode(parameters_of(search.used, changes))}"
        return resources.bundle([(f"{url}/{one['id']}", one) for one in found], links, total)

    def _note(self, caller: Caller, query: str, study: str = "") -> None:
        event = AuditEvent(
            event="Query", action="E", caller=caller, studies={study: ""} if study else {}, detail={"query": query}
        )
        self._audit(event)


async def _answered(request: Request, answer: Answer) -> Response:
    try:
        if not _accepts_json(request):
            return _problem(406, "not-supported", f"only {FHIR_JSON} is given")
        if request.method == "POST":
            request.scope["pellucid.form"] = await _form(request)
        found = await run_in_threadpool(answer, request)
    except _NotFoundError as error:
        return _problem(404, "not-found", str(error))
    except PermissionDeniedError as error:
        return _problem(403, "forbidden", str(error))
    except InvalidInputError as error:
        return _problem(400, "invalid", str(error))
    except ArchiveUnavailableError as error:
        return _problem(503, "transient", str(error))
    return JSONResponse(found, media_type=FHIR_JSON)


async def _form(request: Request) -> list[tuple[str, str]]:
    """The parameters of a search that is posted as a form."""
    pieces: list[bytes] = []
    async for piece in request.stream():
        pieces.append(piece)
        if sum(map(len, pieces)) > _FORM_BYTES:
            raise InvalidInputError(f"is larger than {_FORM_BYTES} bytes", field="form")
    try:
        return parse_qsl(b"".join(pieces).decode("ascii"), max_num_fields=100)
    except ValueError as error:
        raise InvalidInputError("is not a list of parameters", field="form") from error


def _accepts_json(request: Request) -> bool:
    asked = request.query_params.get("_format")
    if asked:
        return asked in ("json", "application/json", FHIR_JSON)
    ranges = [part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")]
    return any(one in _ACCEPTED for one in ranges)


def _nowhere(request: Request) -> Resource:
    raise _NotFoundError(f"{request.method} is nothing that can be done here; see metadata")


def _allowed(request: Request) -> Caller:
    caller: Caller = request.scope.get("pellucid.caller", LOCAL)
    caller.require(Permission.FIND)
    return caller


def _root(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"


def _problem(status: int, code: str, message: str) -> Response:
    return JSONResponse(resources.outcome(code, message), status, media_type=FHIR_JSON)
