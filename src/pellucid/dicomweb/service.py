"""The routes of the service; each handler translates one request into calls of the archive."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pellucid.access import LOCAL, Caller, Permission, PermissionDeniedError
from pellucid.archive import Archive, InstanceRecord, ObjectDamagedError, View
from pellucid.archive.query import Level
from pellucid.dicom import codecs
from pellucid.dicomweb import retrieve, storing
from pellucid.dicomweb.accept import MediaRange, accepted
from pellucid.dicomweb.pixels import Pixels
from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.rendered import THUMBNAIL, Rendering, Viewport, render, representative_frame
from pellucid.dicomweb.search import Search
from pellucid.dicomweb.storing import StoreLimits
from pellucid.errors import InvalidInputError

log = logging.getLogger("pellucid.dicomweb")

Handler = Callable[[Request], Response]
_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"


def routes(archive: Archive, limits: StoreLimits | None = None) -> list[BaseRoute]:
    """The service's routes, to be mounted at its root (`/dicom-web`)."""
    codecs.register()
    service = _Service(archive, limits or StoreLimits())

    def get(path: str, handler: Handler) -> Route:
        return Route(path, _answering(handler), methods=["GET"])

    return [
        *(get(path, service.search(level)) for path, level in _SEARCHES),
        Route("/studies", service.store, methods=["POST"]),
        Route(_STUDY, service.store, methods=["POST"]),
        *(get(path, service.instances) for path in (_STUDY, _SERIES, _INSTANCE)),
        *(get(path + "/metadata", service.metadata) for path in (_STUDY, _SERIES, _INSTANCE)),
        *(get(path + "/rendered", service.rendered) for path in (_INSTANCE, _INSTANCE + "/frames/{frames}")),
        *(
            get(path + "/thumbnail", service.thumbnail)
            for path in (_STUDY, _SERIES, _INSTANCE, _INSTANCE + "/frames/{frames}")
        ),
        get(_INSTANCE + "/frames/{frames}", service.frames),
        get(_INSTANCE + "/bulkdata/{path:path}", service.bulk_data),
    ]


_SEARCHES: list[tuple[str, Level]] = [
    ("/studies", "study"),
    ("/series", "series"),
    (_STUDY + "/series", "series"),
    ("/instances", "instance"),
    (_STUDY + "/instances", "instance"),
    (_SERIES + "/instances", "instance"),
]


class _Service:
    def __init__(self, archive: Archive, limits: StoreLimits) -> None:
        self._archive = archive
        self._limits = limits

    def search(self, level: Level) -> Handler:
        def handler(request: Request) -> Response:
            fixed = {
                keyword: request.path_params[name]
                for name, keyword in (("study", "StudyInstanceUID"), ("series", "SeriesInstanceUID"))
                if name in request.path_params
            }
            search = Search(level, fixed, request.query_params.multi_items())
            results, warnings = search.results(self._view(request, Permission.FIND).find(search.query), _base(request))
            headers = {"Warning": ", ".join(f'299 pellucid "{text}"' for text in warnings)} if warnings else {}
            if not results:
                return Response(status_code=204, headers=headers)
            text = json.dumps(results, ensure_ascii=False, separators=(",", ":"))
            return Response(text, headers=headers, media_type=retrieve.DICOM_JSON)

        return handler

    async def store(self, request: Request) -> Response:
        try:
            caller_of(request).require(Permission.STORE)
            return await storing.store(
                self._archive,
                self._limits,
                request.headers.get("content-type", ""),
                request.stream(),
                request.path_params.get("study"),
                _base(request),
            )
        except RequestError as error:
            return problem(error)
        except PermissionDeniedError as error:
            return problem(RequestError(403, str(error)))

    def instances(self, request: Request) -> Response:
        return retrieve.instances(self._view(request), self._found(request), _ranges(request), _base(request))

    def metadata(self, request: Request) -> Response:
        texts = self._view(request).attributes(*_place(request))
        if not texts:
            raise _not_found(request)
        return retrieve.metadata(texts, _ranges(request), _base(request))

    def frames(self, request: Request) -> Response:
        pixels = Pixels(self._view(request), self._found(request)[0])
        numbers = retrieve.frame_numbers(request.path_params["frames"], pixels.record.number_of_frames)
        location = f"{_base(request)}{_local_path(request).rpartition('/')[0]}"
        return retrieve.frames(pixels, numbers, _ranges(request), location)

    def bulk_data(self, request: Request) -> Response:
        location = f"{_base(request)}{_local_path(request)}"
        return retrieve.bulk_data(
            self._view(request), self._found(request)[0], request.path_params["path"], _ranges(request), location
        )

    def rendered(self, request: Request) -> Response:
        rendering = Rendering.asked(request.query_params, _ranges(request))
        return self._picture(request, rendering)

    def thumbnail(self, request: Request) -> Response:
        rendering = Rendering.asked(request.query_params, _ranges(request))
        if rendering.viewport is None:
            rendering = replace(rendering, viewport=Viewport(THUMBNAIL, THUMBNAIL))
        return self._picture(request, rendering)

    def _picture(self, request: Request, rendering: Rendering) -> Response:
        with_pixels = [record for record in self._found(request) if record.pixel_tag]
        if not with_pixels:
            raise RequestError(404, "there are no pixels to show")
        pixels = Pixels(self._view(request), with_pixels[(len(with_pixels) - 1) // 2])
        if "frames" in request.path_params:
            numbers = retrieve.frame_numbers(request.path_params["frames"], pixels.record.number_of_frames)
            if len(numbers) > 1:
                raise RequestError(400, "one frame at a time is rendered")
            frame = numbers[0] - 1
        else:
            frame = representative_frame(pixels)
        return Response(render(pixels, frame, rendering), media_type=rendering.media_type)

    def _view(self, request: Request, needed: Permission = Permission.READ) -> View:
        """The archive as this caller sees it."""
        caller = caller_of(request)
        caller.require(needed)
        return self._archive.seen_by(caller.visible)

    def _found(self, request: Request) -> list[InstanceRecord]:
        records = self._view(request).instances(*_place(request))
        if not records:
            raise _not_found(request)
        return records


def caller_of(request: Request) -> Caller:
    """Who sent the request, as the server in front of this service found out."""
    caller: Caller = request.scope.get("pellucid.caller", LOCAL)
    return caller


def problem(error: RequestError) -> Response:
    """The response that tells a client what was wrong."""
    return JSONResponse({"detail": error.detail}, error.status)


def _answering(handler: Handler) -> Handler:
    def answer(request: Request) -> Response:
        try:
            return handler(request)
        except RequestError as error:
            return problem(error)
        except PermissionDeniedError as error:
            return problem(RequestError(403, str(error)))
        except InvalidInputError as error:
            return problem(RequestError(400, str(error)))
        except ObjectDamagedError as error:
            log.error("%s", error)
            return problem(RequestError(500, str(error)))

    return answer


def _ranges(request: Request) -> list[MediaRange]:
    return accepted(request.headers, request.query_params)


def _place(request: Request) -> tuple[str, str | None, str | None]:
    given = request.path_params
    return given["study"], given.get("series"), given.get("instance")


def _base(request: Request) -> str:
    """The service's root as this client addressed it."""
    return f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}"


def _local_path(request: Request) -> str:
    return request.url.path.removeprefix(request.scope.get("root_path", ""))


def _not_found(request: Request) -> RequestError:
    level = (
        "instance" if "instance" in request.path_params else "series" if "series" in request.path_params else "study"
    )
    return RequestError(404, f"no such {level}")
