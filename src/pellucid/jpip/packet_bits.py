"""Bits of packet headers, with the stuffed bit after every byte 0xFF (ISO/IEC 15444-1 B.10.1)."""

from __future__ import annotations

from pellucid.errors import InvalidInputError


class BitReader:
    """Reads a packet header's bits from `data[at:end]`."""

    __slots__ = ("_byte", "_data", "_end", "_left", "at")

    def __init__(self, data: bytes | memoryview, at: int, end: int) -> None:
        self._data = data
        self._end = end
        self._byte = 0
        self._left = 0
        self.at = at

    def bit(self) -> int:
        """The next bit."""
        if not self._left:
            self._next_byte()
        self._left -= 1
        return (self._byte >> self._left) & 1

    def bits(self, count: int) -> int:
        """The next `count` bits, the most significant first."""
        value = 0
        while count > 0:
            if not self._left:
                self._next_byte()
            taken = min(count, self._left)
            self._left -= taken
            value = value << taken | (self._byte >> self._left) & ((1 << taken) - 1)
            count -= taken
        return value

    def finish(self) -> int:
        """The position after the header, which ends at a byte and never with 0xFF."""
        if self._byte == 0xFF:
            self._next_byte()
        return self.at

    def _next_byte(self) -> None:
        if self.at >= self._end:
            raise InvalidInputError("a packet header is longer than its tile-part", field="codestream")
        self._left = 7 if self._byte == 0xFF else 8
        self._byte = self._data[self.at]
        self.at += 1


class BitWriter:
    """Writes a packet header's bits."""

    __slots__ = ("_byte", "_left", "_out")

    def __init__(self) -> None:
        self._out = bytearray()
        self._byte = 0
        self._left = 8

    def bit(self, value: int) -> None:
        """Append one bit."""
        self._left -= 1
        self._byte |= value << self._left
        if not self._left:
            self._flush()

    def bits(self, value: int, count: int) -> None:
        """Append `count` bits, the most significant first."""
        while count > 0:
            taken = min(count, self._left)
            count -= taken
            self._left -= taken
            self._byte |= (value >> count & ((1 << taken) - 1)) << self._left
            if not self._left:
                self._flush()

    def finish(self) -> bytes:
        """The bytes, filled with zeros to the end of the last."""
        stuffed = bool(self._out) and self._out[-1] == 0xFF
        if self._left < (7 if stuffed else 8) or stuffed:
            self._flush()
        return bytes(self._out)

    def _flush(self) -> None:
        self._out.append(self._byte)
        self._left = 7 if self._byte == 0xFF else 8
        self._byte = 0
