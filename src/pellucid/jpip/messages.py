"""JPP- and JPT-stream messages: pieces of data-bins with a header of variable-length integers (ISO/IEC 15444-9 A.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from pellucid.errors import InvalidInputError

_MOST_DIGITS = 9


class BinClass(IntEnum):
    """Classes of data-bins (table A.2); odd ones carry how many layers or what else is complete."""

    PRECINCT = 0
    EXTENDED_PRECINCT = 1
    TILE_HEADER = 2
    TILE = 4
    EXTENDED_TILE = 5
    MAIN_HEADER = 6
    METADATA = 8


class Reason(IntEnum):
    """Why a response ends (table D.2)."""

    IMAGE_DONE = 1
    WINDOW_DONE = 2
    WINDOW_CHANGE = 3
    BYTE_LIMIT = 4
    QUALITY_LIMIT = 5
    SESSION_LIMIT = 6
    RESPONSE_LIMIT = 7
    NOT_SPECIFIED = 0xFF


@dataclass(frozen=True)
class Message:
    """A piece of a data-bin: `body` from byte `offset`; `last` where the data-bin ends with it."""

    bin_class: int
    bin_id: int
    stream: int
    offset: int
    body: bytes | memoryview
    last: bool


@dataclass(frozen=True)
class EndOfResponse:
    """The message that ends a response."""

    reason: int


def integer(value: int) -> bytes:
    """A variable-length integer: seven bits a byte, the first bit set in all but the last (A.2.1)."""
    digits = [value & 0x7F]
    while value := value >> 7:
        digits.append(value & 0x7F | 0x80)
    return bytes(reversed(digits))


def end_of_response(reason: Reason) -> bytes:
    """The bytes of the message that ends a response."""
    return bytes([0, reason, 0])


class HeaderWriter:
    """Writes message headers; class and codestream are left out where they are those of the message before."""

    def __init__(self) -> None:
        self._class = 0
        self._stream = 0

    def header(
        self, bin_class: int, bin_id: int, stream: int, offset: int, length: int, *, last: bool, layers: int = 0
    ) -> bytes:
        """A header that could come next; `sent` says that it did. `layers`: for extended precincts."""
        new_stream = stream != self._stream
        new_class = new_stream or bin_class != self._class
        first = (3 if new_stream else 2 if new_class else 1) << 5 | last << 4
        extra = 0
        while bin_id >> (4 + 7 * extra):
            extra += 1
        digits = [bin_id >> (7 * place) & 0x7F | (0x80 if place else 0) for place in range(extra - 1, -1, -1)]
        head = bytes([first | bin_id >> (7 * extra) | (0x80 if extra else 0), *digits])
        return b"".join(
            (
                head,
                integer(bin_class) if new_class else b"",
                integer(stream) if new_stream else b"",
                integer(offset),
                integer(length),
                integer(layers) if bin_class & 1 else b"",
            )
        )

    def sent(self, bin_class: int, stream: int) -> None:
        """A message of this class and codestream was sent."""
        self._class, self._stream = bin_class, stream


def read_messages(data: bytes | memoryview) -> Iterator[Message | EndOfResponse]:
    """The messages of a stream; raises `InvalidInputError` where it is not one, or is cut off."""
    reader = _Reader(memoryview(data))
    bin_class = stream = 0
    while reader.at < len(data):
        first = reader.byte()
        if first == 0:
            reason = reader.byte()
            reader.take(reader.integer())
            yield EndOfResponse(reason)
            continue
        present = first >> 5 & 3
        if present == 0:
            raise _bad(f"the message header at byte {reader.at - 1} is not allowed")
        bin_id = first & 15
        if first & 0x80:
            bin_id = reader.integer(bin_id)
        if present >= 2:
            bin_class = reader.integer()
        if present == 3:
            stream = reader.integer()
        offset, length = reader.integer(), reader.integer()
        if bin_class & 1:
            reader.integer()
        yield Message(bin_class, bin_id, stream, offset, reader.take(length), bool(first & 0x10))


class _Reader:
    def __init__(self, data: memoryview) -> None:
        self._data = data
        self.at = 0

    def byte(self) -> int:
        if self.at >= len(self._data):
            raise _bad("it is cut off")
        self.at += 1
        return self._data[self.at - 1]

    def integer(self, value: int = 0) -> int:
        for _ in range(_MOST_DIGITS):
            byte = self.byte()
            value = value << 7 | byte & 0x7F
            if not byte & 0x80:
                return value
        raise _bad("an integer has too many digits")

    def take(self, length: int) -> memoryview:
        if length > len(self._data) - self.at:
            raise _bad("it is cut off")
        self.at += length
        return self._data[self.at - length : self.at]


def _bad(message: str) -> InvalidInputError:
    return InvalidInputError(message, field="JPP-stream")
