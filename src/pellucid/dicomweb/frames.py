"""WADO-RS: frames and pixel data in a representation that the client accepts (PS3.18 sections 10.4.1.4, 10.4.1.5)."""

from __future__ import annotations

import re
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

from pellucid.access import Permission
from pellucid.archive import InstanceRecord, View
from pellucid.dicomweb.accept import ANY, MediaRange, not_acceptable
from pellucid.dicomweb.answering import base_of, ranges_of
from pellucid.dicomweb.context import Context
from pellucid.dicomweb.instances import EXPLICIT
from pellucid.dicomweb.multipart import Part
from pellucid.dicomweb.pixels import DEFAULT_SYNTAXES, MEDIA_TYPES, Pixels
from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.related import related
from pellucid.dicomweb.representation import Body, entity_tag, http_date, respond
from pellucid.dicomweb.resource import FRAMES, INSTANCE, MULTIPART, OCTETS, SERIES, STUDY, Answer, Resource

_Encoding = tuple[str, str, Callable[[int], bytes]]


def frames(context: Context, request: Request) -> Response:
    """Some frames of an instance, counted from 1."""
    record = context.records(request)[0]
    pixels = Pixels(context.view(request), record)
    numbers = frame_numbers(request.path_params["frames"], record.number_of_frames)
    context.audit(request, "DICOM Instances Transferred", "R", [record.study_instance_uid], frames=len(numbers))
    return given_frames(request, pixels, numbers)


def given_frames(request: Request, pixels: Pixels, numbers: list[int]) -> Response:
    """Frames as multipart/related; one frame also as a single part."""
    record = pixels.record
    location = f"{instance_url(record, base_of(request))}/frames"
    for wanted in ranges_of(request):
        chosen = _encoding(pixels, wanted) if wanted.multipart or len(numbers) == 1 else None
        if chosen is None:
            continue
        media_type, syntax, encode = chosen
        content_type = f"{media_type}; transfer-syntax={syntax}"
        if not wanted.multipart:
            tag = entity_tag(record.object_sha256, numbers, content_type)
            url, modified = f"{location}/{numbers[0]}", http_date(record.received)
            return respond(
                request, Body.of(encode(numbers[0] - 1), content_type, tag=tag, modified=modified, location=url)
            )
        parts = (Part(content_type, encode(number - 1), f"{location}/{number}") for number in numbers)
        return related(media_type, parts, alone=len(numbers) == 1)
    raise not_acceptable(
        f"{OCTETS} (Explicit VR Little Endian), image/jphc, image/jls, image/jp2, image/jpeg, image/dicom-rle (all "
        f"without loss), or with transfer-syntax=* as stored ({pixels.stored_media_type})"
    )


def pixel_data(context: Context, request: Request) -> Response:
    """The frames of all instances of a study, a series or an instance, one part for each frame."""
    view = context.view(request)
    found = [Pixels(view, record) for record in context.records(request) if record.pixel_tag]
    if not found:
        raise RequestError(404, "there are no pixels")
    base = base_of(request)
    context.audit(request, "DICOM Instances Transferred", "R", [request.path_params["study"]], instances=len(found))
    for wanted in ranges_of(request):
        chosen = [_encoding(pixels, wanted) for pixels in found]
        if not wanted.multipart or None in chosen:
            continue
        parts = (
            Part(
                f"{media}; transfer-syntax={syntax}",
                encode(frame),
                f"{instance_url(p.record, base)}/frames/{frame + 1}",
            )
            for p, (media, syntax, encode) in zip(found, filter(None, chosen), strict=True)
            for frame in range(p.record.number_of_frames)
        )
        return related(next(filter(None, chosen))[0], parts)
    raise not_acceptable(f"{MULTIPART} of {OCTETS}, or with transfer-syntax=* as stored")


def frame_numbers(text: str, count: int) -> list[int]:
    """The frame list of a path, such as "1,3"."""
    if not re.fullmatch(r"[0-9]{1,9}(,[0-9]{1,9})*", text):
        raise RequestError(400, f"frame list {text!r}; expected frame numbers separated by commas, from 1")
    numbers = [int(part) for part in text.split(",")]
    for number in numbers:
        if not 1 <= number <= count:
            raise RequestError(404, f"frame {number} does not exist; the instance has {count}")
    return numbers


def instance_url(record: InstanceRecord, base: str) -> str:
    """Where an instance is."""
    return (
        f"{base}/studies/{record.study_instance_uid}/series/{record.series_instance_uid}"
        f"/instances/{record.sop_instance_uid}"
    )


class AllSamples:
    """The plain samples of all frames, one after the other, with one frame in memory at a time."""

    def __init__(self, view: View, record: InstanceRecord) -> None:
        self._pixels = Pixels(view, record)
        self._frame = 0
        self._data = self._pixels.samples(0)
        self.size = len(self._data) * record.number_of_frames

    def read(self, start: int, length: int) -> bytes:
        """A part of them."""
        pieces, each = [], len(self._data)
        while length > 0:
            frame, offset = divmod(start, each)
            if frame != self._frame:
                self._frame, self._data = frame, self._pixels.samples(frame)
            pieces.append(self._data[offset : offset + length])
            start, length = start + len(pieces[-1]), length - len(pieces[-1])
        return b"".join(pieces)


def _encoding(pixels: Pixels, wanted: MediaRange) -> _Encoding | None:
    """Media type, transfer syntax and encoder for one alternative, or None where it cannot be given."""
    stored, syntax = pixels.stored_media_type, wanted.transfer_syntax
    if syntax == ANY:
        as_stored = wanted.allows(stored) or wanted.part == OCTETS
        return (stored, pixels.stored_syntax, pixels.stored) if as_stored else None
    if wanted.allows(OCTETS) and syntax in ("", EXPLICIT):
        return OCTETS, EXPLICIT, pixels.samples
    if not pixels.is_native and wanted.allows(stored) and syntax in ("", pixels.stored_syntax):
        return stored, pixels.stored_syntax, pixels.stored
    if syntax == pixels.stored_syntax and wanted.part == OCTETS:
        return stored, syntax, pixels.stored
    syntax = syntax or DEFAULT_SYNTAXES.get(wanted.part, "")
    media = MEDIA_TYPES.get(syntax, "")
    encode = pixels.encoder(syntax) if media and (wanted.allows(media) or wanted.part == OCTETS) else None
    return (media, syntax, encode) if encode else None


def _pixel_data(path: str, level: str) -> Resource:
    return Resource(
        method="GET",
        path=path + "/pixeldata",
        text=f"The frames of all images of the {level}, a part for each (WADO-RS)",
        section="10.4",
        handler=pixel_data,
        permission=Permission.READ,
        answers={200: Answer("Samples or, with transfer-syntax=*, as stored", (MULTIPART,))},
        query={"accept": ("string", "Media type; instead of the header")},
        problems=(400, 404, 406),
    )


RESOURCES = (
    Resource(
        method="GET",
        path=FRAMES,
        text="Frames of an instance (WADO-RS)",
        section="10.4",
        handler=frames,
        permission=Permission.READ,
        answers={
            200: Answer(
                "Samples, HTJ2K or, with transfer-syntax=*, as stored", (MULTIPART, OCTETS, "image/*", "video/*")
            ),
            206: Answer("The range of one frame", (OCTETS, "image/*", "video/*")),
            304: Answer("It has not changed"),
        },
        query={"accept": ("string", "Media type; instead of the header")},
        problems=(400, 404, 406, 416),
    ),
    *(_pixel_data(path, level) for path, level in ((STUDY, "study"), (SERIES, "series"), (INSTANCE, "instance"))),
)
