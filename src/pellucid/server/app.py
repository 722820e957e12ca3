"""The ASGI application: a value built from settings; two in one process never meet."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.routing import Match, Mount
from starlette.types import Scope

from pellucid import __version__, fhir, jpip
from pellucid.access import PermissionDeniedError
from pellucid.archive import ArchiveUnavailableError, ObjectDamagedError
from pellucid.dicomweb import StoreLimits, routes
from pellucid.errors import InvalidInputError
from pellucid.server.accounts_api import accounts_api
from pellucid.server.admin_api import admin_api
from pellucid.server.api import api
from pellucid.server.api_docs import docs_page
from pellucid.server.audit_api import audit_api
from pellucid.server.authentication import Authentication
from pellucid.server.captures_api import captures_api
from pellucid.server.metrics import Metrics
from pellucid.server.openapi import DICOMWEB, describe_dicomweb_too
from pellucid.server.operations_api import operations_api
from pellucid.server.platform import Platform
from pellucid.server.request_watch import RequestWatch
from pellucid.server.security import Guard, log_without_values
from pellucid.server.session_api import session_api
from pellucid.server.settings import Settings
from pellucid.server.viewer import viewer_routes


def create_app(settings: Settings, *, platform: Platform | None = None) -> FastAPI:
    """The application; `platform`: one that is open already (it is closed with the application)."""
    opened = platform or Platform.open(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        opened.start()
        yield
        opened.close()

    app = FastAPI(
        title="Pellucid",
        version=__version__,
        description="Raw signals, jobs and reconstructions under /api, images under /dicom-web (DICOM PS3.18).",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.platform = opened
    describe_dicomweb_too(app)

    @app.get("/api/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()))

    app.add_middleware(Authentication, keeper=opened.keeper, is_service=lambda scope: _is_service(app, scope))
    names = (*settings.names, settings.host)
    app.add_middleware(Guard, names=names, requests_per_second=settings.requests_per_second)
    metrics = Metrics(opened)
    app.add_middleware(RequestWatch, metrics=metrics)
    app.add_exception_handler(InvalidInputError, _invalid_input)
    app.add_exception_handler(PermissionDeniedError, _not_allowed)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(ObjectDamagedError, _damaged)
    app.add_exception_handler(ArchiveUnavailableError, _unavailable)
    app.include_router(operations_api(opened, metrics))
    app.include_router(api(opened))
    app.include_router(captures_api(opened))
    app.include_router(admin_api(opened))
    for part in (session_api, accounts_api, audit_api):
        app.include_router(part(opened.keeper))
    limits = StoreLimits(
        part_bytes=settings.instance_bytes, total_bytes=settings.upload_bytes, parts=settings.upload_files
    )
    # First of all routes: they are asked one after the other, and these are asked for most.
    app.router.routes.insert(0, Mount(DICOMWEB, routes=routes(opened.archive, limits, opened.keeper.audit)))
    app.router.routes.append(Mount("/fhir", routes=fhir.routes(opened.archive, opened.keeper.audit, dicomweb=DICOMWEB)))
    app.router.routes.extend(jpip.routes(opened.archive, audit=opened.keeper.audit))
    app.router.routes.extend(viewer_routes())
    return app


def _is_service(app: FastAPI, scope: Scope) -> bool:
    """Whether a request is for a programming interface: for any route but the last, which is the viewer's files."""
    return any(route.matches(scope)[0] is not Match.NONE for route in app.router.routes[:-1])


async def _invalid_input(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 422)


async def _not_allowed(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 403)


async def _invalid_request(_request: Request, error: Exception) -> JSONResponse:
    """One line instead of pydantic's list."""
    problems = error.errors() if isinstance(error, RequestValidationError) else []
    lines = [f"{'.'.join(str(part) for part in p['loc'][1:]) or 'body'}: {p['msg']}" for p in problems]
    return JSONResponse({"detail": "; ".join(lines)}, 422)


async def _unavailable(_request: Request, error: Exception) -> JSONResponse:
    log_without_values(error)
    return JSONResponse({"detail": str(error)}, 503, {"Retry-After": "10"})


async def _damaged(_request: Request, error: Exception) -> JSONResponse:
    log_without_values(error)
    return JSONResponse({"detail": str(error)}, 500)
