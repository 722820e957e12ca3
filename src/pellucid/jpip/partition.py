"""Another partition into precincts: the same code-blocks in new packets, their entropy-coded bytes untouched.

JPIP delivers precincts, and most encoders make a single one for each resolution. The result has one tile-part for each
tile and, layers innermost, the progression RPCL (CPRL where a component is sub-sampled by no power of two, for which
RPCL is not defined), so that all packets of a precinct follow one another: a precinct data-bin is one range of bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import UnsupportedError
from pellucid.jpip.codestream import Codestream, Data, TileData
from pellucid.jpip.geometry import Tile
from pellucid.jpip.markers import (
    COC,
    COD,
    CPRL,
    POC,
    POSITIONAL,
    RPCL,
    SIZ,
    SOT,
    Segment,
    Size,
    component_number,
    read_coding,
)
from pellucid.jpip.packets import BandBlocks, Block, write_packet

PRECINCT = 7
"""Exponent of the precincts' size: 128 × 128 samples, the smallest that leaves code-blocks of 64 × 64 whole."""

_HT_PROFILE = 0x4000


@dataclass(frozen=True)
class Partitioned:
    """A codestream whose packets are in the order of its precincts, and how long each packet is [byte]."""

    data: bytes
    packet_lengths: NDArray[np.uint32]


def partition(data: Data, precinct: int = PRECINCT) -> Partitioned:
    """The codestream in precincts of 2^`precinct` samples (more where its code-blocks are larger).

    Raises `InvalidInputError` where it cannot be read.
    """
    source = Codestream(data)
    progression = RPCL if _powers_of_two(source.size) else CPRL
    count = len(source.size.components)
    main = [_rewritten(s, count, precinct, progression) for s in _kept(source.segments)]
    chunks: list[Data] = [b"\xff\x4f", *(segment.encoded() for segment in main)]
    lengths: list[int] = []
    for tile in source.tiles():
        own = [_rewritten(s, count, precinct, progression) for s in _kept(tile.segments)]
        target = Tile(source.size, tile.tile.number, read_coding(main, own, count))
        packets = list(_packets(source.data, tile, target, lengths))
        header = b"".join(segment.encoded() for segment in own) + b"\xff\x93"
        chunks += [tile_part_start(tile.tile.number, len(header) + sum(map(len, packets))), header, *packets]
    chunks.append(b"\xff\xd9")
    return Partitioned(b"".join(chunks), np.array(lengths, np.uint32))


def tile_part_start(number: int, length: int) -> bytes:
    """The SOT segment of a tile's only tile-part; `length` [byte] of what follows it."""
    if length + 12 >= 1 << 32:
        raise UnsupportedError(f"tile {number} has {length} bytes, more than a tile-part can hold", field="codestream")
    return struct.pack(">HHHIBB", SOT, 10, number, length + 12, 0, 1)


def _powers_of_two(size: Size) -> bool:
    return all(step & (step - 1) == 0 for c in size.components for step in (c.dx, c.dy))


def _kept(segments: Sequence[Segment]) -> list[Segment]:
    return [segment for segment in segments if segment.marker not in POSITIONAL and segment.marker != POC]


def _rewritten(segment: Segment, count: int, precinct: int, progression: int) -> Segment:
    """The segment with the new progression and precincts, where it says something of them."""
    body = segment.body
    if segment.marker == COD:
        style = _with_precincts(body[5:], precinct, given=bool(body[0] & 1))
        return Segment(COD, bytes([1, progression]) + body[2:5] + style)
    if segment.marker == COC:
        _, rest = component_number(body, count)
        style = _with_precincts(rest[1:], precinct, given=bool(rest[0] & 1))
        return Segment(COC, body[: len(body) - len(rest)] + b"\x01" + style)
    if segment.marker == SIZ:
        # Whatever profile it claimed, it is another codestream now; that it is HTJ2K must stay.
        profile = int.from_bytes(body[:2], "big") & _HT_PROFILE
        return Segment(SIZ, profile.to_bytes(2, "big") + body[2:])
    return segment


def _with_precincts(style: bytes, precinct: int, *, given: bool) -> bytes:
    levels = style[0]
    sizes = style[5 : 6 + levels] if given else b"\xff" * (levels + 1)
    block_x, block_y = (style[1] & 15) + 2, (style[2] & 15) + 2
    new = bytes(
        _exponent(size & 15, block_x, precinct, int(r > 0)) | _exponent(size >> 4, block_y, precinct, int(r > 0)) << 4
        for r, size in enumerate(sizes)
    )
    return style[:5] + new


def _exponent(old: int, block: int, wanted: int, halved: int) -> int:
    """The new exponent along one axis: code-blocks, which precincts bound, must stay as they are."""
    if block > old - halved:
        return old
    return max(block + halved, wanted)


def _packets(data: Data, source: TileData, target: Tile, lengths: list[int]) -> Iterator[Data]:
    """The tile's packets in the new partition; the length of each goes to `lengths`."""
    blocks = _by_place(source)
    for precinct in target.packets()[:: target.coding.layers, 0].tolist():
        component, resolution, _ = target.locate(precinct)
        bands = []
        for band, left, top, columns, rows in target.grids(precinct):
            own = [
                blocks[component, resolution, band, x, y]
                for y in range(top, top + rows)
                for x in range(left, left + columns)
            ]
            bands.append(BandBlocks(columns, rows, own))
            bands[-1].prepare_to_write()
        for layer in range(target.coding.layers):
            taken = [
                [next((c for c in block.contributions if c.layer == layer), None) for block in band.blocks]
                for band in bands
            ]
            header = write_packet(bands, layer, taken)
            bodies = [data[c.start : c.start + c.length] for row in taken for c in row if c and c.length]
            lengths.append(len(header) + sum(map(len, bodies)))
            yield header
            yield from bodies


def _by_place(source: TileData) -> dict[tuple[int, int, int, int, int], Block]:
    """The code-blocks by component, resolution, sub-band, and column and row counted from the plane's corner."""
    found = {}
    for precinct, bands in enumerate(source.precincts):
        component, resolution, _ = source.tile.locate(precinct)
        for (band, left, top, columns, _), own in zip(source.tile.grids(precinct), bands, strict=True):
            for leaf, block in enumerate(own.blocks):
                row, column = divmod(leaf, columns)
                found[component, resolution, band, left + column, top + row] = block
    return found
