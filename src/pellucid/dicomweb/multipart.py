"""Multipart messages: written part by part, and read part by part into files."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.representation import Body


@dataclass(frozen=True)
class Part:
    """One part to be written."""

    content_type: str
    data: bytes | Body
    location: str = ""


class MultipartWriter:
    """A multipart/related message (RFC 2387) as a stream."""

    def __init__(self, part_type: str) -> None:
        self._boundary = uuid.uuid4().hex
        self.content_type = f'multipart/related; type="{part_type}"; boundary={self._boundary}'

    def stream(self, parts: Iterable[Part]) -> Iterator[bytes]:
        """The message's bytes; a part is made when its turn comes, a large one in pieces."""
        for part in parts:
            location = f"Content-Location: {part.location}\r\n" if part.location else ""
            data = part.data
            size = len(data) if isinstance(data, bytes) else data.size
            head = (
                f"--{self._boundary}\r\nContent-Type: {part.content_type}\r\n{location}Content-Length: {size}\r\n\r\n"
            )
            pieces = iter((data,)) if isinstance(data, bytes) else data.pieces(0, size)
            yield head.encode("ascii") + next(pieces, b"")
            yield from pieces
            yield b"\r\n"
        yield f"--{self._boundary}--\r\n".encode("ascii")


def new_folder(place: Path, prefix: str) -> Path:
    """A new folder to receive a request's files in; raises `RequestError` 507 where there is no room for it."""
    with received():
        return Path(tempfile.mkdtemp(prefix=prefix, dir=place))


@contextmanager
def received() -> Iterator[None]:
    """What cannot be written while a request is received is no failure of the server: HTTP 507."""
    try:
        yield
    except OSError as error:
        raise _no_room(error) from error


def _no_room(error: OSError) -> RequestError:
    return RequestError(507, f"cannot be received: {error.strerror}")


@dataclass
class ReceivedPart:
    """One part that was received: its headers (names in lower case) and the file that holds its body."""

    headers: dict[str, str] = field(default_factory=dict)
    file: Path = Path()
    size: int = 0

    @property
    def content_type(self) -> str:
        """The part's media type without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def disposition(self, name: str) -> str:
        """A parameter of Content-Disposition, such as `filename` (RFC 2231 encoding understood)."""
        message = Message()
        message["content-disposition"] = self.headers.get("content-disposition", "")
        value = message.get_param(name, header="content-disposition")
        if isinstance(value, tuple):
            return value[2]
        return value or ""


class MultipartReader:
    """Reads a multipart message that arrives in pieces; bodies go to numbered files in `folder`.

    Raises `RequestError` 400 for a malformed message and 413 where a limit is exceeded.
    """

    def __init__(self, boundary: str, folder: Path, *, part_bytes: int, total_bytes: int, parts: int) -> None:
        self.parts: list[ReceivedPart] = []
        self._folder = folder
        self._limits = (part_bytes, total_bytes, parts)
        self._total = 0
        self._name = self._value = b""
        self._file: BinaryIO | None = None
        self._ended = False
        if not boundary:
            raise RequestError(400, "Content-Type: the boundary is missing")
        try:
            self._parser = MultipartParser(
                boundary.encode("latin-1", "replace"),
                {
                    "on_part_begin": self._part_begins,
                    "on_header_begin": self._header_begins,
                    "on_header_field": self._header_name,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_ends,
                    "on_part_data": self._data,
                    "on_part_end": self._part_ends,
                    "on_end": self._ends,
                },
            )
        except FormParserError as error:
            raise RequestError(400, f"Content-Type: {error}") from None

    def feed(self, piece: bytes) -> None:
        """The next piece of the message."""
        self._total += len(piece)
        if self._total > self._limits[1]:
            raise RequestError(413, f"the request is larger than {self._limits[1]} bytes")
        try:
            self._parser.write(piece)
        except FormParserError:
            raise RequestError(
                400, "the body is not a multipart message with the boundary of its Content-Type"
            ) from None
        except OSError as error:
            with suppress(RequestError):  # what was not written yet cannot be either
                self.close()
            raise _no_room(error) from error

    def finish(self) -> list[ReceivedPart]:
        """The parts, after the last piece."""
        self.close()
        if not self._ended:
            raise RequestError(400, "the multipart message ends before its closing boundary")
        return self.parts

    def close(self) -> None:
        """Close the file that is being written (also where reading was given up)."""
        file, self._file = self._file, None
        if file is not None:
            with received():
                file.close()

    def _part_begins(self) -> None:
        if len(self.parts) >= self._limits[2]:
            raise RequestError(413, f"the request has more than {self._limits[2]} parts")
        file = self._folder / f"{len(self.parts):06d}"
        self.parts.append(ReceivedPart(file=file))
        self._file = file.open("wb")

    def _header_begins(self) -> None:
        self._name = self._value = b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_ends(self) -> None:
        self.parts[-1].headers[self._name.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")

    def _data(self, data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        part.size += end - start
        if part.size > self._limits[0]:
            raise RequestError(413, f"part {len(self.parts)} is larger than {self._limits[0]} bytes")
        if self._file is not None:
            self._file.write(memoryview(data)[start:end])

    def _part_ends(self) -> None:
        self.close()

    def _ends(self) -> None:
        self._ended = True


def boundary_of(content_type: str) -> str:
    """The boundary parameter of a Content-Type header."""
    message = Message()
    message["content-type"] = content_type
    return message.get_boundary("") or ""
