"""WADO-RS: rendered instances and thumbnails (PS3.18 sections 10.4.1.1.3, 10.4.1.1.5)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pydicom
from starlette.requests import Request
from starlette.responses import Response

from pellucid.access import Permission
from pellucid.archive import InstanceRecord, View
from pellucid.archive.dicom_json import UNREADABLE
from pellucid.archive.metadata import quiet_pydicom
from pellucid.dicomweb.accept import not_acceptable
from pellucid.dicomweb.answering import base_of, ranges_of
from pellucid.dicomweb.context import Context
from pellucid.dicomweb.documents import document, document_media
from pellucid.dicomweb.films import film
from pellucid.dicomweb.frames import frame_numbers, instance_url
from pellucid.dicomweb.multipart import Part
from pellucid.dicomweb.pixels import Pixels
from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.related import related
from pellucid.dicomweb.rendered import THUMBNAIL, render, representative_frame
from pellucid.dicomweb.rendering import FILMS, PARAMETERS, PICTURES, Rendering, Viewport, chosen_media
from pellucid.dicomweb.representation import Body, entity_tag, http_date, respond
from pellucid.dicomweb.resource import FRAMES, INSTANCE, MULTIPART, SERIES, STUDY, Answer, Resource

_WORTH_S = 0.02
"""A picture that was made quicker is not kept on disk: writing it costs about as much as making it."""
_REMEMBERED = 1 << 20
"""A larger picture is made again each time [byte]."""


def rendered(context: Context, request: Request) -> Response:
    """What an instance, some of its frames, or the instances of a study or series look like."""
    records, rendering = context.records(request), Rendering.asked(request.query_params)
    context.audit(request, "DICOM Instances Accessed", "R", [records[0].study_instance_uid], instances=len(records))
    if "instance" not in request.path_params:
        return _all(context, request, [record for record in records if record.pixel_tag], rendering)
    if "frames" in request.path_params:
        numbers = frame_numbers(request.path_params["frames"], records[0].number_of_frames)
        return _frames(context, request, records[0], numbers, rendering)
    return _one(context, request, records[0], rendering)


def thumbnail(context: Context, request: Request) -> Response:
    """A small picture that stands for a study, a series, an instance or a frame."""
    rendering = Rendering.asked(request.query_params)
    if rendering.viewport is None:
        rendering = replace(rendering, viewport=Viewport(THUMBNAIL, THUMBNAIL))
    shown = [record for record in context.records(request) if record.pixel_tag]
    if not shown:
        raise RequestError(404, "there are no pixels to show")
    record = shown[(len(shown) - 1) // 2]
    numbers = []
    if "frames" in request.path_params:
        numbers = frame_numbers(request.path_params["frames"], record.number_of_frames)
        if len(numbers) > 1:
            raise RequestError(400, "a thumbnail is of one frame")
    chosen = chosen_media(ranges_of(request), PICTURES)
    if chosen is None:
        raise not_acceptable(", ".join(PICTURES))
    pixels = Pixels(context.view(request), record)
    frame = numbers[0] - 1 if numbers else representative_frame(pixels)
    return respond(request, picture(context, pixels, frame, replace(rendering, media_type=chosen[0])))


def picture(context: Context, pixels: Pixels, frame: int, rendering: Rendering) -> Body:
    """One frame as a picture, made now or remembered."""
    tag = entity_tag(pixels.record.object_sha256, frame, rendering)
    data = context.pictures.get(tag)
    if data is None:
        data = pixels.kept(f"picture {tag}", lambda: render(pixels, frame, rendering), worth_s=_WORTH_S)
        if len(data) <= _REMEMBERED:
            context.pictures.put(tag, data)
    return Body.of(data, rendering.media_type, tag=tag, modified=http_date(pixels.record.received))


def _one(context: Context, request: Request, record: InstanceRecord, rendering: Rendering) -> Response:
    media = document_media(record.sop_class_uid)
    if media:
        if chosen_media(ranges_of(request), (media,)) is None:
            raise not_acceptable(media)
        return document_response(context.view(request), request, record, media)
    if not record.pixel_tag:
        raise RequestError(404, "there are no pixels to show")
    pixels, many = Pixels(context.view(request), record), record.number_of_frames > 1
    offered = (*PICTURES[:2], *FILMS, *PICTURES[3:]) if many else PICTURES
    chosen = chosen_media(ranges_of(request), offered)
    if chosen is None:
        raise not_acceptable(", ".join(offered))
    rendering = replace(rendering, media_type=chosen[0])
    if many and chosen[0] in FILMS:
        tag = entity_tag(record.object_sha256, "film", rendering)
        body = Body.of(film(pixels, rendering), chosen[0], tag=tag, modified=http_date(record.received))
    else:
        body = picture(context, pixels, representative_frame(pixels), rendering)
    asked_so = chosen[1] and not any(wanted.part == "*/*" for wanted in ranges_of(request))
    return related(chosen[0], [Part(chosen[0], body)], alone=True) if asked_so else respond(request, body)


def _frames(
    context: Context, request: Request, record: InstanceRecord, numbers: list[int], rendering: Rendering
) -> Response:
    chosen = chosen_media(ranges_of(request), PICTURES)
    if chosen is None:
        raise not_acceptable(", ".join(PICTURES))
    rendering, pixels = replace(rendering, media_type=chosen[0]), Pixels(context.view(request), record)
    if len(numbers) == 1:
        return respond(request, picture(context, pixels, numbers[0] - 1, rendering))
    if not chosen[1]:
        raise not_acceptable(f'{MULTIPART}; type="{chosen[0]}": several frames are asked for')
    url = f"{instance_url(record, base_of(request))}/frames"
    parts = (
        Part(chosen[0], picture(context, pixels, number - 1, rendering), f"{url}/{number}/rendered")
        for number in numbers
    )
    return related(chosen[0], parts)


def _all(context: Context, request: Request, records: list[InstanceRecord], rendering: Rendering) -> Response:
    if not records:
        raise RequestError(404, "there are no pixels to show")
    chosen = chosen_media([wanted for wanted in ranges_of(request) if wanted.multipart], PICTURES)
    if chosen is None:
        raise not_acceptable(f'{MULTIPART}; type="{PICTURES[0]}" (and {", ".join(PICTURES[1:])})')
    rendering, view, base = replace(rendering, media_type=chosen[0]), context.view(request), base_of(request)

    def parts() -> Iterator[Part]:
        for record in records:
            pixels = Pixels(view, record)
            body = picture(context, pixels, representative_frame(pixels), rendering)
            yield Part(chosen[0], body, f"{instance_url(record, base)}/rendered")

    return related(chosen[0], parts())


def document_response(view: View, request: Request, record: InstanceRecord, media: str) -> Response:
    """A document for people: an encapsulated file, or a structured report as HTML."""
    try:
        with quiet_pydicom():
            data = document(pydicom.dcmread(view.objects.path(record.object_sha256)), record.sop_class_uid)
    except UNREADABLE as error:
        raise RequestError(500, "the document cannot be read from the stored object") from error
    tag = entity_tag(record.object_sha256, "document")
    headers = {"Content-Security-Policy": "sandbox"}
    return respond(request, Body.of(data, media, tag=tag, modified=http_date(record.received)), headers)


def _rendered(path: str, text: str, *media: str) -> Resource:
    whole = {200: Answer("The picture, the film or the document", media)}
    alone = {206: Answer("The range of it", media), 304: Answer("It has not changed")}
    several = path in (STUDY, SERIES)
    return Resource(
        method="GET",
        path=path + "/rendered",
        text=f"{text} (WADO-RS)",
        section="10.4",
        handler=rendered,
        permission=Permission.READ,
        answers=whole if several else {**whole, **alone},
        query=PARAMETERS,
        problems=(400, 404, 406) if several else (400, 404, 406, 416),
    )


def _thumbnail(path: str, text: str) -> Resource:
    return Resource(
        method="GET",
        path=path + "/thumbnail",
        text=f"A small picture of {text} (WADO-RS)",
        section="10.4",
        handler=thumbnail,
        permission=Permission.READ,
        answers={
            200: Answer("The picture", PICTURES),
            206: Answer("The range of it", PICTURES),
            304: Answer("It has not changed"),
        },
        query=PARAMETERS,
        problems=(400, 404, 406, 416),
    )


RESOURCES = (
    _rendered(STUDY, "Pictures of the study's images", MULTIPART),
    _rendered(SERIES, "Pictures of the series' images", MULTIPART),
    _rendered(
        INSTANCE,
        "The image as a picture or film, or the document for people",
        *(*PICTURES, "video/mp4", MULTIPART, "text/html", "application/pdf", "text/xml", "model/*"),
    ),
    _rendered(FRAMES, "Frames as pictures", *PICTURES, MULTIPART),
    _thumbnail(STUDY, "the study"),
    _thumbnail(SERIES, "the series"),
    _thumbnail(INSTANCE, "the image"),
    _thumbnail(FRAMES, "a frame"),
)
