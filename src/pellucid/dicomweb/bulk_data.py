"""WADO-RS: values that the metadata give by reference (PS3.18 section 10.4.1.1.4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pydicom
from pydicom.uid import ExplicitVRBigEndian
from starlette.requests import Request
from starlette.responses import Response

from pellucid.access import Permission
from pellucid.archive import InstanceRecord, View
from pellucid.archive.dicom_json import PIXEL_TAGS, UNREADABLE, little_endian
from pellucid.archive.metadata import quiet_pydicom
from pellucid.dicomweb.accept import not_acceptable
from pellucid.dicomweb.answering import base_of, ranges_of
from pellucid.dicomweb.context import Context, place_of
from pellucid.dicomweb.frames import AllSamples, given_frames, instance_url
from pellucid.dicomweb.multipart import Part
from pellucid.dicomweb.pixels import Pixels
from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.related import related
from pellucid.dicomweb.representation import Body, entity_tag, http_date, respond
from pellucid.dicomweb.resource import INSTANCE, MULTIPART, OCTETS, SERIES, STUDY, Answer, Resource

_REFERENCE = re.compile(r'"BulkDataURI":"[^"]*/bulkdata/([0-9A-F/]+)"')


def bulk_data(context: Context, request: Request) -> Response:
    """One value: the path ends with its tag, below sequences with item numbers ("00081140/0/00091002")."""
    path = request.path_params["path"]
    if not re.fullmatch(r"[0-9A-Fa-f]{8}(/[0-9]{1,6}/[0-9A-Fa-f]{8})*", path):
        raise RequestError(400, f"bulk data {path!r}; expected a tag, such as 7FE00010")
    view, record = context.view(request), context.records(request)[0]
    context.audit(request, "DICOM Instances Transferred", "R", [record.study_instance_uid], element=path)
    ranges = ranges_of(request)
    if path.upper() == record.pixel_tag and any(wanted.multipart for wanted in ranges):
        return given_frames(request, Pixels(view, record), list(range(1, record.number_of_frames + 1)))
    for wanted in ranges:
        if wanted.allows(OCTETS):
            body = _value(view, record, path, base_of(request))
            if not wanted.multipart:
                return respond(request, body)
            return related(OCTETS, [Part(OCTETS, body, body.location)])
    raise not_acceptable(OCTETS)


def all_bulk_data(context: Context, request: Request) -> Response:
    """Every value that the metadata of a study, a series or an instance give by reference, one part for each."""
    view, base = context.view(request), base_of(request)
    records = context.records(request)
    if not any(wanted.multipart and wanted.allows(OCTETS) for wanted in ranges_of(request)):
        raise not_acceptable(f'{MULTIPART}; type="{OCTETS}"')
    context.audit(request, "DICOM Instances Transferred", "R", [records[0].study_instance_uid], instances=len(records))
    texts = view.attributes(*place_of(request))
    if not any(_REFERENCE.search(text) for text in texts):
        raise RequestError(404, "there is no bulk data")

    def parts() -> Iterator[Part]:
        for record, text in zip(records, texts, strict=True):
            for path in _REFERENCE.findall(text):
                body = _value(view, record, path, base)
                yield Part(OCTETS, body, body.location)

    return related(OCTETS, parts())


def _value(view: View, record: InstanceRecord, path: str, base: str) -> Body:
    tag, modified = entity_tag(record.object_sha256, path), http_date(record.received)
    location = f"{instance_url(record, base)}/bulkdata/{path}"
    if path.upper() == record.pixel_tag:
        samples = AllSamples(view, record)
        return Body(
            size=samples.size, read=samples.read, media_type=OCTETS, tag=tag, modified=modified, location=location
        )
    return Body.of(_element_value(view, record, path), OCTETS, tag=tag, modified=modified, location=location)


def _element_value(view: View, record: InstanceRecord, path: str) -> bytes:
    try:
        with quiet_pydicom(), view.objects.open(record.object_sha256) as file:
            element = _element(pydicom.dcmread(file, stop_before_pixels=int(path[:8], 16) < min(PIXEL_TAGS)), path)
            if record.transfer_syntax_uid == ExplicitVRBigEndian:
                return little_endian(element)
            return bytes(element.value)
    except UNREADABLE:
        raise RequestError(404, f"the instance has no bulk data {path}") from None


def _element(dataset: pydicom.Dataset, path: str) -> Any:
    tag, _, rest = path.partition("/")
    element = dataset[int(tag, 16)]
    if not rest:
        return element
    item, _, below = rest.partition("/")
    return _element(element.value[int(item)], below)


def _all(path: str, level: str) -> Resource:
    return Resource(
        method="GET",
        path=path + "/bulkdata",
        text=f"All values of the {level} that its metadata refer to, a part for each (WADO-RS)",
        section="10.4",
        handler=all_bulk_data,
        permission=Permission.READ,
        answers={200: Answer("The values' bytes", (MULTIPART,))},
        query={"accept": ("string", "Media type; instead of the header")},
        problems=(400, 404, 406),
    )


RESOURCES = (
    Resource(
        method="GET",
        path=INSTANCE + "/bulkdata/{path:path}",
        text="The value that the metadata refer to (WADO-RS)",
        section="10.4",
        handler=bulk_data,
        permission=Permission.READ,
        answers={
            200: Answer("The value's bytes", (MULTIPART, OCTETS, "image/*", "video/*")),
            206: Answer("The range of it", (OCTETS, "image/*", "video/*")),
            304: Answer("It has not changed"),
        },
        query={"accept": ("string", "Media type; instead of the header")},
        problems=(400, 404, 406, 416),
    ),
    *(_all(path, level) for path, level in ((STUDY, "study"), (SERIES, "series"), (INSTANCE, "instance"))),
)
