"""What the service can do, as WADL or OpenAPI (PS3.18 section 8.9)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from pellucid.dicomweb.accept import not_acceptable
from pellucid.dicomweb.answering import base_of, ranges_of
from pellucid.dicomweb.context import Context
from pellucid.dicomweb.resource import Answer, Resource

WADL = "application/vnd.sun.wadl+xml"
OPENAPI = "application/vnd.oai.openapi+json"
_NAMESPACE = "http://wadl.dev.java.net/2009/02"


def capabilities(_context: Context, request: Request) -> Response:
    """The description of all resources."""
    headers = {"Allow": "GET, HEAD, OPTIONS"}
    for wanted in ranges_of(request):
        if wanted.allows(WADL) or wanted.allows("application/xml"):
            return Response(wadl(base_of(request)), headers=headers, media_type=WADL)
        for media in (OPENAPI, "application/json"):
            if wanted.allows(media):
                from pellucid.dicomweb.description import openapi

                return JSONResponse(openapi(base_of(request)), headers=headers, media_type=media)
    raise not_acceptable(f"{WADL} or {OPENAPI}")


def wadl(root: str) -> bytes:
    """The Web Application Description Language document of the service at the address `root`."""
    from pellucid.dicomweb.table import RESOURCES

    by_path: dict[str, list[Resource]] = {}
    for resource in RESOURCES:
        by_path.setdefault(resource.path.replace(":path}", "}"), []).append(resource)
    resources = "".join(_path(path, found) for path, found in by_path.items())
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><application xmlns="{_NAMESPACE}">'
        f"<resources base={quoteattr(root)}>{resources}</resources></application>"
    ).encode()


def _path(path: str, resources: list[Resource]) -> str:
    names = "".join(f'<param name="{name}" style="template" required="true"/>' for name in re.findall(r"{(\w+)}", path))
    methods = "".join(map(_method, resources))
    return f"<resource path={quoteattr(path.lstrip('/'))}>{names}{methods}</resource>"


def _method(resource: Resource) -> str:
    query = "".join(
        f'<param name="{name}" style="query"><doc>{escape(text)}</doc></param>'
        for name, (_, text) in resource.query.items()
    )
    body = "".join(_representation(media) for media in resource.body)
    request = f"<request>{query}{body}</request>" if query or body else ""
    return (
        f'<method name="{resource.method}"><doc>{escape(resource.text)}</doc>{request}'
        f"{''.join(_responses(resource))}</method>"
    )


def _responses(resource: Resource) -> Iterator[str]:
    for status, answer in resource.answers.items():
        yield f'<response status="{status}">{"".join(map(_representation, answer.media))}</response>'
    if resource.problems:
        yield f'<response status="{" ".join(map(str, resource.problems))}"/>'


def _representation(media: str) -> str:
    return f"<representation mediaType={quoteattr(media)}/>"


RESOURCES = tuple(
    Resource(
        method=method,
        path="/",
        text="What this service can do",
        section="8.9",
        handler=capabilities,
        permission=None,
        answers={200: Answer("The description", (WADL, OPENAPI, "application/json"))},
        query={"accept": ("string", "Media type; instead of the header")},
        problems=(400, 406),
    )
    for method in ("GET", "OPTIONS")
)
