"""Markers of a JPEG 2000 codestream: what its headers say (ISO/IEC 15444-1 Annex A, HTJ2K: 15444-15 Annex A)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pellucid.errors import InvalidInputError, UnsupportedError

SOC, SOT, SOD, EOC = 0xFF4F, 0xFF90, 0xFF93, 0xFFD9
CAP, SIZ, COD, COC = 0xFF50, 0xFF51, 0xFF52, 0xFF53
TLM, PLM, PLT, QCD, QCC, RGN, POC, PPM, PPT = 0xFF55, 0xFF57, 0xFF58, 0xFF5C, 0xFF5D, 0xFF5E, 0xFF5F, 0xFF60, 0xFF61
SOP, EPH = 0xFF91, 0xFF92

LRCP, RLCP, RPCL, PCRL, CPRL = range(5)

POSITIONAL = frozenset({TLM, PLM, PLT, PPM, PPT})
"""Markers that say where packets are or hold their headers: never part of a data-bin."""

_BARE = range(0xFF30, 0xFF40)
"""Markers that stand alone, without a length."""

STYLE_BYPASS, STYLE_TERMINATE, STYLE_HT = 0x01, 0x04, 0x40
_STYLE_MIXED = 0xC0
_MOST_COMPONENTS = 1024


@dataclass(frozen=True)
class Segment:
    """A marker segment; `body` without the marker and the length."""

    marker: int
    body: bytes

    def encoded(self) -> bytes:
        """The segment's bytes."""
        return struct.pack(">HH", self.marker, len(self.body) + 2) + self.body


@dataclass(frozen=True)
class Component:
    """One component: bits per sample, and how many columns and rows of the reference grid a sample stands for."""

    precision: int
    signed: bool
    dx: int
    dy: int


@dataclass(frozen=True)
class Size:
    """The image area and the tiles on the reference grid [sample]."""

    x1: int
    y1: int
    x0: int
    y0: int
    tile_width: int
    tile_height: int
    tile_x0: int
    tile_y0: int
    components: tuple[Component, ...]

    @property
    def tile_columns(self) -> int:
        """Tiles beside each other."""
        return -(-(self.x1 - self.tile_x0) // self.tile_width)

    @property
    def tile_rows(self) -> int:
        """Tiles above each other."""
        return -(-(self.y1 - self.tile_y0) // self.tile_height)

    @property
    def tiles(self) -> int:
        """How many tiles there are."""
        return self.tile_columns * self.tile_rows

    def tile(self, number: int) -> tuple[int, int, int, int]:
        """A tile's x0, y0, x1, y1."""
        row, column = divmod(number, self.tile_columns)
        left, top = self.tile_x0 + column * self.tile_width, self.tile_y0 + row * self.tile_height
        return (
            max(left, self.x0),
            max(top, self.y0),
            min(left + self.tile_width, self.x1),
            min(top + self.tile_height, self.y1),
        )

    def frame(self, discard: int) -> tuple[int, int]:
        """Width and height of the image area without the `discard` highest resolutions."""
        return (
            ceil_shift(self.x1, discard) - ceil_shift(self.x0, discard),
            ceil_shift(self.y1, discard) - ceil_shift(self.y0, discard),
        )


@dataclass(frozen=True)
class Style:
    """How one tile-component is coded; sizes as exponents of two, precincts from the lowest resolution."""

    levels: int
    block_x: int
    block_y: int
    block_style: int
    transform: int
    precincts: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Volume:
    """Packets that follow in one progression (POC): resolutions from `r0` below `r1`, components, layers below `l1`."""

    r0: int
    c0: int
    l1: int
    r1: int
    c1: int
    progression: int


@dataclass(frozen=True)
class Coding:
    """How one tile is coded."""

    progression: int
    layers: int
    multi_component: bool
    sop: bool
    eph: bool
    styles: tuple[Style, ...]
    volumes: tuple[Volume, ...]


def ceil_shift(value: int, shift: int) -> int:
    """`value` / 2^shift, rounded up."""
    return -(-value >> shift)


def bad(message: str) -> InvalidInputError:
    """The error of a codestream that is not one."""
    return InvalidInputError(message, field="codestream")


def read_segments(data: bytes | memoryview, at: int, last: int) -> tuple[list[Segment], int]:
    """The marker segments from `at` up to the marker `last`, and where that is."""
    found: list[Segment] = []
    while True:
        if at + 4 > len(data):
            raise bad("its headers are cut off")
        marker, length = struct.unpack_from(">HH", data, at)
        if marker == last:
            return found, at
        if marker in _BARE:
            at += 2
            continue
        if marker < 0xFF4F or marker in (SOC, SOT, SOD, EOC):
            raise bad(f"marker {marker:04X} at byte {at} does not belong into a header")
        if length < 2 or at + 2 + length > len(data):
            raise bad(f"marker segment {marker:04X} at byte {at} is longer than the data")
        found.append(Segment(marker, bytes(data[at + 4 : at + 2 + length])))
        at += 2 + length


def read_main_header(data: bytes | memoryview) -> tuple[Size, list[Segment], int]:
    """The image's size, the main header's segments, and where the first tile-part begins."""
    if bytes(data[:2]) != b"\xff\x4f":
        raise bad("it does not begin with the marker SOC")
    segments, at = read_segments(data, 2, SOT)
    if not segments or segments[0].marker != SIZ:
        raise bad("the marker SIZ does not come first")
    return read_size(segments[0].body), segments, at


def read_size(body: bytes) -> Size:
    """What a SIZ segment says, checked."""
    if len(body) < 36:
        raise bad(f"SIZ has {len(body)} bytes, fewer than 36")
    _, x1, y1, x0, y0, width, height, left, top, count = struct.unpack_from(">H8IH", body)
    if not 1 <= count <= _MOST_COMPONENTS or len(body) != 36 + 3 * count:
        raise bad(f"SIZ declares {count} components in {len(body)} bytes")
    components = []
    for depth, dx, dy in struct.iter_unpack(">BBB", body[36:]):
        if not dx or not dy or (depth & 0x7F) + 1 > 38:
            raise bad(f"SIZ declares a component of {(depth & 0x7F) + 1} bits sub-sampled by {dx} × {dy}")
        components.append(Component((depth & 0x7F) + 1, bool(depth & 0x80), dx, dy))
    if not (x0 < x1 < 1 << 31 and y0 < y1 < 1 << 31 and width and height):
        raise bad(f"SIZ declares the area {x0}, {y0} … {x1}, {y1} in tiles of {width} × {height}")
    if not (left <= x0 < left + width and top <= y0 < top + height):
        raise bad("SIZ declares a first tile that does not hold the image's corner")
    return Size(x1, y1, x0, y0, width, height, left, top, tuple(components))


def read_coding(main: Sequence[Segment], tile: Sequence[Segment], count: int) -> Coding:
    """How a tile is coded: its own COD and COC before the main header's, components before all."""
    cod = _last(tile, COD) or _last(main, COD)
    if cod is None:
        raise bad("the marker COD is missing")
    if len(cod) < 10:
        raise bad("COD is too short")
    scod, progression, layers, multi, *_ = struct.unpack_from(">BBHB", cod)
    if progression > CPRL or not layers or multi > 1:
        raise bad(f"COD declares progression {progression}, {layers} layers, component transform {multi}")
    common = _read_style(cod[5:], precincts=bool(scod & 1))
    styles = [common] * count
    own_cod = _last(tile, COD) is not None
    for segments in (tile,) if own_cod else (main, tile):
        for number, style in _component_styles(segments, count):
            styles[number] = style
    volumes = _volumes(tile, count) or _volumes(main, count)
    return Coding(progression, layers, bool(multi), bool(scod & 2), bool(scod & 4), tuple(styles), volumes)


def component_number(body: bytes, count: int) -> tuple[int, bytes]:
    """The component that a COC, QCC or RGN segment is about, and the rest of it."""
    width = 1 if count < 257 else 2
    if len(body) <= width:
        raise bad("a component's marker segment is too short")
    number = int.from_bytes(body[:width], "big")
    if number >= count:
        raise bad(f"a marker segment is about component {number}; there are {count}")
    return number, body[width:]


def _component_styles(segments: Sequence[Segment], count: int) -> list[tuple[int, Style]]:
    found = []
    for segment in segments:
        if segment.marker == COC:
            number, rest = component_number(segment.body, count)
            found.append((number, _read_style(rest[1:], precincts=bool(rest[0] & 1))))
    return found


def _read_style(body: bytes, *, precincts: bool) -> Style:
    if len(body) < 5:
        raise bad("COD or COC is too short")
    levels, block_x, block_y, style, transform = body[:5]
    block_x, block_y = (block_x & 15) + 2, (block_y & 15) + 2
    if levels > 32 or transform > 1:
        raise UnsupportedError("its wavelet transform is one of JPEG 2000 Part 2", field="codestream")
    if block_x > 10 or block_y > 10 or block_x + block_y > 12:
        raise bad(f"code-blocks of 2^{block_x} × 2^{block_y} are not allowed")
    if style & _STYLE_MIXED == _STYLE_MIXED:
        raise UnsupportedError("HT and other code-blocks mixed in one component", field="codestream")
    sizes = ((15, 15),) * (levels + 1)
    if precincts:
        given = body[5 : 6 + levels]
        if len(given) != levels + 1 or any(not (size & 15 and size >> 4) for size in given[1:]):
            raise bad("COD or COC declares precincts that are missing or too small")
        sizes = tuple((size & 15, size >> 4) for size in given)
    return Style(levels, block_x, block_y, style, transform, sizes)


def _volumes(segments: Sequence[Segment], count: int) -> tuple[Volume, ...]:
    layout = ">BBHBBB" if count < 257 else ">BHHBHB"
    found = []
    for segment in segments:
        if segment.marker != POC:
            continue
        if not segment.body or len(segment.body) % struct.calcsize(layout):
            raise bad("POC is cut off")
        for r0, c0, l1, r1, c1, progression in struct.iter_unpack(layout, segment.body):
            if progression > CPRL:
                raise bad(f"POC declares progression {progression}")
            found.append(Volume(r0, c0, l1, r1, min(c1 or 256, count), progression))
    return tuple(found)


def _last(segments: Sequence[Segment], marker: int) -> bytes | None:
    found = [segment.body for segment in segments if segment.marker == marker]
    return found[-1] if found else None
