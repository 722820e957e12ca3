"""A resource of the service: its route, and what its description says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from pellucid.access import Permission
from pellucid.dicomweb.context import Context

Handler = Callable[[Context, Request], Response | Awaitable[Response]]

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
DICOM_XML = "application/dicom+xml"
MULTIPART = "multipart/related"
OCTETS = "application/octet-stream"
STUDY = "/studies/{study}"
SERIES = STUDY + "/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"
FRAMES = INSTANCE + "/frames/{frames}"


@dataclass(frozen=True)
class Answer:
    """What an answer means and the media types it comes in; no media: it has no body.

    `schema`: the shape of a JSON body ("DicomObject", "DicomObjects", "Any"); all others are bytes.
    """

    text: str
    media: tuple[str, ...] = ()
    schema: str = ""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One method of one path.

    `section`: of PS3.18 where not said otherwise. `query`: parameter → (JSON type, meaning). `body`: media types
    taken. `problems`: statuses of errors beside those that any request may meet.
    """

    method: str
    path: str
    text: str
    section: str
    handler: Handler
    permission: Permission | None
    answers: Mapping[int, Answer]
    query: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    body: tuple[str, ...] = ()
    problems: tuple[int, ...] = ()
