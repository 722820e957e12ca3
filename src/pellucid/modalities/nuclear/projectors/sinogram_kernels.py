"""Joseph's method for whole sinograms: all planes of one (view, radial bin) share their transaxial path.

The image is `[row, column, slice]` with one border voxel of zeros around rows and columns. A line steps through
rows or columns, whichever it crosses faster. At each step the two nearest voxel columns along the axis are mixed
once, and every plane of every segment reads that mixture at an axial shift common to its segment: all inner loops
run over contiguous memory and nothing is gathered.

`path[line]` = driving axis (0 rows, 1 columns), first step, last step. `line[line]` = position across at step 0
and its increment per step [voxels], length of a step in the transaxial plane [mm], axial shift per unit ring
difference at step 0 and its increment [slices], squared axial slope per unit ring difference.
`segment_shape[segment]` = first plane, planes, slices from plane to plane. `segment_place[segment]` = ring
difference, slice index of the first plane.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.kernels import inline_kernel, kernel, parallel_kernel, prange

Floats = NDArray[Any]
LINES_PER_TASK = 32
STEPS_PER_TASK = 8


@inline_kernel
def _path_length(step: float, difference: float, slope: float) -> float:
    return step * math.sqrt(1.0 + difference * difference * slope)


@inline_kernel
def _crossed(image: Floats, axis: int, step: int, across: float) -> tuple[Floats, Floats, float, float]:
    """The two voxel columns that a line passes between at a step of its driving axis, and the share of each."""
    j = math.floor(across)
    after = image.dtype.type(across - j)
    before = image.dtype.type(1.0) - after
    if axis == 0:
        return image[step + 1, j + 1], image[step + 1, j + 2], before, after
    return image[j + 1, step + 1], image[j + 2, step + 1], before, after


@inline_kernel
def _read_planes(mixed: Floats, start: int, stride: int, fraction: float, sums: Floats) -> None:
    """Add the mixture, linearly interpolated at start + fraction + stride·p, to the sum of each plane p."""
    upper = mixed.dtype.type(fraction)
    lower = mixed.dtype.type(1.0 - fraction)
    count = sums.size
    if stride == 1:
        below, above = mixed[start : start + count], mixed[start + 1 : start + 1 + count]
        for plane in range(count):
            sums[plane] += lower * below[plane] + upper * above[plane]
    else:
        near = mixed[start : start + stride * (count - 1) + 2]
        for plane in range(count):
            sums[plane] += lower * near[stride * plane] + upper * near[stride * plane + 1]


@inline_kernel
def _write_planes(mixed: Floats, start: int, stride: int, fraction: float, values: Floats) -> None:
    """The transpose of `_read_planes`; `values` has one zero before the first plane and one after the last."""
    upper = mixed.dtype.type(fraction)
    lower = mixed.dtype.type(1.0 - fraction)
    count = values.size - 2
    if stride == 1:
        here, before = values[1:], values[: count + 1]
        near = mixed[start : start + count + 1]
        for place in range(count + 1):
            near[place] += lower * here[place] + upper * before[place]
    else:
        near = mixed[start : start + stride * (count - 1) + 2]
        for plane in range(count):
            near[stride * plane] += lower * values[plane + 1]
            near[stride * plane + 1] += upper * values[plane + 1]


@parallel_kernel
def project(
    image: Floats,
    path: NDArray[np.int32],
    line: NDArray[np.float64],
    segment_shape: NDArray[np.int32],
    segment_place: NDArray[np.float64],
    padding: int,
    length: int,
    out: Floats,
) -> None:
    """Line integrals of `image` into `out[line, plane]`; one thread writes each line."""
    lines = path.shape[0]
    for task in prange((lines + LINES_PER_TASK - 1) // LINES_PER_TASK):
        mine = slice(task * LINES_PER_TASK, min(lines, (task + 1) * LINES_PER_TASK))
        _project_some(image, path[mine], line[mine], segment_shape, segment_place, padding, length, out[mine])


@kernel
def _project_some(
    image: Floats,
    path: NDArray[np.int32],
    line: NDArray[np.float64],
    segment_shape: NDArray[np.int32],
    segment_place: NDArray[np.float64],
    padding: int,
    length: int,
    out: Floats,
) -> None:
    slices = image.shape[2]
    mixed = np.zeros(length, image.dtype)
    for i in range(len(path)):
        sums = out[i]
        sums[:] = 0
        for k in range(path[i, 1], path[i, 2] + 1):
            first, second, before, after = _crossed(image, path[i, 0], k, line[i, 0] + line[i, 1] * k)
            core = mixed[padding : padding + slices]
            for z in range(slices):
                core[z] = before * first[z] + after * second[z]
            shift = line[i, 3] + line[i, 4] * k
            for s in range(segment_shape.shape[0]):
                place = segment_place[s, 1] + segment_place[s, 0] * shift + padding
                start = math.floor(place)
                one = sums[segment_shape[s, 0] : segment_shape[s, 0] + segment_shape[s, 1]]
                _read_planes(mixed, start, segment_shape[s, 2], place - start, one)
        for s in range(segment_shape.shape[0]):
            scale = image.dtype.type(_path_length(line[i, 2], segment_place[s, 0], line[i, 5]))
            for plane in range(segment_shape[s, 0], segment_shape[s, 0] + segment_shape[s, 1]):
                sums[plane] *= scale


@inline_kernel
def _scaled_planes(
    sinogram_line: Floats,
    line: NDArray[np.float64],
    segment_shape: NDArray[np.int32],
    segment_place: NDArray[np.float64],
    values: Floats,
) -> None:
    """One line's planes times their path length, each segment between two zeros."""
    for s in range(segment_shape.shape[0]):
        scale = values.dtype.type(_path_length(line[2], segment_place[s, 0], line[5]))
        first, count = segment_shape[s, 0], segment_shape[s, 1]
        target = values[first + 2 * s + 1 : first + 2 * s + 1 + count]
        source = sinogram_line[first : first + count]
        for plane in range(count):
            target[plane] = scale * source[plane]


@inline_kernel
def _back_project_steps(
    image: Floats,
    axis: int,
    first_step: int,
    last_step: int,
    line: NDArray[np.float64],
    segment_shape: NDArray[np.int32],
    segment_place: NDArray[np.float64],
    padding: int,
    values: Floats,
    mixed: Floats,
) -> None:
    slices = image.shape[2]
    for k in range(first_step, last_step + 1):
        mixed[:] = 0
        shift = line[3] + line[4] * k
        for s in range(segment_shape.shape[0]):
            place = segment_place[s, 1] + segment_place[s, 0] * shift + padding
            start = math.floor(place)
            begin = segment_shape[s, 0] + 2 * s
            _write_planes(
                mixed, start, segment_shape[s, 2], place - start, values[begin : begin + segment_shape[s, 1] + 2]
            )
        first, second, before, after = _crossed(image, axis, k, line[0] + line[1] * k)
        core = mixed[padding : padding + slices]
        for z in range(slices):
            first[z] += before * core[z]
            second[z] += after * core[z]


@parallel_kernel
def back_project(
    sinogram: Floats,
    path: NDArray[np.int32],
    line: NDArray[np.float64],
    segment_shape: NDArray[np.int32],
    segment_place: NDArray[np.float64],
    padding: int,
    length: int,
    image: Floats,
) -> None:
    """The transpose of `project`, added to `image`.

    A task owns the voxels of a few steps along one driving axis and walks through all lines that drive along it,
    so no two threads write the same voxel and the sum's order does not depend on how many threads there are.
    """
    for axis in range(2):
        steps = image.shape[axis] - 2
        for task in prange((steps + STEPS_PER_TASK - 1) // STEPS_PER_TASK):
            first = task * STEPS_PER_TASK
            _back_project_task(sinogram, path, line, segment_shape, segment_place, padding, length, axis, first, image)


@kernel
def _back_project_task(
    sinogram: Floats,
    path: NDArray[np.int32],
    line: NDArray[np.float64],
    segment_shape: NDArray[np.int32],
    segment_place: NDArray[np.float64],
    padding: int,
    length: int,
    axis: int,
    first: int,
    image: Floats,
) -> None:
    lines, planes = sinogram.shape
    mixed = np.zeros(length, image.dtype)
    values = np.zeros(planes + 2 * segment_shape.shape[0], image.dtype)
    for i in range(lines):
        begin, end = max(path[i, 1], first), min(path[i, 2], first + STEPS_PER_TASK - 1)
        if path[i, 0] == axis and begin <= end:
            _scaled_planes(sinogram[i], line[i], segment_shape, segment_place, values)
            _back_project_steps(image, axis, begin, end, line[i], segment_shape, segment_place, padding, values, mixed)
