"""The attributes of a data set as bytes (PS3.5 section 7): walked, and written again in another encoding.

Values are copied, never interpreted: what is not meant to change comes out byte for byte, except that numbers turn
where the byte order does.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import IO, BinaryIO, Self

import numpy as np

from pellucid.errors import InvalidInputError

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA = 0x7FE00010, 0x7FE00008, 0x7FE00009
_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_WIDTH = {
    "US": 2, "SS": 2, "OW": 2, "AT": 2, "UL": 4, "SL": 4, "FL": 4, "OF": 4, "OL": 4,
    "FD": 8, "OD": 8, "OV": 8, "SV": 8, "UV": 8,
}  # fmt: skip
_DEPTH = 32
_WINDOW = 1 << 14
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Encoding:
    """How attributes are written."""

    explicit: bool = True
    little: bool = True

    @property
    def order(self) -> str:
        """The byte order as `struct` writes it."""
        return "<" if self.little else ">"


_IMPLICIT = Encoding(explicit=False)


class Source:
    """Bytes, a file's path or an open file (which is closed with this), read in pieces.

    Small pieces come from a window kept in memory.
    """

    def __init__(self, data: bytes | Path | IO[bytes]) -> None:
        self._file: IO[bytes] | None = data.open("rb") if isinstance(data, Path) else None
        self._data = data if isinstance(data, bytes) else b""
        if not isinstance(data, bytes | Path):
            self._file = data
        self._start = 0
        self.size = self._file.seek(0, 2) if self._file else len(self._data)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def read(self, start: int, length: int) -> bytes:
        """Exactly `length` bytes from `start`; raises `InvalidInputError` where they are not there."""
        if length < 0 or start + length > self.size:
            raise InvalidInputError(f"ends at byte {self.size}, within an attribute. Truncated file?")
        if self._file is None:
            return self._data[start : start + length]
        offset = start - self._start
        if not 0 <= offset <= len(self._data) - length:
            self._file.seek(start)
            if length > _WINDOW:
                return self._file.read(length)
            self._start, self._data, offset = start, self._file.read(_WINDOW), 0
        return self._data[offset : offset + length]


@dataclass(frozen=True, slots=True)
class Element:
    """One attribute: `vr` is empty where the encoding does not say; the value is `start` … `end`, of `length`.

    Of undefined length, `next` is where the next attribute begins, beyond the delimiter; of encapsulated pixels it
    is not known and `end` is -1.
    """

    tag: int
    vr: str
    length: int
    begin: int
    start: int
    end: int
    next: int


def elements(source: Source, encoding: Encoding, start: int, end: int, depth: int = 0) -> Iterator[Element]:
    """The attributes of a data set or item that lies from `start` to `end` (or to its item delimiter).

    Stops at encapsulated pixels, whose end only their fragments know; call again beyond them.
    """
    position = start
    while position < end:
        element = _element(source, encoding, position, end, depth)
        yield element
        if element.end < 0 or element.tag in (ITEM_END, SEQUENCE_END):
            return
        position = element.next


def _element(source: Source, encoding: Encoding, position: int, end: int, depth: int) -> Element:
    if depth > _DEPTH:
        raise InvalidInputError(f"sequences lie more than {_DEPTH} deep")
    group, number, length = struct.unpack(f"{encoding.order}HHI", source.read(position, 8))
    tag, vr, start = group << 16 | number, "", position + 8
    if encoding.explicit and group != 0xFFFE:
        code = source.read(position + 4, 2)
        if not (code.isalpha() and code.isupper()):
            raise InvalidInputError(f"has no value representation at byte {position}", field=_name(tag))
        vr = code.decode("ascii")
        if vr in _LONG or vr not in _SHORT:
            length = struct.unpack(f"{encoding.order}I", source.read(position + 8, 4))[0]
            start = position + 12
        else:
            length = struct.unpack(f"{encoding.order}H", source.read(position + 6, 2))[0]
    if length != UNDEFINED:
        if start + length > end:
            raise InvalidInputError(f"ends beyond what holds it, at byte {end}. Truncated file?", field=_name(tag))
        return Element(tag, vr, length, position, start, start + length, start + length)
    if tag == PIXEL_DATA and depth == 0:
        return Element(tag, vr, length, position, start, -1, -1)
    # An attribute of unknown representation and length is a sequence in implicit encoding (PS3.5 section 6.2.2).
    inner = _IMPLICIT if vr == "UN" else encoding
    after = start
    for item in items(source, inner, start, end, depth):
        after = item.next
    return Element(tag, vr, length, position, start, after, after + 8)


def items(source: Source, encoding: Encoding, start: int, end: int, depth: int) -> Iterator[Element]:
    """The items of a sequence's value, up to its delimiter or its end."""
    position = start
    while position < end:
        group, number, length = struct.unpack(f"{encoding.order}HHI", source.read(position, 8))
        tag = group << 16 | number
        if tag == SEQUENCE_END:
            return
        if tag != ITEM:
            raise InvalidInputError(f"has {_name(tag)} at byte {position}, where an item is expected. Damaged file?")
        first = position + 8
        if length != UNDEFINED:
            if first + length > end:
                raise InvalidInputError("has an item that ends beyond its sequence. Truncated file?")
            item = Element(tag, "", length, position, first, first + length, first + length)
        else:
            stop, following = _item_end(source, encoding, first, end, depth + 1)
            item = Element(tag, "", length, position, first, stop, following)
        yield item
        position = item.next


def _item_end(source: Source, encoding: Encoding, start: int, end: int, depth: int) -> tuple[int, int]:
    for element in elements(source, encoding, start, end, depth):
        if element.tag == ITEM_END:
            return element.begin, element.next
    raise InvalidInputError("has an item without an end. Truncated file?")


_SHORT = frozenset(
    "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()  # noqa: SIM905 (a list of names)
)


def header(tag: int, vr: str, length: int, encoding: Encoding) -> bytes:
    """The bytes before a value."""
    begin = struct.pack(f"{encoding.order}HH", tag >> 16, tag & 0xFFFF)
    if not encoding.explicit or tag >> 16 == 0xFFFE:
        return begin + struct.pack(f"{encoding.order}I", length)
    if vr in _SHORT:
        return begin + vr.encode() + struct.pack(f"{encoding.order}H", length)
    return begin + vr.encode() + b"\0\0" + struct.pack(f"{encoding.order}I", length)


@dataclass(frozen=True)
class Recoding:
    """Writes attributes of one encoding in another; `signed`: whether "US or SS" are numbers with a sign."""

    source: Source
    given: Encoding
    wanted: Encoding
    signed: bool = False

    def write(self, element: Element, target: BinaryIO, depth: int = 0) -> None:
        """One attribute."""
        if self.given == self.wanted:
            self._copy(element.begin, element.next, target, 1)
            return
        vr = element.vr or self.representation(element)
        if vr == "SQ" or (element.length == UNDEFINED and self.wanted.explicit):
            self._write_sequence(element, target, depth)
            return
        if element.length == UNDEFINED:  # its items are implicit already
            target.write(header(element.tag, vr, UNDEFINED, self.wanted))
            self._copy(element.start, element.end, target, 1)
            target.write(header(SEQUENCE_END, "", 0, self.wanted))
            return
        if vr in _SHORT and element.length > 0xFFFF:
            vr = "UN"
        target.write(header(element.tag, vr, element.length, self.wanted))
        width = _WIDTH.get(vr, 1) if self.given.little != self.wanted.little else 1
        self._copy(element.start, element.end, target, width)

    def _write_sequence(self, element: Element, target: BinaryIO, depth: int) -> None:
        """Sequence and items with undefined lengths: they need not be known before they are written.

        An unknown attribute of undefined length is a sequence too, in implicit encoding (PS3.5 section 6.2.2).
        """
        inner = self if element.vr != "UN" else replace(self, given=_IMPLICIT)
        target.write(header(element.tag, "SQ", UNDEFINED, self.wanted))
        for item in items(self.source, inner.given, element.start, element.end, depth):
            target.write(header(ITEM, "", UNDEFINED, self.wanted))
            for found in elements(self.source, inner.given, item.start, item.end, depth + 1):
                if found.tag & 0xFFFF:
                    inner.write(found, target, depth + 1)
            target.write(header(ITEM_END, "", 0, self.wanted))
        target.write(header(SEQUENCE_END, "", 0, self.wanted))

    def _copy(self, start: int, end: int, target: BinaryIO, width: int) -> None:
        while start < end:
            data = self.source.read(start, min(_CHUNK, end - start))
            target.write(swapped(data, width))
            start += len(data)

    def representation(self, element: Element) -> str:
        """What the dictionary says of an attribute without its own word."""
        vr = representation(element.tag)
        if vr == "US or SS":
            return "SS" if self.signed else "US"
        if vr.startswith(("US or OW", "US or SS or OW", "OB or OW")):
            return "OW"
        if vr == "UN" and element.length == UNDEFINED and element.tag >> 16 & 1 == 0:
            return "SQ"
        return vr


@lru_cache(maxsize=4096)
def representation(tag: int) -> str:
    """Value representation of a tag as PS3.6 says it; "UN" where it does not."""
    from pydicom.datadict import dictionary_VR

    if tag >> 16 & 1:
        return "LO" if 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    if tag & 0xFFFF == 0:
        return "UL"
    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return "UN"


def swapped(data: bytes, width: int) -> bytes:
    """Numbers of `width` bytes in the other byte order; what is left over at the end stays."""
    if width == 1:
        return data
    whole = len(data) // width * width
    return np.frombuffer(data, f"u{width}", whole // width).byteswap().tobytes() + data[whole:]


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
