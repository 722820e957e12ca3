"""Joseph's projection of a volume along the rays of a cone beam, and its exact adjoint.

All rays of one detector column cross the same pixels of a slice, so the volume's z columns there are interpolated
once and then read at each detector row's height. Volumes are padded by one voxel before and two after, in z too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.kernels import inline_kernel, kernel, parallel_kernel, prange
from pellucid.modalities.xray.projection.lines import crossings

Array = NDArray[Any]


@inline_kernel
def heights(origin: Any, step: Any, highest: int, index: Array, weight: Array) -> None:
    """Padded z index below every detector row's ray, and the weight of the next; clamped to the padding."""
    low, high = weight.dtype.type(0), weight.dtype.type(highest)
    for row in range(len(index)):
        place = min(max(origin + step * weight.dtype.type(row), low), high)
        index[row] = np.int32(place)
        weight[row] = place - weight.dtype.type(np.int32(place))


@parallel_kernel
def project_cone(
    image: Array,
    start: Array,
    slope: Array,
    rays: Array,
    depth: Array,
    depth_step: Array,
    heights_at: Array,
    out: Array,
) -> None:
    """Add to `out[view, ray, row, lane]` the sums of `image[line, pixel, z, lane]` along rays.

    `heights_at`: (height of detector row 0, row spacing, z of the first slice) in slice spacings; the rest as in
    `Crossings`.
    """
    for view in prange(len(start)):
        _project_view(image, start[view], slope[view], rays[view], depth[view], depth_step[view], heights_at, out[view])


@kernel
def _project_view(
    image: Array,
    start: Array,
    slope: Array,
    rays: Array,
    depth: Array,
    depth_step: Array,
    heights_at: Array,
    out: Array,
) -> None:
    lines, pixels, slices, lanes = image.shape
    columns, rows = len(start), out.shape[1]
    index, weight = np.empty(columns, np.int32), np.empty(columns, start.dtype)
    level, rise = np.empty(rows, np.int32), np.empty(rows, start.dtype)
    column = np.empty((slices, lanes), image.dtype)
    for line in range(lines):
        low, high = crossings(start, slope, rays[0], rays[1], line, pixels - 2, index, weight)
        for ray in range(low, high):
            left, right, w = image[line, index[ray]], image[line, index[ray] + 1], weight[ray]
            for z in range(slices):
                for lane in range(lanes):
                    column[z, lane] = left[z, lane] + w * (right[z, lane] - left[z, lane])
            near = depth[ray] + depth_step[ray] * start.dtype.type(line)
            origin = heights_at[0] * near - heights_at[2] + start.dtype.type(1)
            heights(origin, heights_at[1] * near, slices - 2, level, rise)
            sums = out[ray]
            for row in range(rows):
                below, above, part = column[level[row]], column[level[row] + 1], rise[row]
                for lane in range(lanes):
                    sums[row, lane] += below[lane] + part * (above[lane] - below[lane])


@parallel_kernel
def spread_cone(
    data: Array,
    start: Array,
    slope: Array,
    rays: Array,
    depth: Array,
    depth_step: Array,
    heights_at: Array,
    image: Array,
) -> None:
    """The adjoint of `project_cone`: add `data[view, ray, row, lane]` to the voxels that the rays cross."""
    for line in prange(len(image)):
        _spread_on_line(data, start, slope, rays, depth, depth_step, heights_at, line, image[line])


@kernel
def _spread_on_line(
    data: Array,
    start: Array,
    slope: Array,
    rays: Array,
    depth: Array,
    depth_step: Array,
    heights_at: Array,
    line: int,
    image: Array,
) -> None:
    pixels, slices, lanes = image.shape
    views, columns = start.shape
    rows = data.shape[2]
    index, weight = np.empty(columns, np.int32), np.empty(columns, start.dtype)
    level, rise = np.empty(rows, np.int32), np.empty(rows, start.dtype)
    column = np.empty((slices, lanes), image.dtype)
    for view in range(views):
        first, last = rays[view, 0], rays[view, 1]
        low, high = crossings(start[view], slope[view], first, last, line, pixels - 2, index, weight)
        for ray in range(low, high):
            near = depth[view, ray] + depth_step[view, ray] * start.dtype.type(line)
            origin = heights_at[0] * near - heights_at[2] + start.dtype.type(1)
            heights(origin, heights_at[1] * near, slices - 2, level, rise)
            column[:] = 0
            sums = data[view, ray]
            for row in range(rows):
                below, above, part = column[level[row]], column[level[row] + 1], rise[row]
                for lane in range(lanes):
                    share = part * sums[row, lane]
                    below[lane] += sums[row, lane] - share
                    above[lane] += share
            left, right, w = image[index[ray]], image[index[ray] + 1], weight[ray]
            for z in range(slices):
                for lane in range(lanes):
                    share = w * column[z, lane]
                    left[z, lane] += column[z, lane] - share
                    right[z, lane] += share
