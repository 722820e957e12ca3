"""Encapsulated frames (PS3.5 section A.4): which fragments are whose, and how they are written."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pellucid.codecs.elements import ITEM, SEQUENCE_END, Source
from pellucid.errors import InvalidInputError

_END = b"\xff\xd9"
_LARGEST_TABLE = 0xFFFFFFFF


_Fragment = tuple[int, int]


class EncapsulatedFrames:
    """The frames of an encapsulated pixel element whose value begins at `start`.

    Frames are found by the Extended Offset Table, the Basic Offset Table, one fragment per frame, or the
    end-of-image markers, whichever first explains all fragments. With a table only the frame's own fragments are read.
    """

    def __init__(
        self, source: Source, start: int, stop: int | None, frames: int, extended: tuple[bytes | None, bytes | None]
    ) -> None:
        self._source = source
        self._stop = stop
        self._frames = frames
        self._extended = extended
        self._table, self._first = _offset_table(source, start)
        self._walked: tuple[list[list[_Fragment]], int] | None = None

    @property
    def end(self) -> int:
        """Where the attribute after the pixels begins."""
        return self._walk()[1]

    def frame(self, index: int) -> bytes:
        """The codestream of one frame, counted from 0."""
        if not 0 <= index < self._frames:
            raise InvalidInputError(f"has {self._frames} frames; there is no frame {index + 1}", field="PixelData")
        parts = (None if self._walked else self._by_table(index)) or self._walk()[0][index]
        return b"".join(self._source.read(start, length) for start, length in parts)

    def _walk(self) -> tuple[list[list[_Fragment]], int]:
        if self._walked is None:
            fragments, end = _items(self._source, self._first, self._stop)
            grouped = _grouped(self._source, fragments, self._frames, self._table, self._extended)
            self._walked = grouped, end
        return self._walked

    def _by_table(self, index: int) -> list[_Fragment] | None:
        """The frame's fragments where an offset table leads to them, and from them to the next frame's."""
        offsets, lengths = self._offsets()
        if len(offsets) != self._frames or self._frames == 1:
            return None
        position = self._first + int(offsets[index])
        stop = self._first + int(offsets[index + 1]) if index + 1 < self._frames else None
        parts = []
        while position != (stop or self._stop):
            if position + 8 > self._source.size:
                return None
            group, number, length = struct.unpack("<HHI", self._source.read(position, 8))
            tag = group << 16 | number
            if stop is None and tag == SEQUENCE_END:
                break
            position += 8 + length
            if tag != ITEM or position > (stop or self._source.size):
                return None
            parts.append((position - length, length))
        return _cut([parts], lengths[8 * index : 8 * index + 8], 1)[0] if parts else None

    def _offsets(self) -> tuple[NDArray[Any], bytes]:
        """Of the frames from the first fragment's item, and the extended table's lengths, where there is one."""
        offsets, lengths = self._extended
        if offsets and len(offsets) == 8 * self._frames:
            return np.frombuffer(offsets, "<u8"), lengths or b""
        if len(self._table) % 4:
            return np.zeros(0, "<u4"), b""
        return np.frombuffer(self._table, "<u4"), b""


def _offset_table(source: Source, start: int) -> tuple[bytes, int]:
    """The Basic Offset Table, and where the first fragment's item begins."""
    group, number, length = struct.unpack("<HHI", source.read(start, 8))
    if group << 16 | number != ITEM or start + 8 + length > source.size:
        raise InvalidInputError("does not begin with an offset table. Truncated file?", field="PixelData")
    return source.read(start + 8, length), start + 8 + length


def _items(source: Source, start: int, stop: int | None) -> tuple[list[_Fragment], int]:
    """The fragments (place, length), and where the delimiter (or, without one, the last at `stop`) ends."""
    fragments: list[_Fragment] = []
    position = start
    while position != stop:
        group, number, length = struct.unpack("<HHI", source.read(position, 8))
        tag = group << 16 | number
        if tag == SEQUENCE_END:
            position += 8
            break
        if tag != ITEM or position + 8 + length > source.size:
            raise InvalidInputError(f"has a broken fragment at byte {position}. Truncated file?", field="PixelData")
        fragments.append((position + 8, length))
        position += 8 + length
    if not fragments:
        raise InvalidInputError("has no fragments", field="PixelData")
    return fragments, position


def _grouped(
    source: Source,
    fragments: list[_Fragment],
    frames: int,
    table: bytes,
    extended: tuple[bytes | None, bytes | None],
) -> list[list[_Fragment]]:
    if frames == 1:
        return [fragments]
    offsets, lengths = extended
    if offsets and len(offsets) == 8 * frames:
        grouped = _by_offsets(fragments, np.frombuffer(offsets, "<u8").tolist())
        if grouped:
            return _cut(grouped, lengths, frames)
    if len(table) == 4 * frames:
        grouped = _by_offsets(fragments, np.frombuffer(table, "<u4").tolist())
        if grouped:
            return grouped
    if len(fragments) == frames:
        return [[fragment] for fragment in fragments]
    grouped = _by_ends(source, fragments)
    if len(grouped) == frames:
        return grouped
    raise InvalidInputError(
        f"has {len(fragments)} fragments for {frames} frames, and no offset table that says which is whose",
        field="PixelData",
    )


def _by_offsets(fragments: list[_Fragment], offsets: list[int]) -> list[list[_Fragment]]:
    """Groups that begin at these offsets from the first item; empty where no fragment begins at one."""
    first = fragments[0][0] if fragments else 0
    places = {start - first: index for index, (start, _) in enumerate(fragments)}
    starts = [places.get(offset, -1) for offset in offsets]
    if starts[0] != 0 or any(after <= before for before, after in pairwise(starts)):
        return []
    return [fragments[start:stop] for start, stop in zip(starts, [*starts[1:], len(fragments)], strict=True)]


def _cut(grouped: list[list[_Fragment]], lengths: bytes | None, frames: int) -> list[list[_Fragment]]:
    """Without the padding byte, where Extended Offset Table Lengths tell of it."""
    if not lengths or len(lengths) != 8 * frames:
        return grouped
    exact = np.frombuffer(lengths, "<u8").tolist()
    return [
        [(parts[0][0], length)] if len(parts) == 1 and 0 < length <= parts[0][1] else parts
        for parts, length in zip(grouped, exact, strict=True)
    ]


def _by_ends(source: Source, fragments: list[_Fragment]) -> list[list[_Fragment]]:
    """A frame ends with the fragment that holds an end-of-image marker among its last bytes."""
    grouped: list[list[_Fragment]] = [[]]
    for start, length in fragments:
        grouped[-1].append((start, length))
        tail = source.read(start + max(0, length - 10), min(10, length))
        if _END in tail:
            grouped.append([])
    return [group for group in grouped if group]


def offset_tables(lengths: Sequence[int]) -> tuple[bytes, bytes, bytes]:
    """Of frames of these (even) lengths, one fragment each: Basic, Extended Offset Table and its lengths.

    The extended tables are there only where the basic one cannot reach (PS3.5 section A.4).
    """
    offsets = np.concatenate([[0], np.cumsum([8 + length for length in lengths[:-1]])]).astype("<u8")
    if len(lengths) == 1:
        return b"", b"", b""
    if int(offsets[-1]) <= _LARGEST_TABLE:
        return offsets.astype("<u4").tobytes(), b"", b""
    return b"", offsets.tobytes(), np.array(lengths, "<u8").tobytes()


def write_item(target: BinaryIO, data: bytes) -> None:
    """One fragment, padded to an even length."""
    target.write(struct.pack("<HHI", ITEM >> 16, ITEM & 0xFFFF, len(data) + len(data) % 2))
    target.write(data + b"\0" * (len(data) % 2))
