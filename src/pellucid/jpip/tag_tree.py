"""Tag trees: when code-blocks begin and how many of their bit-planes are zero (ISO/IEC 15444-1 B.10.2)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from pellucid.jpip.packet_bits import BitReader, BitWriter

_UNKNOWN = 1 << 30


class TagTree:
    """The minimum of every 2 × 2 group of a grid, up to one root; `leaf` counts along rows."""

    __slots__ = ("_known", "_low", "_paths", "_values")

    def __init__(self, columns: int, rows: int) -> None:
        self._paths, count = _paths(columns, rows)
        self._values = [_UNKNOWN] * count
        self._low = [0] * count
        self._known = bytearray(count)

    def set_values(self, values: Sequence[int]) -> None:
        """What the leaves hold, for writing."""
        for path, value in zip(self._paths, values, strict=True):
            for node in path:
                if value < self._values[node]:
                    self._values[node] = value

    def read(self, bits: BitReader, leaf: int, threshold: int) -> bool:
        """Read what is needed to say whether the leaf's value is below the threshold."""
        values, lows = self._values, self._low
        low = 0
        node = 0
        for node in self._paths[leaf]:
            if lows[node] > low:
                low = lows[node]
            while low < threshold and low < values[node]:
                if bits.bit():
                    values[node] = low
                else:
                    low += 1
            lows[node] = low
        return values[node] < threshold

    def write(self, bits: BitWriter, leaf: int, threshold: int) -> None:
        """Write what a reader needs to say whether the leaf's value is below the threshold."""
        values, lows, known = self._values, self._low, self._known
        low = 0
        for node in self._paths[leaf]:
            if lows[node] > low:
                low = lows[node]
            while low < threshold:
                if low >= values[node]:
                    if not known[node]:
                        bits.bit(1)
                        known[node] = 1
                    break
                bits.bit(0)
                low += 1
            lows[node] = low


@lru_cache(maxsize=256)
def _paths(columns: int, rows: int) -> tuple[list[tuple[int, ...]], int]:
    """The nodes from the root to each leaf, and how many nodes there are."""
    sizes = [(columns, rows)]
    while sizes[-1] != (1, 1):
        width, height = sizes[-1]
        sizes.append(((width + 1) // 2, (height + 1) // 2))
    starts, count = [], 0
    for width, height in sizes:
        starts.append(count)
        count += width * height
    paths = [
        tuple(starts[level] + (y >> level) * sizes[level][0] + (x >> level) for level in range(len(sizes) - 1, -1, -1))
        for y in range(rows)
        for x in range(columns)
    ]
    return paths, count
