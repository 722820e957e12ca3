"""Several representations in one multipart/related response."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from starlette.responses import Response, StreamingResponse

from pellucid.dicomweb.multipart import MultipartWriter, Part


def related(part_type: str, parts: Iterable[Part], *, alone: bool = False) -> Response:
    """A multipart/related response of parts that are made as they are sent; `alone`: there is one, made now.

    The first part is made before the response begins, so that what cannot be made is an error, not a broken stream.
    """
    writer = MultipartWriter(part_type)
    if alone:
        return Response(b"".join(writer.stream(parts)), media_type=writer.content_type)
    return StreamingResponse(writer.stream(_first_now(iter(parts))), media_type=writer.content_type)


def _first_now(parts: Iterator[Part]) -> Iterator[Part]:
    first = next(parts)

    def chained() -> Iterator[Part]:
        yield first
        yield from parts

    return chained()
