"""Where the data-bins of a partitioned codestream are (ISO/IEC 15444-9 A.3), and how both are kept together."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pellucid.jpip.codestream import MOST_TILES, Data, read_tile_parts
from pellucid.jpip.geometry import Tile
from pellucid.jpip.markers import bad, read_coding, read_main_header
from pellucid.jpip.partition import Partitioned

_MAGIC = b"JPIPIDX1"
_TRAILER = struct.Struct("<8sQ")
_MOST_BINS = 1 << 21

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class IndexedTile:
    """One tile: its header data-bin, and the range of its only tile-part; its precincts are numbered from `first`."""

    tile: Tile
    header: bytes
    start: int
    end: int
    first: int


class Index:
    """The data-bins of a codestream that `partition` made; precincts are numbered tile by tile, by component.

    `starts`, `lengths`: each precinct's range of bytes; `layer_ends[precinct, layer]`: its bytes up to the end of
    a layer; `bin_ids`: in-class identifiers; `components`, `resolutions`, `tile_numbers`: where it belongs.
    """

    def __init__(self, data: Data, packet_lengths: NDArray[np.uint32]) -> None:
        self.data = data
        self.size, self._segments, at = read_main_header(data)
        if self.size.tiles > MOST_TILES:
            raise bad(f"it has {self.size.tiles} tiles")
        self.main_header = bytes(data[:at])
        self.tiles = self._read_tiles(at)
        self.layers = max(tile.tile.coding.layers for tile in self.tiles)
        count = sum(tile.tile.precincts for tile in self.tiles)
        self.starts = np.zeros(count, np.int64)
        self.layer_ends = np.zeros((count, self.layers), np.int64)
        self._place_precincts(packet_lengths)
        self.lengths = self.layer_ends[:, -1].copy()

    @cached_property
    def tile_numbers(self) -> Integers:
        """The tile of every precinct."""
        return np.repeat(np.arange(len(self.tiles)), [tile.tile.precincts for tile in self.tiles])

    @cached_property
    def components(self) -> Integers:
        """The component of every precinct."""
        return np.concatenate([tile.tile.places[:, 0] for tile in self.tiles])

    @cached_property
    def resolutions(self) -> Integers:
        """The resolution of every precinct, the lowest being 0."""
        return np.concatenate([tile.tile.places[:, 1] for tile in self.tiles])

    @cached_property
    def sequence_numbers(self) -> Integers:
        """The number of every precinct within its tile-component."""
        return np.concatenate(
            [np.arange(a, b) - a for t in self.tiles for a, b in zip(t.tile.bases, t.tile.bases[1:], strict=False)]
        )

    @cached_property
    def positions(self) -> Integers:
        """The number of every precinct within its resolution."""
        firsts = [np.array([r.first for r in c]) for t in self.tiles for c in t.tile.components]
        starts = np.concatenate([[0], np.cumsum([first.size for first in firsts])[:-1]])
        flat = np.concatenate(firsts)
        component = self.tile_numbers * len(self.size.components) + self.components
        within: Integers = self.sequence_numbers - flat[starts[component] + self.resolutions]
        return within

    @cached_property
    def bin_ids(self) -> Integers:
        """The in-class identifier of every precinct data-bin (15444-9 A.3.2.1)."""
        count = len(self.size.components)
        ids: Integers = self.tile_numbers + (self.components + self.sequence_numbers * count) * len(self.tiles)
        return ids

    @property
    def levels(self) -> int:
        """How many resolutions can be discarded everywhere."""
        return min(style.levels for tile in self.tiles for style in tile.tile.coding.styles)

    def precinct(self, bin_id: int) -> int:
        """The number of the precinct with an in-class identifier; -1 where there is none."""
        rest, number = divmod(bin_id, len(self.tiles))
        sequence, component = divmod(rest, len(self.size.components))
        tile = self.tiles[number]
        bases = tile.tile.bases
        if bases[component] + sequence >= bases[component + 1]:
            return -1
        return tile.first + bases[component] + sequence

    def _read_tiles(self, at: int) -> list[IndexedTile]:
        tiles: list[IndexedTile] = []
        first = 0
        for expected, (number, part) in enumerate(read_tile_parts(self.data, at, self.size)):
            if number != expected:
                raise bad("its tiles are not in order, one tile-part each")
            coding = read_coding(self._segments, part.segments, len(self.size.components))
            tile = Tile(self.size, number, coding)
            header = b"".join(segment.encoded() for segment in part.segments)
            tiles.append(IndexedTile(tile, header, part.start - len(header) - 14, part.end, first))
            first += tile.precincts
            if first > _MOST_BINS or first * coding.layers > _MOST_BINS:
                raise bad(f"it has more than {_MOST_BINS} packets")
        if len(tiles) != self.size.tiles:
            raise bad(f"{self.size.tiles - len(tiles)} of its tiles are missing")
        return tiles

    def _place_precincts(self, lengths: NDArray[np.uint32]) -> None:
        done = 0
        for tile in self.tiles:
            layers, count = tile.tile.coding.layers, tile.tile.precincts
            own = lengths[done : done + count * layers].astype(np.int64).reshape(-1, layers)
            done += count * layers
            if own.shape[0] != count:
                raise bad("its index is of another codestream")
            order = tile.first + tile.tile.packets()[::layers, 0]
            ends = np.cumsum(own, axis=1)
            self.starts[order] = tile.end - int(own.sum()) + np.cumsum(ends[:, -1]) - ends[:, -1]
            self.layer_ends[order, :layers] = ends
            self.layer_ends[order, layers:] = ends[:, -1:]


def packed(made: Partitioned) -> bytes:
    """A codestream with its index as one value."""
    lengths = made.packet_lengths
    return b"".join((made.data, lengths.astype("<u4").tobytes(), _TRAILER.pack(_MAGIC, lengths.size)))


def unpacked(data: Data) -> Index:
    """The index of what `packed` made; raises `InvalidInputError` where it is something else."""
    if len(data) < _TRAILER.size:
        raise bad("the kept index is cut off")
    magic, count = _TRAILER.unpack(data[-_TRAILER.size :])
    end = len(data) - _TRAILER.size - 4 * count
    if magic != _MAGIC or end < 0:
        raise bad("the kept index is damaged")
    return Index(memoryview(data)[:end], np.frombuffer(data, "<u4", count, end).astype(np.uint32))
