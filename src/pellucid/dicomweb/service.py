"""The service: a route for every resource of the table, and one for all other addresses."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, compile_path

from pellucid.access import AuditSink
from pellucid.archive import Archive
from pellucid.dicomweb.answering import answered, caller_of, problem
from pellucid.dicomweb.context import Context, no_audit
from pellucid.dicomweb.limits import StoreLimits
from pellucid.dicomweb.notifications import notification_route
from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.resource import Resource
from pellucid.dicomweb.table import RESOURCES

__all__ = ["caller_of", "routes"]

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def routes(archive: Archive, limits: StoreLimits | None = None, audit: AuditSink = no_audit) -> list[BaseRoute]:
    """The service's routes, to be mounted at its root (`/dicom-web`)."""
    context = Context(archive, limits or StoreLimits(), audit)
    resources = [_route(context, resource) for resource in RESOURCES]
    return [*resources, notification_route(context), Route("/{rest:path}", _elsewhere, methods=_METHODS)]


def _route(context: Context, resource: Resource) -> Route:
    async def endpoint(request: Request) -> Response:
        return await answered(lambda asked: resource.handler(context, asked), request)

    return Route(resource.path, endpoint, methods=[resource.method])


_PATHS = [(compile_path(resource.path)[0], resource.method) for resource in RESOURCES]


async def _elsewhere(request: Request) -> Response:
    """An address that is none of the resources, or a method that a resource does not have."""
    path = request.url.path.removeprefix(request.scope.get("root_path", ""))
    methods = {method for pattern, method in _PATHS if pattern.match(path)}
    if not methods:
        return problem(RequestError(404, "there is no such resource"))
    allowed = {"Allow": ", ".join(sorted({*methods, "OPTIONS", *({"HEAD"} if "GET" in methods else ())}))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=allowed)
    return problem(RequestError(405, f"{request.method} is not a method of this resource", allowed))
