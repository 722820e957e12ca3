"""Joseph's method for any lines of response: set-up of one line, then the walk through the image.

The image is `[row, column, slice]` with one border voxel of zeros on every side, so that no step needs a test.
The set-up is apart from the walk: a kernel that weighs each step (time of flight) uses it unchanged, as the
`along` values it returns are the signed distance from the line's middle.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.kernels import inline_kernel, kernel, parallel_kernel, prange

Floats = NDArray[Any]
LINES_PER_TASK = 256
MARGIN = 1e-9
"""Voxels kept away from where a step's weight reaches 0: beyond it rounding could leave the padded image."""


@inline_kernel
def _narrowed(low: float, high: float, start: float, slope: float, count: int) -> tuple[float, float]:
    """The part of `low` … `high` where -1 < start + slope·k < count, less a margin for rounding."""
    least, most = -1.0 + MARGIN, count - MARGIN
    if abs(slope) < 1e-12:
        if start <= least or start >= most:
            return 1.0, 0.0
        return low, high
    one, other = (least - start) / slope, (most - start) / slope
    return max(low, min(one, other)), min(high, max(one, other))


@inline_kernel
def set_up(
    ends: NDArray[np.float64], first: NDArray[np.float64], spacing: NDArray[np.float64], shape: tuple[int, int, int]
) -> tuple[int, int, int, float, float, float, float, float, float, float]:
    """How the line from `ends[0]` to `ends[1]` walks through a padded image of `shape`.

    Returns the driving axis, the first and last step, the padded position along the next and the one after next
    axis at step 0 with their increments, the length of a step, and the signed distance from the line's middle at
    step 0 with its increment (`along`).
    """
    rise = np.empty(3)
    for axis in range(3):
        rise[axis] = ends[1, axis] - ends[0, axis]
    drive = 0
    for axis in range(1, 3):
        if abs(rise[axis]) / spacing[axis] > abs(rise[drive]) / spacing[drive]:
            drive = axis
    length = math.sqrt(rise[0] * rise[0] + rise[1] * rise[1] + rise[2] * rise[2])
    if rise[drive] == 0.0:
        return 0, 1, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    q, r = (drive + 1) % 3, (drive + 2) % 3
    # t runs from 0 at ends[0] to 1 at ends[1].
    t_start = (first[drive] - ends[0, drive]) / rise[drive]
    t_step = spacing[drive] / rise[drive]
    u = (ends[0, q] + t_start * rise[q] - first[q]) / spacing[q]
    v = (ends[0, r] + t_start * rise[r] - first[r]) / spacing[r]
    du, dv = t_step * rise[q] / spacing[q], t_step * rise[r] / spacing[r]
    # Only voxels between the two ends count: neither photon flies beyond its crystal.
    t_ends = (-t_start / t_step, (1.0 - t_start) / t_step)
    low, high = max(0.0, min(t_ends)), min(shape[drive] - 3.0, max(t_ends))
    low, high = _narrowed(low, high, u, du, shape[q] - 2)
    low, high = _narrowed(low, high, v, dv, shape[r] - 2)
    if low > high:
        return drive, 1, 0, u, du, v, dv, 0.0, 0.0, 0.0
    return (
        drive, math.ceil(low), math.floor(high), u + 1.0, du, v + 1.0, dv,
        abs(t_step) * length, (t_start - 0.5) * length, t_step * length,
    )  # fmt: skip


@inline_kernel
def _strides(drive: int, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Memory steps along the driving axis and the two after it."""
    row, column = shape[1] * shape[2], shape[2]
    if drive == 0:
        return row, column, 1
    if drive == 1:
        return column, 1, row
    return 1, row, column


@parallel_kernel
def project_lines(
    image: Floats, ends: NDArray[np.float64], first: NDArray[np.float64], spacing: NDArray[np.float64], out: Floats
) -> None:
    """The integral of `image` along each line."""
    lines = ends.shape[0]
    for task in prange((lines + LINES_PER_TASK - 1) // LINES_PER_TASK):
        mine = slice(task * LINES_PER_TASK, min(lines, (task + 1) * LINES_PER_TASK))
        _project_some(image, ends[mine], first, spacing, out[mine])


@kernel
def _project_some(
    image: Floats, ends: NDArray[np.float64], first: NDArray[np.float64], spacing: NDArray[np.float64], out: Floats
) -> None:
    voxels = image.reshape(-1)
    one = image.dtype.type(1.0)
    for i in range(len(ends)):
        drive, low, high, u, du, v, dv, step, _, _ = set_up(ends[i], first, spacing, image.shape)
        along, across, beyond = _strides(drive, image.shape)
        total = image.dtype.type(0.0)
        for k in range(low, high + 1):
            here_u, here_v = u + du * k, v + dv * k
            iu, iv = int(here_u), int(here_v)
            wu, wv = image.dtype.type(here_u - iu), image.dtype.type(here_v - iv)
            base = (k + 1) * along + iu * across + iv * beyond
            near = (one - wv) * voxels[base] + wv * voxels[base + beyond]
            far = (one - wv) * voxels[base + across] + wv * voxels[base + across + beyond]
            total += near + wu * (far - near)
        out[i] = total * image.dtype.type(step)


@parallel_kernel
def back_project_lines(
    values: Floats, ends: NDArray[np.float64], first: NDArray[np.float64], spacing: NDArray[np.float64], images: Floats
) -> None:
    """The transpose of `project_lines`: task t adds its share of the lines to its own `images[t]`."""
    tasks = images.shape[0]
    lines = ends.shape[0]
    for task in prange(tasks):
        mine = slice(task * lines // tasks, (task + 1) * lines // tasks)
        _add_lines(values[mine], ends[mine], first, spacing, images[task])


@kernel
def _add_lines(
    values: Floats, ends: NDArray[np.float64], first: NDArray[np.float64], spacing: NDArray[np.float64], image: Floats
) -> None:
    voxels = image.reshape(-1)
    for i in range(len(values)):
        drive, low, high, u, du, v, dv, step, _, _ = set_up(ends[i], first, spacing, image.shape)
        along, across, beyond = _strides(drive, image.shape)
        value = values[i] * image.dtype.type(step)
        for k in range(low, high + 1):
            here_u, here_v = u + du * k, v + dv * k
            iu, iv = int(here_u), int(here_v)
            wv = image.dtype.type(here_v - iv)
            far = value * image.dtype.type(here_u - iu)
            near = value - far
            base = (k + 1) * along + iu * across + iv * beyond
            near_beyond, far_beyond = wv * near, wv * far
            voxels[base] += near - near_beyond
            voxels[base + beyond] += near_beyond
            voxels[base + across] += far - far_beyond
            voxels[base + across + beyond] += far_beyond
