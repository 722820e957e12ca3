"""Joseph's projection of a volume along the rays of a cone beam, and its exact adjoint.

All rays of one detector column cross the same pixels of a slice, so the volume's z columns there are interpolated
once and then read at each detector row's height. Volumes are padded by one voxel before and two after, in z too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.kernels import inline_kernel, parallel_kernel, prange
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
    lines, pixels, slices, lanes = image.shape
    views, columns = start.shape
    rows = out.shape[2]
    for view in prange(views):
        first, last = rays[view, 0], rays[view, 1]
        index, weight = np.empty(columns, np.int32), np.empty(columns, start.dtype)
        level, rise = np.empty(rows, np.int32), np.empty(rows, start.dtype)
        column = np.empty((slices, lanes), image.dtype)
        for line in range(lines):
            low, high = crossings(start[view], slope[view], first, last, line, pixels - 2, index, weight)
            for ray in range(low, high):
                left, right, w = image[line, index[ray]], image[line, index[ray] + 1], weight[ray]
                for z in range(slices):
                    for lane in range(lanes):
                        column[z, lane] = left[z, lane] + w * (right[z, lane] - left[z, lane])
                near = depth[view, ray] + depth_step[view, ray] * start.dtype.type(line)
                origin = heights_at[0] * near - heights_at[2] + start.dtype.type(1)
                heights(origin, heights_at[1] * near, slices - 2, level, rise)
                sums = out[view, ray]
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
    lines, pixels, slices, lanes = image.shape
    views, columns = start.shape
    rows = data.shape[2]
    for line in prange(lines):
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
                left, right, w = image[line, index[ray]], image[line, index[ray] + 1], weight[ray]
                for z in range(slices):
                    for lane in range(lanes):
                        share = w * column[z, lane]
                        left[z, lane] += column[z, lane] - share
                        right[z, lane] += share
