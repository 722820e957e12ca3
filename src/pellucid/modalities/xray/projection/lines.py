"""Joseph's projection of slices along in-plane rays, and its exact adjoint.

Joseph, IEEE Trans Med Imaging 1 (1982) 192, doi:10.1109/TMI.1982.4307572: a ray steps from one line of pixels to
the next along the axis it is more parallel to, and is interpolated linearly across it. Pixels beyond the edge are 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.kernels import inline_kernel, kernel, parallel_kernel, prange

Array = NDArray[Any]


@inline_kernel
def crossings(
    start: Array, slope: Array, first: int, last: int, line: int, highest: int, index: Array, weight: Array
) -> tuple[int, int]:
    """Where rays `first` … `last` cross a `line`: padded pixel index and weight of the next one; the range that hits.

    Indices are clamped to 0 … `highest`, where the pixels are padding.
    """
    position = start.dtype.type(line)
    low, high = start.dtype.type(0), start.dtype.type(highest)
    mine, slopes = start[first:last], slope[first:last]  # from 0, so that the loop needs no wrap-around checks
    pixels, parts = index[first:last], weight[first:last]
    for ray in range(len(mine)):
        place = min(max(mine[ray] + slopes[ray] * position, low), high)
        pixels[ray] = np.int32(place)
        parts[ray] = place - start.dtype.type(pixels[ray])
    while first < last and (index[first] >= highest or (index[first] == 0 and weight[first] == low)):
        first += 1
    while first < last and (index[last - 1] >= highest or (index[last - 1] == 0 and weight[last - 1] == low)):
        last -= 1
    return first, last


@parallel_kernel
def project_lines(image: Array, start: Array, slope: Array, rays: Array, out: Array) -> None:
    """Add to `out[view, ray, lane]` the sums of `image[line, pixel, lane]` along rays.

    `image` is padded by one pixel before and two after; `start`, `slope`: `[view, ray]`, padded pixel coordinate at
    line 0 and its change per line; `rays`: `[view, 2]`, first and past-the-last ray that steps along these lines.
    """
    for view in prange(len(start)):
        _project_view(image, start[view], slope[view], rays[view], out[view])


@kernel
def _project_view(image: Array, start: Array, slope: Array, rays: Array, sums: Array) -> None:
    lines, pixels, lanes = image.shape
    first, last = rays[0], rays[1]
    if first >= last:
        return
    index = np.empty(len(start), np.int32)
    weight = np.empty(len(start), start.dtype)
    for line in range(lines):
        low, high = crossings(start, slope, first, last, line, pixels - 2, index, weight)
        row = image[line]
        for ray in range(low, high):
            left, right, w, total = row[index[ray]], row[index[ray] + 1], weight[ray], sums[ray]
            for lane in range(lanes):
                total[lane] += left[lane] + w * (right[lane] - left[lane])


@parallel_kernel
def spread_lines(data: Array, start: Array, slope: Array, rays: Array, image: Array) -> None:
    """The adjoint of `project_lines`: add `data[view, ray, lane]` to the pixels that the rays cross."""
    for line in prange(len(image)):
        _spread_on_line(data, start, slope, rays, line, image[line])


@kernel
def _spread_on_line(data: Array, start: Array, slope: Array, rays: Array, line: int, row: Array) -> None:
    pixels, lanes = row.shape
    views, columns = start.shape
    index = np.empty(columns, np.int32)
    weight = np.empty(columns, start.dtype)
    for view in range(views):
        first, last = rays[view, 0], rays[view, 1]
        low, high = crossings(start[view], slope[view], first, last, line, pixels - 2, index, weight)
        sums = data[view]
        for ray in range(low, high):
            left, right, w, total = row[index[ray]], row[index[ray] + 1], weight[ray], sums[ray]
            for lane in range(lanes):
                share = w * total[lane]
                left[lane] += total[lane] - share
                right[lane] += share
