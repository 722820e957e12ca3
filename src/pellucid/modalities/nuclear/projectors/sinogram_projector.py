"""The system matrix of a whole sinogram by Joseph's method, without a gather."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pellucid.errors import InvalidInputError
from pellucid.modalities.nuclear.projectors.grid import Grid
from pellucid.modalities.nuclear.projectors.line_kernels import MARGIN
from pellucid.modalities.nuclear.projectors.sinogram_kernels import back_project, project
from pellucid.modalities.nuclear.sampling import SinogramSampling, michelogram
from pellucid.modalities.nuclear.scanner import Scanner
from pellucid.operators.linear_operator import LinearOperator

Array = NDArray[Any]


class SinogramProjector(LinearOperator):
    """Line integrals over every bin of a sinogram: p = ∫ f dl [unit of f times mm].

    `shape_in`: image `[slice, row, column]` on `grid`; `shape_out`: `[view, radial, plane]` for the views in
    `views` (all by default). The image is linear between voxel centres and falls to 0 one voxel beyond the
    outermost centres (the border voxels count in full, the half voxel outside them as a ramp).

    Needs the plane pitch to be a multiple of the slice spacing; raises `InvalidInputError` otherwise.
    Joseph, IEEE Trans Med Imaging 1982, doi 10.1109/TMI.1982.4307572. The adjoint is exact, its sum independent
    of the number of threads; memory: one copy of the image.
    """

    def __init__(
        self,
        sampling: SinogramSampling,
        grid: Grid,
        *,
        views: slice | NDArray[np.int64] = slice(None),
        dtype: DTypeLike = np.float32,
    ) -> None:
        angles = sampling.angles_rad[views]
        super().__init__(grid.shape, (len(angles), sampling.radial_bins, sampling.planes), dtype)
        self.sampling, self.grid = sampling, grid
        self._path, self._line = _lines(sampling, grid, angles)
        self._segment_shape, self._segment_place = _segments(sampling, grid)
        self._padding, self._length = self._axial_reach()

    def _axial_reach(self) -> tuple[int, int]:
        """Zeros needed before the first slice, and length of the padded axial profile."""
        ends = self._line[:, 3, None] + self._line[:, 4, None] * self._path[:, 1:]
        used = self._path[:, 1] <= self._path[:, 2]
        shift = np.concatenate([ends[used].ravel(), [0.0]])
        difference, first = self._segment_place.T
        starts = first + np.outer([shift.min(), shift.max()], difference)
        lasts = starts + (self._segment_shape[:, 1] - 1) * self._segment_shape[:, 2]
        padding = max(0, -math.floor(float(starts.min()))) + 1
        return padding, padding + max(self.shape_in[0], math.floor(float(lasts.max())) + 1) + 3

    def _apply(self, x: Array) -> Array:
        slices, rows, columns = self.shape_in
        image = np.zeros((rows + 2, columns + 2, slices), self.dtype)
        image[1:-1, 1:-1] = x.transpose(1, 2, 0)
        out = np.empty((self._path.shape[0], self.shape_out[2]), self.dtype)
        project(image, *self._tables(), out)
        return out.reshape(self.shape_out)

    def _adjoint(self, y: Array) -> Array:
        slices, rows, columns = self.shape_in
        image = np.zeros((rows + 2, columns + 2, slices), self.dtype)
        lines = np.ascontiguousarray(y).reshape(self._path.shape[0], self.shape_out[2])
        back_project(lines, *self._tables(), image)
        return np.ascontiguousarray(image[1:-1, 1:-1].transpose(2, 0, 1))

    def _tables(
        self,
    ) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.int32], NDArray[np.float64], int, int]:
        return self._path, self._line, self._segment_shape, self._segment_place, self._padding, self._length

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Span 3 with mashing, off-centre, more rows than a task holds; span 1, whose planes skip every other slice."""
        scanner = Scanner(
            name="small", rings=4, crystals_per_ring=16, ring_pitch_mm=5.0, inner_radius_mm=30.0,
            interaction_depth_mm=2.0, radial_bins=9, view_offset_deg=3.0,
        )  # fmt: skip
        merged = SinogramSampling(scanner=scanner, segments=michelogram(4, 3, 3), radial_bins=4, radial_mashing=2)
        yield cls(merged, Grid((5, 9, 3), (2.5, 3.0, 5.0), (2.0, -3.0, 1.7)), dtype=dtype)
        single = SinogramSampling(scanner=scanner, segments=michelogram(4, 1, 2), radial_bins=9, view_mashing=2)
        yield cls(single, Grid((7, 3, 9), (2.5, 6.0, 2.5)), views=slice(1, None, 2), dtype=dtype)


def _lines(
    sampling: SinogramSampling, grid: Grid, angles: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """The transaxial path of every (view, radial bin): the tables that the kernels describe."""
    angle = angles.ravel()
    offset = np.broadcast_to(sampling.offsets_mm, angles.shape).ravel()
    half_chord = np.broadcast_to(sampling.half_chords_mm, angles.shape).ravel()
    foot = np.stack([offset * np.sin(angle), offset * np.cos(angle)])
    direction = np.stack([np.cos(angle), -np.sin(angle)])
    spacing, first = np.array(grid.spacing_mm[1:]), np.array(grid.first_mm[1:])
    count = np.array(grid.shape[1:])
    drive = np.argmax(np.abs(direction) / spacing[:, None], axis=0)
    cross, index = 1 - drive, np.arange(angle.size)
    # Distance l from the foot at step 0 and per step along the driving axis.
    start = (first[drive] - foot[drive, index]) / direction[drive, index]
    step = spacing[drive] / direction[drive, index]
    at_start = (foot[cross, index] + start * direction[cross, index] - first[cross]) / spacing[cross]
    per_step = step * direction[cross, index] / spacing[cross]
    low, high = _steps_within(at_start, per_step, count[drive], count[cross])
    axial = sampling.plane_pitch_mm / half_chord
    shift, shift_step = start * axial / grid.spacing_mm[0], step * axial / grid.spacing_mm[0]
    line = np.stack([at_start, per_step, np.abs(step), shift, shift_step, axial**2], axis=1)
    return np.stack([drive, low, high], axis=1).astype(np.int32), np.ascontiguousarray(line)


def _steps_within(
    at_start: NDArray[np.float64], per_step: NDArray[np.float64], steps: NDArray[np.int64], across: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last step at which -1 < position across < number of voxels across, less a margin for rounding."""
    least, most = -1 + MARGIN, across - MARGIN
    slope = np.where(np.abs(per_step) < 1e-12, 1e-12, per_step)
    edges = np.sort(np.stack([(least - at_start) / slope, (most - at_start) / slope]), axis=0)
    low = np.clip(np.ceil(edges[0]), 0, steps).astype(np.int64)
    high = np.clip(np.floor(edges[1]), -1, steps - 1).astype(np.int64)
    return low, high


def _segments(sampling: SinogramSampling, grid: Grid) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    ratio = sampling.plane_pitch_mm / grid.spacing_mm[0]
    slices_per_pitch = round(ratio)
    if slices_per_pitch < 1 or abs(ratio - slices_per_pitch) > 1e-6 * ratio:
        raise InvalidInputError(
            f"is {grid.spacing_mm[0]:g} mm; expected the plane pitch {sampling.plane_pitch_mm:g} mm "
            "or a whole fraction of it",
            field="grid.spacing_mm[0]",
        )
    firsts = np.array(sampling.first_planes)
    strides = [segment.step * slices_per_pitch for segment in sampling.segments]
    shape = np.stack([firsts[:-1], np.diff(firsts), strides], axis=1).astype(np.int32)
    start = (sampling.plane_z_mm[firsts[:-1]] - grid.first_mm[0]) / grid.spacing_mm[0]
    return shape, np.stack([[segment.mean for segment in sampling.segments], start], axis=1)
