"""Where resolutions, sub-bands, precincts and code-blocks of a tile lie, and its packets' order (15444-1 Annex B)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pellucid.jpip.markers import CPRL, LRCP, PCRL, RLCP, RPCL, Coding, Size, Style, Volume, bad, ceil_shift

_MOST_PRECINCTS = 1 << 16
_MOST_PACKETS = 1 << 18

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1."""


@dataclass(frozen=True)
class Band:
    """A sub-band's area in its own samples, and the exponents of its precincts and code-blocks."""

    box: Box
    precinct_x: int
    precinct_y: int
    block_x: int
    block_y: int

    def blocks(self, column: int, row: int) -> tuple[int, int, int, int]:
        """The code-blocks of a precinct (counted from the plane's corner): first column and row, columns, rows."""
        x0, x1 = _common(self.box[0], self.box[2], column, self.precinct_x)
        y0, y1 = _common(self.box[1], self.box[3], row, self.precinct_y)
        if x0 >= x1 or y0 >= y1:
            return 0, 0, 0, 0
        left, top = x0 >> self.block_x, y0 >> self.block_y
        return left, top, ceil_shift(x1, self.block_x) - left, ceil_shift(y1, self.block_y) - top


@dataclass(frozen=True)
class Resolution:
    """One resolution of a tile-component; precincts are numbered from `first` along rows of the grid."""

    box: Box
    precinct_x: int
    precinct_y: int
    columns: int
    rows: int
    first: int
    bands: tuple[Band, ...]

    @property
    def corner(self) -> tuple[int, int]:
        """Column and row of the first precinct, counted from the plane's corner."""
        return self.box[0] >> self.precinct_x, self.box[1] >> self.precinct_y

    def place(self, precinct: int) -> tuple[int, int]:
        """Column and row of a precinct, counted from the plane's corner."""
        row, column = divmod(precinct - self.first, self.columns)
        left, top = self.corner
        return left + column, top + row


class Tile:
    """One tile: `components[c][r]` are its resolutions, the lowest first."""

    def __init__(self, size: Size, number: int, coding: Coding) -> None:
        self.size = size
        self.number = number
        self.coding = coding
        self.box = size.tile(number)
        self.components = tuple(
            _resolutions(self.box, component.dx, component.dy, style)
            for component, style in zip(size.components, coding.styles, strict=True)
        )
        if self.precincts > _MOST_PRECINCTS or self.precincts * coding.layers > _MOST_PACKETS:
            raise bad(f"tile {number} has {self.precincts} precincts in {coding.layers} layers, more than are handled")

    @cached_property
    def bases(self) -> tuple[int, ...]:
        """The number of the first precinct of each component, and of all precincts, counted by component."""
        bases = [0]
        for resolutions in self.components:
            last = resolutions[-1]
            bases.append(bases[-1] + last.first + last.columns * last.rows)
        return tuple(bases)

    @property
    def precincts(self) -> int:
        """How many precincts the tile has."""
        return self.bases[-1]

    @cached_property
    def places(self) -> NDArray[np.int64]:
        """Of every precinct: component, resolution, x and y of its corner on the reference grid."""
        parts = [
            _places(self.box, resolution, index, number, style.levels, (component.dx, component.dy))
            for index, (resolutions, component, style) in enumerate(
                zip(self.components, self.size.components, self.coding.styles, strict=True)
            )
            for number, resolution in enumerate(resolutions)
        ]
        return np.concatenate(parts)

    def packets(self) -> NDArray[np.int64]:
        """Precinct and layer of every packet, in the order of the codestream."""
        coding = self.coding
        whole = Volume(0, 0, coding.layers, 33, len(self.components), coding.progression)
        if not coding.volumes:
            return self._in_order(whole)
        sequence = np.concatenate([self._in_order(volume) for volume in coding.volumes])
        keys = sequence[:, 0] * coding.layers + sequence[:, 1]
        _, first = np.unique(keys, return_index=True)
        return sequence[np.sort(first)]

    def _in_order(self, volume: Volume) -> NDArray[np.int64]:
        component, resolution, x, y = self.places.T
        chosen = np.flatnonzero(
            (component >= volume.c0) & (component < volume.c1) & (resolution >= volume.r0) & (resolution < volume.r1)
        )
        c, r, x, y = component[chosen], resolution[chosen], x[chosen], y[chosen]
        layers = min(volume.l1, self.coding.layers)
        # np.lexsort: the last key is the first to be compared.
        keys = {
            LRCP: (chosen, c, r),
            RLCP: (chosen, c, r),
            RPCL: (chosen, c, x, y, r),
            PCRL: (chosen, r, c, x, y),
            CPRL: (chosen, r, x, y, c),
        }[volume.progression]
        ordered = chosen[np.lexsort(keys)]
        if volume.progression == LRCP:
            return np.stack([np.tile(ordered, layers), np.repeat(np.arange(layers), ordered.size)], axis=1)
        pairs = np.stack([np.repeat(ordered, layers), np.tile(np.arange(layers), ordered.size)], axis=1)
        if volume.progression == RLCP:
            pairs = pairs[np.lexsort((pairs[:, 1], resolution[pairs[:, 0]]))]
        return pairs

    def locate(self, precinct: int) -> tuple[int, int, int]:
        """Component, resolution, and number within the component of a precinct."""
        component, resolution = (int(value) for value in self.places[precinct, :2])
        return component, resolution, precinct - self.bases[component]

    def grids(self, precinct: int) -> Iterator[tuple[int, int, int, int, int]]:
        """The code-blocks of a precinct, by sub-band: its number, first column and row, columns, rows."""
        component, number, within = self.locate(precinct)
        resolution = self.components[component][number]
        column, row = resolution.place(within)
        for band, area in enumerate(resolution.bands):
            left, top, columns, rows = area.blocks(column, row)
            if columns and rows:
                yield band, left, top, columns, rows


def _resolutions(box: Box, dx: int, dy: int, style: Style) -> tuple[Resolution, ...]:
    x0, y0, x1, y1 = -(-box[0] // dx), -(-box[1] // dy), -(-box[2] // dx), -(-box[3] // dy)
    found: list[Resolution] = []
    first = 0
    for number, (precinct_x, precinct_y) in enumerate(style.precincts):
        down = style.levels - number
        area = ceil_shift(x0, down), ceil_shift(y0, down), ceil_shift(x1, down), ceil_shift(y1, down)
        empty = area[0] >= area[2] or area[1] >= area[3]
        columns = 0 if empty else ceil_shift(area[2], precinct_x) - (area[0] >> precinct_x)
        rows = 0 if empty else ceil_shift(area[3], precinct_y) - (area[1] >> precinct_y)
        bands = _bands((x0, y0, x1, y1), style, number)
        found.append(Resolution(area, precinct_x, precinct_y, columns, rows, first, bands))
        first += columns * rows
    return tuple(found)


def _bands(box: Box, style: Style, number: int) -> tuple[Band, ...]:
    precinct_x, precinct_y = style.precincts[number]
    if number:
        precinct_x, precinct_y = precinct_x - 1, precinct_y - 1
    level = style.levels - number + (1 if number else 0)
    half = 1 << level >> 1
    return tuple(
        Band(
            (
                ceil_shift(box[0] - half * right, level),
                ceil_shift(box[1] - half * low, level),
                ceil_shift(box[2] - half * right, level),
                ceil_shift(box[3] - half * low, level),
            ),
            precinct_x,
            precinct_y,
            min(style.block_x, precinct_x),
            min(style.block_y, precinct_y),
        )
        for right, low in (((1, 0), (0, 1), (1, 1)) if number else ((0, 0),))
    )


def _places(
    box: Box, resolution: Resolution, component: int, number: int, levels: int, spacing: tuple[int, int]
) -> NDArray[np.int64]:
    down = levels - number
    xs = _corners(resolution.box[0], resolution.columns, resolution.precinct_x, down, spacing[0], box[0])
    ys = _corners(resolution.box[1], resolution.rows, resolution.precinct_y, down, spacing[1], box[1])
    places = np.empty((ys.size, xs.size, 4), np.int64)
    places[..., 0], places[..., 1] = component, number
    places[..., 2], places[..., 3] = xs, ys[:, None]
    return places.reshape(-1, 4)


def _corners(start: int, count: int, exponent: int, down: int, spacing: int, edge: int) -> NDArray[np.int64]:
    """Where the progression meets each precinct along one axis: its corner, for the first one the tile's edge."""
    if count > _MOST_PRECINCTS:
        raise bad("it has more precincts than are handled")
    corners = ((start >> exponent) + np.arange(count, dtype=object)) * (spacing << (exponent + down))
    if count and start & ((1 << exponent) - 1):
        corners[0] = edge
    limited: NDArray[np.int64] = np.minimum(corners, 1 << 62).astype(np.int64)
    return limited


def _common(low: int, high: int, index: int, exponent: int) -> tuple[int, int]:
    return max(low, index << exponent), min(high, (index + 1) << exponent)
