"""JPIP over HTTP (ISO/IEC 15444-9 Annex F): one route; each request becomes one response of messages."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pellucid.access import LOCAL, Caller, Permission, PermissionDeniedError
from pellucid.access.audit_event import AuditEvent, AuditSink
from pellucid.archive import Archive, ObjectDamagedError, View
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.jpip.boxes import file_start, is_high_throughput
from pellucid.jpip.cache_model import Held
from pellucid.jpip.channels import Channel, Channels
from pellucid.jpip.index import Index
from pellucid.jpip.limits import Limits
from pellucid.jpip.markers import read_main_header
from pellucid.jpip.messages import Reason, end_of_response
from pellucid.jpip.problems import RequestError
from pellucid.jpip.request import Request, ReturnType, read_request
from pellucid.jpip.response import Wanted, Writer, reason_of
from pellucid.jpip.targets import Coding, Target, Targets
from pellucid.jpip.window import Window, choose

log = logging.getLogger("pellucid.jpip")

_KNOWN_TARGETS = 4096
_MOST_FIELDS = 64


def routes(
    archive: Archive,
    *,
    path: str = "/jpip",
    limits: Limits | None = None,
    audit: AuditSink = lambda _: None,
) -> list[BaseRoute]:
    """The service's routes: `path` (as stored, or HTJ2K), `path`/j2k and `path`/htj2k."""
    service = _Service(archive, path, limits or Limits(), audit)
    codings: tuple[Coding, ...] = ("", "j2k", "htj2k")
    return [
        Route(f"{path}/{coding}".rstrip("/"), service.handler(coding), methods=["GET", "POST"]) for coding in codings
    ]


@dataclass(frozen=True)
class _Asked:
    """One request, who sent it, and what it is about."""

    request: Request
    caller: Caller
    view: View
    target: Target
    name: str
    channel: Channel | None


class _Service:
    def __init__(self, archive: Archive, path: str, limits: Limits, audit: AuditSink) -> None:
        self._archive = archive
        self._path = path.strip("/")
        self._limits = limits
        self._audit = audit
        self._targets = Targets(limits)
        self._channels = Channels(limits)
        self._names: OrderedDict[str, str] = OrderedDict()
        self._lock = Lock()

    def handler(self, coding: Coding) -> Callable[[HttpRequest], Awaitable[Response]]:
        """The endpoint for one way to code."""

        async def handle(http: HttpRequest) -> Response:
            try:
                fields = await self._fields(http)
                caller: Caller = http.scope.get("pellucid.caller", LOCAL)
                return await run_in_threadpool(self._answer, fields, caller, coding)
            except RequestError as error:
                return _problem(error.status, error.detail)
            except PermissionDeniedError as error:
                return _problem(403, str(error))
            except UnsupportedError as error:
                return _problem(501, str(error))
            except InvalidInputError as error:
                return _problem(400, str(error))
            except ObjectDamagedError as error:
                log.error("%s", error)
                return _problem(500, str(error))

        return handle

    async def _fields(self, http: HttpRequest) -> list[tuple[str, str]]:
        """The fields of the query, and of a form that is posted (F.2)."""
        text = http.url.query
        if http.method == "POST":
            body = bytearray()
            async for part in http.stream():
                body += part
                if len(body) > self._limits.query_bytes:
                    raise RequestError(413, f"the request is larger than {self._limits.query_bytes} bytes")
            text = "&".join(filter(None, (text, body.decode("latin-1"))))
        if len(text) > self._limits.query_bytes:
            raise RequestError(414, f"the request is longer than {self._limits.query_bytes} bytes")
        try:
            return parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
        except ValueError:
            raise RequestError(400, f"the request has more than {_MOST_FIELDS} fields") from None

    def _answer(self, fields: Sequence[tuple[str, str]], caller: Caller, coding: Coding) -> Response:
        caller.require(Permission.READ)
        request = read_request(fields)
        channel = self._close(request, caller)
        if not (request.target or request.target_id not in ("", "0") or channel):
            if request.close:
                return Response(headers=_no_store({}))
            raise RequestError(400, "target: is missing; expected such as instances/1.2.3/frames/1")
        if channel and request.need is not None:
            raise RequestError(400, "need: is for requests without a channel")
        name, coding = self._named(request, channel, coding)
        view = self._archive.seen_by(caller.visible)
        target = self._targets.find(view, name, coding)
        channel, headers = self._channel(request, caller, channel, name, coding)
        asked = _Asked(request, caller, view, target, name, channel)
        headers |= self._identify(asked, coding)
        if request.request_id is not None:
            headers["JPIP-qid"] = str(request.request_id)
        kind = request.types[0]
        if kind.kind in ("raw", "jp2"):
            return self._file(asked, kind, headers)
        if channel is None:
            return self._stream(asked, kind, headers)
        with channel.answering:
            return self._stream(asked, kind, headers)

    def _close(self, request: Request, caller: Caller) -> Channel | None:
        """The request's channel; those it closes are closed, itself once it is answered."""
        channel = self._channels.get(caller.name, request.channel) if request.channel else None
        if request.channel and channel is None:
            raise RequestError(404, "the channel is not open; a new one is opened with cnew=http")
        if "*" in request.close:
            if channel is None:
                raise RequestError(400, "cclose: * closes all channels of a session; cid must name one of them")
            self._channels.close(caller.name, self._channels.session_of(channel))
        self._channels.close(caller.name, request.close)
        return channel

    def _named(self, request: Request, channel: Channel | None, coding: Coding) -> tuple[str, Coding]:
        """The target's name and coding: given, the channel's, or the one that an identifier was given out for."""
        if channel is not None:
            known, name = channel.target.split(" ", 1)
            if request.target in ("", name):
                return name, _coding(known)
            if not request.new_channel:
                raise RequestError(400, "target: is not the channel's; another target needs another channel")
        if request.target:
            return request.target, coding
        with self._lock:
            found = self._names.get(request.target_id)
        if found is None:
            raise RequestError(404, "tid: the target identifier is not known; name the target")
        known, name = found.split(" ", 1)
        return name, _coding(known)

    def _channel(
        self, request: Request, caller: Caller, channel: Channel | None, name: str, coding: Coding
    ) -> tuple[Channel | None, dict[str, str]]:
        """The channel to answer in, a new one where the client wants one over HTTP (C.3.3)."""
        if "http" not in request.new_channel:
            return channel, {}
        new = self._channels.open(caller.name, f"{coding} {name}", channel)
        path = f"{self._path}/{coding}".rstrip("/")
        return new, {"JPIP-cnew": f"cid={new.name},path={path},transport=http"}

    def _identify(self, asked: _Asked, coding: Coding) -> dict[str, str]:
        """The target's identifier, where it is asked for or is another than the client believes (D.2.2)."""
        given, identifier = asked.request.target_id, asked.target.identifier
        with self._lock:
            self._names[identifier] = f"{coding} {asked.name}"
            while len(self._names) > _KNOWN_TARGETS:
                self._names.popitem(last=False)
        return {"JPIP-tid": identifier} if given and given != identifier else {}

    def _stream(self, asked: _Asked, kind: ReturnType, headers: dict[str, str]) -> Response:
        request, tiles = asked.request, kind.kind == "jpt-stream"
        wanted = [self._wanted(asked, stream) for stream in request.streams]
        for one in wanted:
            headers |= _window_headers(request, one)
        limit = min(self._limits.response_bytes, math.inf if request.length is None else request.length)
        writer = Writer(int(limit), extended=kind.extended, align=request.align)
        if all(writer.write(one, tiles=tiles) for one in wanted):
            by_quality = request.quality is not None and any(one.layers < one.index.layers for one in wanted)
            reason = reason_of(wanted, tiles=tiles, by_quality=by_quality)
            if request.need is not None and reason == Reason.IMAGE_DONE:
                reason = Reason.WINDOW_DONE
        else:
            reason = Reason.BYTE_LIMIT if request.length == limit else Reason.RESPONSE_LIMIT
        body = b"".join([*writer.chunks, end_of_response(reason)])
        parameter = ";ptype=ext" if kind.extended else ""
        return Response(body, headers=_no_store(headers), media_type=f"image/{kind.kind}{parameter}")

    def _wanted(self, asked: _Asked, stream: int) -> Wanted:
        """What of one codestream is asked for, with what the client has of it."""
        request = asked.request
        index = self._targets.index(asked.view, asked.target, stream)
        held = self._held(asked, stream, index)
        if held.main_header == 0:
            self._audit(
                AuditEvent(
                    event="DICOM Instances Accessed",
                    action="R",
                    caller=asked.caller,
                    studies={asked.target.record.study_instance_uid: ""},
                    detail={"frame": str(asked.target.frames[stream] + 1)},
                )
            )
        layers = index.layers if request.layers is None else min(request.layers, index.layers)
        if request.quality is not None:
            layers = min(layers, math.ceil(request.quality * index.layers / 100))
        return Wanted(index=index, held=held, stream=stream, window=_window(request, index), layers=layers)

    def _held(self, asked: _Asked, stream: int, index: Index) -> Held:
        request, default = asked.request, asked.request.streams[0]
        if asked.channel is not None:
            held = asked.channel.held_of(self._targets.key(asked.target, stream), index, self._limits.streams)
        else:
            held = Held.nothing(index) if request.need is None else Held.everything(index)
        stale = request.target_id not in ("", "0", asked.target.identifier)
        held.work = 0
        for statement in (*(request.need or ()), *(() if stale else request.model)):
            if statement.concerns(stream, default):
                held.state(index, statement)
        return held

    def _file(self, asked: _Asked, kind: ReturnType, headers: dict[str, str]) -> Response:
        """The whole codestream, bare or in a file's boxes."""
        index = self._targets.index(asked.view, asked.target, asked.request.streams[0])
        _, segments, _ = read_main_header(index.main_header + b"\xff\x90\x00\x0a")
        high = is_high_throughput(segments)
        if kind.kind == "raw":
            media_type = f"image/{'jphc' if high else 'j2c'}"
            return Response(bytes(index.data), headers=_no_store(headers), media_type=media_type)
        start = file_start(index.size, len(index.data), high_throughput=high)
        body = start + index.data
        return Response(body, headers=_no_store(headers), media_type=f"image/{'jph' if high else 'jp2'}")


def _coding(text: str) -> Coding:
    return "j2k" if text == "j2k" else "htj2k" if text == "htj2k" else ""


def _window(request: Request, index: Index) -> Window | None:
    if request.frame is None:
        return None
    if request.components is not None and max(request.components) >= len(index.size.components):
        count = len(index.size.components)
        raise RequestError(400, f"comps: names component {max(request.components)}; there are {count}, from 0")
    return choose(index, request.frame, request.offset, request.size, request.rounding, request.components)


def _window_headers(request: Request, wanted: Wanted) -> dict[str, str]:
    """What of the window was changed, or had no value given (D.2)."""
    window = wanted.window
    if window is None:
        return {}
    headers = {
        "JPIP-fsiz": "{},{}".format(*window.frame),
        "JPIP-roff": "{},{}".format(*window.offset),
        "JPIP-rsiz": "{},{}".format(*window.size),
    }
    if request.layers is not None and request.layers != wanted.layers:
        headers["JPIP-layers"] = str(wanted.layers)
    return headers


def _no_store(headers: dict[str, str]) -> dict[str, str]:
    """What a response holds depends on what the client has."""
    return {"Cache-Control": "no-store", **headers}


def _problem(status: int, detail: str) -> Response:
    return JSONResponse({"detail": detail}, status)
