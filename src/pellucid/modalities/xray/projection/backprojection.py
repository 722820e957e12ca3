"""Back-projection of filtered views: every pixel gathers from the place where it is projected, in float32.

Unlike the adjoint ray transform this interpolates along the detector, as the inversion formulas ask.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.kernels import inline_kernel, kernel, parallel_kernel, prange

Array = NDArray[Any]
PARALLEL, FLAT, CURVED = 0, 1, 2
TILE_ROWS, TILE_COLUMNS = 16, 32
CONE_ROWS, CONE_COLUMNS = 4, 16


@inline_kernel
def places(
    x: Array, y: Any, cosine: Any, sine: Any, shape: int, detector: Array, arc: Array, place: Array, weight: Array
) -> None:
    """Detector column (fractional) and weight of the pixels at `x`, `y` [mm], before clamping.

    `detector`: u of column 0, columns per mm (per radian for a curved one), source-isocentre and source-detector
    distance. `arc`: polynomial coefficients of atan(v)/v in v². Weights: 1, SID²/l² (flat) and SID²/(l² + t²)
    (curved), with t and l + SID the pixel's coordinates along and from the source towards the detector.
    """
    one = np.float32(1)
    offset, scale, isocentre, distance = detector[0], detector[1], detector[2], detector[3]
    if shape == PARALLEL:
        base = (y * sine - offset) * scale
        slope = cosine * scale
        for pixel in range(len(x)):
            place[pixel] = base + slope * x[pixel]
            weight[pixel] = one
    elif shape == FLAT:
        for pixel in range(len(x)):
            nearness = one / (isocentre - x[pixel] * sine + y * cosine)
            place[pixel] = ((x[pixel] * cosine + y * sine) * nearness * distance - offset) * scale
            weight[pixel] = (isocentre * nearness) ** 2
    else:
        for pixel in range(len(x)):
            nearness = one / (isocentre - x[pixel] * sine + y * cosine)
            tangent = (x[pixel] * cosine + y * sine) * nearness
            square = tangent * tangent
            ratio = arc[0]
            for power in range(1, len(arc)):
                ratio = ratio * square + arc[power]
            place[pixel] = (tangent * ratio - offset) * scale
            weight[pixel] = (isocentre * nearness) ** 2 / (one + square)


@inline_kernel
def clamp(place: Array, weight: Array, last: int, column: Array, fraction: Array) -> None:
    """Split places into column and fraction; weight 0 further out than the edge of the first and last element."""
    low, high, half = np.float32(0), np.float32(last), np.float32(0.5)
    for pixel in range(len(place)):
        inside = min(max(place[pixel], low), high)
        weight[pixel] = weight[pixel] if abs(inside - place[pixel]) <= half else low
        column[pixel] = min(np.int32(inside), np.int32(last - 1))
        fraction[pixel] = inside - np.float32(column[pixel])


@parallel_kernel
def back_project(
    views: Array, turns: Array, x: Array, y: Array, shape: int, detector: Array, arc: Array, out: Array
) -> None:
    """Add to `out[row, column, lane]` the weighted values of `views[view, element, lane]` at the pixels' places.

    `turns`: `[view, (cos, sin)]`; `x`, `y`: pixel positions [mm]; the rest as in `places`. Works on tiles whose
    pixels and detector elements stay in the cache.
    """
    for block in prange((len(y) + TILE_ROWS - 1) // TILE_ROWS):
        rows = slice(block * TILE_ROWS, min(len(y), (block + 1) * TILE_ROWS))
        _back_project_rows(views, turns, x, y[rows], shape, detector, arc, out[rows])


@kernel
def _back_project_rows(
    views: Array, turns: Array, x: Array, y: Array, shape: int, detector: Array, arc: Array, out: Array
) -> None:
    elements, lanes = views.shape[1], views.shape[2]
    place, weight = np.empty(TILE_COLUMNS, np.float32), np.empty(TILE_COLUMNS, np.float32)
    column, fraction = np.empty(TILE_COLUMNS, np.int32), np.empty(TILE_COLUMNS, np.float32)
    for first in range(0, len(x), TILE_COLUMNS):
        tile = x[first : first + TILE_COLUMNS]
        for view in range(len(views)):
            filtered = views[view]
            for row in range(len(y)):
                places(tile, y[row], turns[view, 0], turns[view, 1], shape, detector, arc, place, weight)
                clamp(place, weight, elements - 1, column, fraction)
                sums = out[row, first : first + TILE_COLUMNS]
                for pixel in range(len(tile)):
                    left, right, total = filtered[column[pixel]], filtered[column[pixel] + 1], sums[pixel]
                    after = weight[pixel] * fraction[pixel]
                    before = weight[pixel] - after
                    for lane in range(lanes):
                        total[lane] += before * left[lane] + after * right[lane]


@parallel_kernel
def back_project_cone(
    views: Array, turns: Array, x: Array, y: Array, z: Array, detector: Array, rows: Array, out: Array
) -> None:
    """Add to `out[row, column, slice, lane]` the weighted values of the views at the voxels' places.

    `views`: `[view, element, detector row * lanes + lane]`; `z`: slice positions [mm]; `rows`: position of detector
    row 0 [mm] and rows per mm.
    """
    for block in prange((len(y) + CONE_ROWS - 1) // CONE_ROWS):
        lines = slice(block * CONE_ROWS, min(len(y), (block + 1) * CONE_ROWS))
        _back_project_lines(views, turns, x, y[lines], z, detector, rows, out[lines])


@kernel
def _back_project_lines(
    views: Array, turns: Array, x: Array, y: Array, z: Array, detector: Array, rows: Array, out: Array
) -> None:
    lanes = out.shape[3]
    elements, heights = views.shape[1], views.shape[2] // lanes
    no_arc = np.zeros(1, np.float32)
    place, weight = np.empty(CONE_COLUMNS, np.float32), np.empty(CONE_COLUMNS, np.float32)
    column, fraction = np.empty(CONE_COLUMNS, np.int32), np.empty(CONE_COLUMNS, np.float32)
    level, rise, inside = np.empty(len(z), np.int32), np.empty(len(z), np.float32), np.empty(len(z), np.float32)
    line = np.empty(heights * lanes, np.float32)
    for first in range(0, len(x), CONE_COLUMNS):
        tile = x[first : first + CONE_COLUMNS]
        for view in range(len(views)):
            for row in range(len(y)):
                places(tile, y[row], turns[view, 0], turns[view, 1], FLAT, detector, no_arc, place, weight)
                clamp(place, weight, elements - 1, column, fraction)
                for pixel in range(len(tile)):
                    if weight[pixel] == 0:
                        continue
                    magnification = np.sqrt(weight[pixel]) * detector[3] / detector[2]
                    levels(z, magnification, rows, heights, level, rise, inside)
                    after = weight[pixel] * fraction[pixel]
                    before = weight[pixel] - after
                    low = min(level[0], level[-1]) * lanes
                    high = (max(level[0], level[-1]) + 2) * lanes
                    left, right = views[view, column[pixel], low:high], views[view, column[pixel] + 1, low:high]
                    part = line[low:high]  # from 0, so that the loop needs no wrap-around checks
                    for entry in range(len(part)):
                        part[entry] = before * left[entry] + after * right[entry]
                    add_column(line, level, rise, inside, out[row, first + pixel])


@inline_kernel
def levels(z: Array, magnification: Any, rows: Array, heights: int, level: Array, rise: Array, inside: Array) -> None:
    """Detector row below each slice, how far above it, and whether (1 or 0) the detector sees it."""
    for slice_ in range(len(z)):
        rise[slice_] = (z[slice_] * magnification - rows[0]) * rows[1]
        inside[slice_] = np.float32(1)
    clamp(rise, inside, heights - 1, level, rise)


@inline_kernel
def add_column(line: Array, level: Array, rise: Array, inside: Array, sums: Array) -> None:
    """Add the detector column `line[row * lanes + lane]` at the slices' levels to `sums[slice, lane]`."""
    lanes = sums.shape[1]
    for slice_ in range(len(level)):
        upper = rise[slice_] * inside[slice_]
        lower = inside[slice_] - upper
        below, above = line[level[slice_] * lanes :], line[(level[slice_] + 1) * lanes :]
        for lane in range(lanes):
            sums[slice_, lane] += lower * below[lane] + upper * above[lane]
