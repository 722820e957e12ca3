"""A legal codestream from the data-bins that there are; packets that are missing are empty (15444-1 B.9)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from pellucid.errors import InvalidInputError
from pellucid.jpip.codestream import MOST_TILES, Data
from pellucid.jpip.geometry import Tile
from pellucid.jpip.markers import (
    COC,
    COD,
    EPH,
    POSITIONAL,
    QCC,
    QCD,
    SIZ,
    SOP,
    Segment,
    Size,
    ceil_shift,
    component_number,
    read_coding,
    read_main_header,
    read_segments,
    read_size,
)
from pellucid.jpip.packet_bits import BitReader
from pellucid.jpip.packets import BandBlocks, read_packet
from pellucid.jpip.partition import tile_part_start

_END = b"\xff\x90\x00\x0a"
_TILE_END = b"\xff\x93\x00\x02"


@dataclass
class Bin:
    """The bytes of one data-bin that there are from its beginning; `complete` where that is all of it."""

    data: bytearray = field(default_factory=bytearray)
    complete: bool = False


@dataclass
class Bins:
    """The data-bins of one codestream: headers, and precincts by in-class identifier."""

    main_header: Bin = field(default_factory=Bin)
    tile_headers: dict[int, Bin] = field(default_factory=dict)
    precincts: dict[int, Bin] = field(default_factory=dict)

    @property
    def size(self) -> Size:
        """The picture's size; raises `InvalidInputError` where the main header has not come yet."""
        return self._main()[0]

    def codestream(self, discard: int = 0) -> bytes:
        """The codestream; `discard`: without that many of its highest resolutions, a smaller picture.

        A reader sees zeros where nothing has come. Raises `InvalidInputError` where the main header is missing, or a
        picture in tiles cannot be made that small.
        """
        size, main = self._main()
        smaller = _Smaller(size, discard)
        chunks: list[Data] = [b"\xff\x4f", *(segment.encoded() for segment in smaller.segments(main))]
        reduced = read_size(smaller.segments(main)[0].body)
        for number in range(size.tiles):
            own = smaller.segments(self._tile_segments(number))
            coding = read_coding(smaller.segments(main), own, len(size.components))
            packets = list(self._packets(Tile(reduced, number, coding)))
            header = b"".join(segment.encoded() for segment in own) + b"\xff\x93"
            chunks += [tile_part_start(number, len(header) + sum(map(len, packets))), header, *packets]
        chunks.append(b"\xff\xd9")
        return b"".join(chunks)

    def _main(self) -> tuple[Size, list[Segment]]:
        if not self.main_header.complete:
            raise InvalidInputError("has not come yet", field="main header")
        size, segments, _ = read_main_header(bytes(self.main_header.data) + _END)
        if size.tiles > MOST_TILES:
            raise InvalidInputError(f"declares {size.tiles} tiles", field="main header")
        return size, [segment for segment in segments if segment.marker not in POSITIONAL]

    def _tile_segments(self, number: int) -> list[Segment]:
        """The segments of a tile's header; of a tile that nothing has come of, none."""
        data = bytes(self.tile_headers[number].data) if number in self.tile_headers else b""
        data = data.removesuffix(b"\xff\x93")
        if not data:
            return []
        segments, _ = read_segments(data + _TILE_END, 0, 0xFF93)
        return [segment for segment in segments if segment.marker not in POSITIONAL]

    def _packets(self, tile: Tile) -> Iterator[Data]:
        """The tile's packets in the order that its header promises."""
        coding, count = tile.coding, len(tile.components)
        empty = b"\x00\xff\x92" if coding.eph else b"\x00"
        split: dict[int, list[Data]] = {}
        for precinct, layer in tile.packets().tolist():
            component, _, sequence = tile.locate(precinct)
            if precinct not in split:
                bin_id = tile.number + (component + sequence * count) * tile.size.tiles
                split[precinct] = self._split(tile, precinct, self.precincts.get(bin_id))
            packets = split[precinct]
            yield packets[layer] if layer < len(packets) else empty

    @staticmethod
    def _split(tile: Tile, precinct: int, found: Bin | None) -> list[Data]:
        """The whole packets at the beginning of a precinct."""
        if found is None or not found.data:
            return []
        if found.complete and tile.coding.layers == 1:
            return [bytes(found.data)]
        component, _, _ = tile.locate(precinct)
        bands = [BandBlocks(columns, rows) for *_, columns, rows in tile.grids(precinct)]
        style = tile.coding.styles[component].block_style
        data, at = bytes(found.data), 0
        packets: list[Data] = []
        for layer in range(tile.coding.layers):
            start = at
            if data[at : at + 2] == SOP.to_bytes(2, "big"):
                at += 6
            try:
                bits = BitReader(data, at, len(data))
                added = read_packet(bands, layer, style, bits)
                at = bits.finish()
            except InvalidInputError:
                break
            if data[at : at + 2] == EPH.to_bytes(2, "big"):
                at += 2
            at += sum(contribution.length for _, contribution in added)
            if at > len(data):
                break
            packets.append(data[start:at])
        return packets


class _Smaller:
    """Header segments of a picture without its highest resolutions."""

    def __init__(self, size: Size, discard: int) -> None:
        self._discard = discard
        self._count = len(size.components)
        step = (1 << discard) - 1
        grid = size.tile_width | size.tile_height | size.tile_x0 | size.tile_y0
        if size.tiles > 1 and grid & step:
            raise InvalidInputError(f"are no multiples of {step + 1}: ask for a lower reduction", field="tiles")

    def segments(self, segments: list[Segment]) -> list[Segment]:
        """The segments with sizes, levels, precincts and step sizes that are left."""
        if not self._discard:
            return segments
        return [self._one(segment) for segment in segments]

    def _one(self, segment: Segment) -> Segment:
        body = segment.body
        if segment.marker == SIZ:
            numbers = [ceil_shift(number, self._discard) for number in struct.unpack_from(">8I", body, 2)]
            return Segment(SIZ, body[:2] + struct.pack(">8I", *numbers) + body[34:])
        if segment.marker == COD:
            return Segment(COD, body[:5] + self._style(body[5:]))
        if segment.marker == QCD:
            return Segment(QCD, self._steps(body))
        if segment.marker in (COC, QCC):
            _, rest = component_number(body, self._count)
            start = body[: len(body) - len(rest)]
            rest = rest[:1] + self._style(rest[1:]) if segment.marker == COC else self._steps(rest)
            return Segment(segment.marker, start + rest)
        return segment

    def _style(self, style: bytes) -> bytes:
        levels = style[0]
        if levels < self._discard:
            raise InvalidInputError(f"has {levels} resolutions to discard, not {self._discard}", field="reduction")
        return bytes([levels - self._discard]) + style[1 : len(style) - (self._discard if len(style) > 5 else 0)]

    def _steps(self, body: bytes) -> bytes:
        """Step sizes of the sub-bands that are left; derived ones (style 1) are a single one anyway."""
        each = {0: 1, 2: 2}.get(body[0] & 31, 0)
        return body[: len(body) - 3 * self._discard * each]
