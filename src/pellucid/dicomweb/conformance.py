"""What this service conforms to, as a table for the documentation, made from the table of its resources."""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.dicomweb.resource import Resource
from pellucid.dicomweb.table import RESOURCES

BEGIN, END = "<!-- resources: begin -->", "<!-- resources: end -->"
"""Between these lines of the documentation the table stands."""


def conformance_table() -> str:
    """Every resource with its section of PS3.18, the permission it needs, what it takes and gives, in Markdown."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "| method | resource | PS3.18 | permission | takes | gives | statuses |"
    yield "|---|---|---|---|---|---|---|"
    for resource in RESOURCES:
        cells = (
            resource.method,
            f"`{resource.path.replace(':path}', '}')}`",
            resource.section.removesuffix(" PS3.18"),
            str(resource.permission or "any"),
            _media(resource.body),
            _media(tuple(dict.fromkeys(media for answer in resource.answers.values() for media in answer.media))),
            _statuses(resource),
        )
        yield f"| {' | '.join(cells)} |"


def _media(media: tuple[str, ...]) -> str:
    return ", ".join(f"`{one.removeprefix('application/')}`" for one in media)


def _statuses(resource: Resource) -> str:
    return ", ".join(map(str, sorted({*resource.answers, *resource.problems})))
