"""View windows: which precincts a region of the picture at a resolution needs (ISO/IEC 15444-9 C.4).

A region is exact only with the samples that the inverse wavelet transform reaches beyond its edge; these belong to
the answer.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pellucid.jpip.geometry import Resolution
from pellucid.jpip.index import Index, IndexedTile, Integers
from pellucid.jpip.markers import ceil_shift

Rounding = Literal["round-down", "round-up", "closest"]

_REVERSIBLE = 1


@dataclass(frozen=True)
class Window:
    """What is delivered: a region [sample] of the picture without its `discard` highest resolutions.

    `frame`: width and height of the whole picture at that resolution; `offset`, `size` are within it. `components`
    None: all.
    """

    discard: int
    frame: tuple[int, int]
    offset: tuple[int, int]
    size: tuple[int, int]
    components: frozenset[int] | None = None


def choose(
    index: Index,
    frame: tuple[int, int],
    offset: tuple[int, int] = (0, 0),
    size: tuple[int, int] | None = None,
    rounding: Rounding = "round-down",
    components: frozenset[int] | None = None,
) -> Window:
    """The window for a frame size that the client names, at a resolution that there is."""
    sizes = [index.size.frame(discard) for discard in range(index.levels + 1)]
    discard = _discard(sizes, frame, rounding)
    chosen = sizes[discard]
    size = size or (max(frame[0] - offset[0], 0), max(frame[1] - offset[1], 0))
    low = [min(o * c // f, c) for o, c, f in zip(offset, chosen, frame, strict=True)]
    high = [min(-(-(o + s) * c // f), c) for o, s, c, f in zip(offset, size, chosen, frame, strict=True)]
    extent = [b - a if s else 0 for a, b, s in zip(low, high, size, strict=True)]
    return Window(discard, chosen, (low[0], low[1]), (extent[0], extent[1]), components)


def precincts(index: Index, window: Window) -> Integers:
    """The numbers of the precincts that the window needs, the lowest resolution first."""
    if not all(window.size):
        return np.zeros(0, np.int64)
    left = ceil_shift(index.size.x0, window.discard) + window.offset[0]
    top = ceil_shift(index.size.y0, window.discard) + window.offset[1]
    box = (left, top, left + window.size[0], top + window.size[1])
    found = [
        part for tile in index.tiles if _touches(tile, window.discard, box) for part in _of_tile(tile, box, window)
    ]
    if not found:
        return np.zeros(0, np.int64)
    chosen = np.concatenate(found)
    return chosen[np.argsort(index.resolutions[chosen], kind="stable")]


def _discard(sizes: list[tuple[int, int]], frame: tuple[int, int], rounding: Rounding) -> int:
    if rounding == "closest":
        return min(range(len(sizes)), key=lambda d: abs(sizes[d][0] * sizes[d][1] - frame[0] * frame[1]))
    if rounding == "round-down":
        fits = [d for d, size in enumerate(sizes) if size[0] <= frame[0] and size[1] <= frame[1]]
        return fits[0] if fits else len(sizes) - 1
    covers = [d for d, size in enumerate(sizes) if size[0] >= frame[0] and size[1] >= frame[1]]
    return covers[-1] if covers else 0


def _touches(tile: IndexedTile, discard: int, box: tuple[int, int, int, int]) -> bool:
    x0, y0, x1, y1 = (ceil_shift(edge, discard) for edge in tile.tile.box)
    return x0 < box[2] and box[0] < x1 and y0 < box[3] and box[1] < y1


def _of_tile(tile: IndexedTile, box: tuple[int, int, int, int], window: Window) -> list[Integers]:
    found = []
    coding = tile.tile.coding
    wanted = _with_transformed(window.components, multi_component=coding.multi_component)
    for number, (resolutions, style) in enumerate(zip(tile.tile.components, coding.styles, strict=True)):
        if wanted is not None and number not in wanted:
            continue
        spacing = tile.tile.size.components[number]
        region = (box[0] // spacing.dx, box[1] // spacing.dy, -(-box[2] // spacing.dx), -(-box[3] // spacing.dy))
        first = tile.first + tile.tile.bases[number]
        reversible = style.transform == _REVERSIBLE
        found += [
            first + part
            for part in _of_component(resolutions, style.levels - window.discard, region, reversible=reversible)
        ]
    return found


def _with_transformed(components: Collection[int] | None, *, multi_component: bool) -> set[int] | None:
    """The first three components are made from one another where they were transformed together."""
    if components is None:
        return None
    wanted = set(components)
    return wanted | {0, 1, 2} if multi_component and wanted & {0, 1, 2} else wanted


def _of_component(
    resolutions: tuple[Resolution, ...], highest: int, region: tuple[int, int, int, int], *, reversible: bool
) -> list[Integers]:
    """Precincts from the highest resolution down: each sub-band range follows from the one above (15444-1 F.3)."""
    found = []
    x0, y0, x1, y1 = region
    for number in range(highest, -1, -1):
        resolution = resolutions[number]
        box = resolution.box
        x0, y0, x1, y1 = max(x0, box[0]), max(y0, box[1]), min(x1, box[2]), min(y1, box[3])
        if x0 >= x1 or y0 >= y1:
            break
        if number == 0:
            found.append(_grid(resolution, (x0, y0, x1, y1)))
            break
        # The high-pass range holds the low-pass range; a sub-band's sample n is the resolution's 2n or 2n + 1.
        reach = 1 if reversible else 2
        high = [2 * (low // 2 - reach) for low in (x0, y0)] + [2 * (end // 2 + reach) for end in (x1, y1)]
        found.append(_grid(resolution, (high[0], high[1], high[2], high[3])))
        reach -= 1
        x0, y0 = x0 // 2 - reach, y0 // 2 - reach
        x1, y1 = x1 // 2 + reach + 1, y1 // 2 + reach + 1
    return found


def _grid(resolution: Resolution, region: tuple[int, int, int, int]) -> Integers:
    """The precincts that a region of a resolution touches."""
    left, top = resolution.corner
    first_column = max((region[0] >> resolution.precinct_x) - left, 0)
    first_row = max((region[1] >> resolution.precinct_y) - top, 0)
    last_column = min(ceil_shift(region[2], resolution.precinct_x) - left, resolution.columns)
    last_row = min(ceil_shift(region[3], resolution.precinct_y) - top, resolution.rows)
    columns, rows = np.arange(first_column, last_column), np.arange(first_row, last_row)
    numbers: Integers = (resolution.first + rows[:, None] * resolution.columns + columns).ravel()
    return numbers
