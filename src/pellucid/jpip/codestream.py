"""Reading a codestream: its tiles and, for every code-block, where its bytes are. Nothing is decoded."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pellucid.jpip.geometry import Tile
from pellucid.jpip.markers import (
    EPH,
    PPM,
    PPT,
    SOD,
    SOP,
    SOT,
    Segment,
    Size,
    bad,
    read_coding,
    read_main_header,
    read_segments,
)
from pellucid.jpip.packet_bits import BitReader
from pellucid.jpip.packets import BandBlocks, read_packet

MOST_TILES = 4096
_MOST_PRECINCTS = 1 << 17
_MOST_BLOCKS = 1 << 19
_EOC = b"\xff\xd9"

Data = bytes | memoryview


@dataclass
class TilePart:
    """One tile-part: its header's segments and where its packets are."""

    segments: list[Segment]
    start: int
    end: int
    packed_headers: bytes | None = None


@dataclass
class TileData:
    """One tile: how it is coded, its code-blocks by precinct, and how long each packet is."""

    tile: Tile
    segments: list[Segment]
    parts: list[TilePart]
    precincts: list[list[BandBlocks]] = field(default_factory=list)
    packet_lengths: list[int] = field(default_factory=list)


class Codestream:
    """A JPEG 2000 or HTJ2K codestream; `tiles` reads it down to the code-blocks' bytes.

    Raises `InvalidInputError` where it is cut off or contradicts itself, `UnsupportedError` where it is of a kind
    that is not handled (HT and other code-blocks mixed in one component).
    """

    def __init__(self, data: Data) -> None:
        self.data = data
        self.size, self.segments, at = read_main_header(data)
        if self.size.tiles > MOST_TILES:
            raise bad(f"it has {self.size.tiles} tiles; at most {MOST_TILES} are handled")
        parts = read_tile_parts(data, at, self.size)
        _unpack_main_headers(self.segments, [part for _, part in parts])
        self._parts: dict[int, list[TilePart]] = {}
        for number, part in parts:
            self._parts.setdefault(number, []).append(part)
        missing = self.size.tiles - len(self._parts)
        if missing:
            raise bad(f"{missing} of {self.size.tiles} tiles are missing")

    def tiles(self) -> Iterator[TileData]:
        """The tiles in order, read one after another: only one need be in memory."""
        blocks_left, precincts_left = _MOST_BLOCKS, _MOST_PRECINCTS
        for number, own in sorted(self._parts.items()):
            segments = [segment for part in own for segment in part.segments]
            coding = read_coding(self.segments, segments, len(self.size.components))
            data = TileData(Tile(self.size, number, coding), segments, own)
            precincts_left -= data.tile.precincts
            if precincts_left < 0:
                raise bad(f"it has more than {_MOST_PRECINCTS} precincts")
            blocks_left = _make_blocks(data, blocks_left)
            _PacketReader(self.data, data).read()
            yield data


def read_tile_parts(data: Data, at: int, size: Size) -> list[tuple[int, TilePart]]:
    """All tile-parts with their tiles' numbers, as they come."""
    found: list[tuple[int, TilePart]] = []
    # Some writers leave the last marker out; whether all packets are there shows without it.
    while at < len(data) and bytes(data[at : at + 2]) != _EOC:
        if at + 12 > len(data):
            raise bad("it is cut off between tile-parts")
        marker, length, number, total = struct.unpack_from(">HHHI", data, at)
        if marker != SOT or length != 10:
            raise bad(f"a tile-part was expected at byte {at}")
        if number >= size.tiles:
            raise bad(f"a tile-part belongs to tile {number}; there are {size.tiles}")
        end = at + total if total else len(data) - 2 * (bytes(data[-2:]) == _EOC)
        if end > len(data):
            raise bad(f"it is cut off: tile {number} declares {total} bytes, {len(data) - at} are there")
        segments, sod = read_segments(data, at + 12, SOD) if not _sod(data, at + 12) else ([], at + 12)
        if sod + 2 > end:
            raise bad(f"tile {number} declares {total} bytes, fewer than its header has")
        found.append((number, TilePart(segments, sod + 2, end, _packed(segments))))
        at = end
    return found


def _sod(data: Data, at: int) -> bool:
    return bytes(data[at : at + 2]) == b"\xff\x93"


def _packed(segments: Sequence[Segment]) -> bytes | None:
    """The packet headers that PPT segments hold, in the order of their index."""
    found = sorted((s.body[0], s.body[1:]) for s in segments if s.marker == PPT and s.body)
    return b"".join(part for _, part in found) if found else None


def _unpack_main_headers(segments: Sequence[Segment], parts: Sequence[TilePart]) -> None:
    """Hand out the packet headers that PPM segments hold: a length and bytes for each tile-part."""
    found = sorted((s.body[0], s.body[1:]) for s in segments if s.marker == PPM and s.body)
    if not found:
        return
    text = b"".join(part for _, part in found)
    at = 0
    for part in parts:
        if at + 4 > len(text):
            raise bad("PPM holds headers of fewer tile-parts than there are")
        length = int.from_bytes(text[at : at + 4], "big")
        part.packed_headers = text[at + 4 : at + 4 + length]
        at += 4 + length


def _make_blocks(data: TileData, left: int) -> int:
    """Make the tile's empty code-blocks; how many more the codestream may have."""
    for precinct in range(data.tile.precincts):
        grids = list(data.tile.grids(precinct))
        left -= sum(columns * rows for *_, columns, rows in grids)
        if left < 0:
            raise bad(f"it has more than {_MOST_BLOCKS} code-blocks")
        data.precincts.append([BandBlocks(columns, rows) for *_, columns, rows in grids])
    return left


class _PacketReader:
    """Goes through the packets of one tile, from tile-part to tile-part."""

    def __init__(self, data: Data, tile: TileData) -> None:
        self._data = data
        self._tile = tile
        self._parts = iter(tile.parts)
        self._at = self._end = 0
        self._headers: bytes | None = None
        self._headers_at = 0

    def read(self) -> None:
        """Read every packet's header and note where its code-blocks' bytes are."""
        tile = self._tile.tile
        styles = [style.block_style for style in tile.coding.styles]
        components = tile.places[:, 0].tolist()
        for precinct, layer in tile.packets().tolist():
            if not self._more():
                break
            bands = self._tile.precincts[precinct]
            start = self._at
            self._skip(SOP, 6)
            bits, body = self._header_bits()
            found = read_packet(bands, layer, styles[components[precinct]], bits)
            at = body(bits.finish())
            for _, contribution in found:
                contribution.start = at
                at += contribution.length
            if at > self._end:
                raise bad(f"a packet of tile {tile.number} is longer than its tile-part")
            self._at = at
            self._tile.packet_lengths.append(at - start)
        if len(self._tile.packet_lengths) < len(tile.packets()) and not tile.coding.volumes:
            raise bad(f"tile {tile.number} is cut off: {len(self._tile.packet_lengths)} packets")

    def _more(self) -> bool:
        """Move on to the tile-part that holds the next packet."""
        while self._at >= self._end and (self._headers is None or self._headers_at >= len(self._headers)):
            part = next(self._parts, None)
            if part is None:
                return False
            self._at, self._end = part.start, part.end
            self._headers, self._headers_at = part.packed_headers, 0
        return True

    def _header_bits(self) -> tuple[BitReader, Callable[[int], int]]:
        """The bits of the next header, and what says where its packet's bytes begin once it was read."""
        if self._headers is None:
            return BitReader(self._data, self._at, self._end), self._after_header
        return BitReader(self._headers, self._headers_at, len(self._headers)), self._after_packed_header

    def _after_header(self, at: int) -> int:
        self._at = at
        self._skip(EPH, 2)
        return self._at

    def _after_packed_header(self, at: int) -> int:
        assert self._headers is not None
        if self._headers[at : at + 2] == EPH.to_bytes(2, "big"):
            at += 2
        self._headers_at = at
        return self._at

    def _skip(self, marker: int, length: int) -> None:
        if bytes(self._data[self._at : self._at + 2]) == marker.to_bytes(2, "big"):
            self._at += length
