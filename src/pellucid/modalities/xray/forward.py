"""Ray transforms: line integrals of an image along the rays of a scan, as linear operators with exact adjoints.

    y = A x,  y_ray = ∫ x(r) dl

`x`: `[slice, row, column]`, per millimetre; `y`: `[view, row, column]` of the detector, no unit. Joseph's
interpolation in every geometry. Images of parallel and fan scans have one slice per detector row.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pellucid.errors import InvalidInputError
from pellucid.modalities.xray.geometry import Beam, Detector, Grid, ScanGeometry
from pellucid.modalities.xray.projection.cone import project_cone, spread_cone
from pellucid.modalities.xray.projection.lines import project_lines, spread_lines
from pellucid.modalities.xray.projection.rays import PADDING, Crossings, crossings
from pellucid.modalities.xray.projection.symmetry import fold, no_fold
from pellucid.operators import LinearOperator

Array = NDArray[Any]
LANES = 64
"""Images that the kernels treat at once: enough to fill vector registers, few enough for the cache."""
_FOLDED_BYTES = 1 << 30
"""A cone beam's volume is copied for folding only where the copies take less memory than this."""


class _RayTransform(LinearOperator):
    """What the three geometries share: the folded views and the rays through the grid."""

    beam: ClassVar[Beam]

    def __init__(self, geometry: ScanGeometry, grid: Grid, dtype: DTypeLike = np.float32) -> None:
        if geometry.beam != self.beam:
            raise InvalidInputError(f"is {geometry.beam!r}; {type(self).__name__} needs {self.beam!r}", field="beam")
        super().__init__(grid.shape, geometry.shape, dtype)
        self.geometry, self.grid = geometry, grid
        self._fold = fold(geometry, grid) if self._may_fold() else no_fold(geometry)
        families = crossings(geometry, grid, self._fold.base_angles_deg, self.dtype)
        self._families = [(axis, family) for axis, family in zip((0, 1), families, strict=True) if not family.is_empty]

    def _may_fold(self) -> bool:
        return True


class _PlanarRayTransform(_RayTransform):
    """Line integrals in the planes of the slices; base of the parallel and fan transforms."""

    def __init__(self, geometry: ScanGeometry, grid: Grid, dtype: DTypeLike = np.float32) -> None:
        super().__init__(geometry, grid, dtype)
        rows = geometry.shape[1]
        if grid.shape[0] != rows:
            raise InvalidInputError(
                f"has {grid.shape[0]} slices for {rows} detector rows; expected as many", field="grid"
            )

    def _chunks(self) -> Iterator[slice]:
        step = max(1, LANES // len(self._fold.copies))
        for first in range(0, self.shape_in[0], step):
            yield slice(first, min(first + step, self.shape_in[0]))

    def _apply(self, x: Array) -> Array:
        data = np.empty(self.shape_out, self.dtype)
        for chunk in self._chunks():
            copies = self._fold.spread(x[chunk].transpose(1, 2, 0))
            lanes = copies.reshape(*self.shape_in[1:], -1)
            sums = np.zeros((len(self._fold.base_angles_deg), self.shape_out[2], lanes.shape[2]), self.dtype)
            for axis, family in self._families:
                sums += self._projected(lanes, family, axis)
            data[:, chunk] = self._fold.unfold_views(sums.reshape(*sums.shape[:2], *copies.shape[2:]))
        return data

    def _adjoint(self, y: Array) -> Array:
        image = np.empty(self.shape_in, self.dtype)
        for chunk in self._chunks():
            folded = self._fold.fold_views(y[:, chunk])
            lanes = folded.reshape(*folded.shape[:2], -1)
            copies = np.zeros((*self.shape_in[1:], lanes.shape[2]), self.dtype)
            for axis, family in self._families:
                copies += self._spread(lanes, family, axis)
            image[chunk] = self._fold.gather(copies.reshape(*copies.shape[:2], *folded.shape[2:])).transpose(2, 0, 1)
        return image

    def _projected(self, lanes: Array, family: Crossings, axis: int) -> Array:
        """Line integrals `[view, ray, lane]` along the rays of one family."""
        padded = np.pad(np.ascontiguousarray(lanes.swapaxes(0, axis)), ((0, 0), PADDING, (0, 0)))
        sums = np.zeros((*family.start.shape, lanes.shape[2]), self.dtype)
        project_lines(padded, family.start, family.slope, family.rays, sums)
        sums *= family.length_mm[:, :, None]
        return sums

    def _spread(self, lanes: Array, family: Crossings, axis: int) -> Array:
        """The adjoint of `_projected`, `[row, column, lane]`."""
        lines, pixels = self.shape_in[1 + axis], self.shape_in[2 - axis]
        padded = np.zeros((lines, pixels + sum(PADDING), lanes.shape[2]), self.dtype)
        spread_lines(lanes * family.length_mm[:, :, None], family.start, family.slope, family.rays, padded)
        return padded[:, PADDING[0] : PADDING[0] + pixels].swapaxes(0, axis)


class ParallelRayTransform(_PlanarRayTransform):
    """Line integrals along parallel rays: y(θ, u) = ∫ x(u e_u + t d) dt, slice by slice.

    `geometry`: a parallel scan; `grid`: voxels, one slice per detector row. Raises `InvalidInputError` where they
    do not fit.
    """

    beam = "parallel"

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Foldable views, some measured twice, with and without an offset; an offset anisotropic grid."""
        yield cls(_example("parallel", angles=np.arange(6) * 30.0), _SQUARE, dtype)
        yield cls(_example("parallel", angles=np.arange(5) * 45.0, offset=0.3), _SQUARE, dtype)
        yield cls(_example("parallel", angles=np.arange(9) * 45.0), _SQUARE, dtype)
        yield cls(_example("parallel", angles=np.array([3.0, 77.0, 131.0, -12.0])), _OBLONG, dtype)


class FanRayTransform(_PlanarRayTransform):
    """Line integrals from a point source to a flat or curved row of detector elements, slice by slice."""

    beam = "fan"

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Flat and curved detectors, foldable and not."""
        turn = np.arange(8) * 45.0
        yield cls(_example("fan", angles=turn), _SQUARE, dtype)
        yield cls(_example("fan", angles=turn, detector="curved", offset=0.4), _SQUARE, dtype)
        yield cls(_example("fan", angles=np.array([3.0, 77.0, 201.0]), detector="curved"), _OBLONG, dtype)


class ConeRayTransform(_RayTransform):
    """Line integrals from a point source on a circle to a flat detector with rows along z."""

    beam = "cone"

    def _may_fold(self) -> bool:
        return 8 * self.dtype.itemsize * int(np.prod(self.shape_in)) <= _FOLDED_BYTES

    def __init__(self, geometry: ScanGeometry, grid: Grid, dtype: DTypeLike = np.float32) -> None:
        super().__init__(geometry, grid, dtype)
        rows = geometry.row_positions_mm
        step = rows[1] - rows[0] if len(rows) > 1 else 0.0
        self._heights = (np.array([rows[0], step, grid.z_mm[0]]) / grid.spacing_mm[0]).astype(self.dtype)
        in_plane = geometry.source_detector_mm / np.cos(np.deg2rad(geometry.fan_angles_deg))
        self._obliqueness = np.hypot(1.0, rows[None, :] / in_plane[:, None]).astype(self.dtype)[:, :, None]

    def _apply(self, x: Array) -> Array:
        copies = np.ascontiguousarray(self._fold.spread(x.transpose(1, 2, 0)).swapaxes(2, 3))
        _, rows, columns = self.shape_out
        data = np.zeros((len(self._fold.base_angles_deg), columns, rows, copies.shape[3]), self.dtype)
        for axis, family in self._families:
            padded = np.pad(np.ascontiguousarray(copies.swapaxes(0, axis)), ((0, 0), PADDING, PADDING, (0, 0)))
            sums = np.zeros_like(data)
            rays = (family.start, family.slope, family.rays, family.depth, family.depth_step)
            project_cone(padded, *rays, self._heights, sums)
            sums *= family.length_mm[:, :, None, None]
            data += sums
        data *= self._obliqueness
        return self._fold.unfold_views(data.swapaxes(2, 3))

    def _adjoint(self, y: Array) -> Array:
        folded = np.ascontiguousarray(self._fold.fold_views(y).swapaxes(2, 3)) * self._obliqueness
        slices, *plane = self.shape_in
        copies = np.zeros((*plane, slices, folded.shape[3]), self.dtype)
        for axis, family in self._families:
            lines, pixels = plane[:: -1 if axis else 1]
            padded = np.zeros((lines, pixels + sum(PADDING), slices + sum(PADDING), folded.shape[3]), self.dtype)
            rays = (family.start, family.slope, family.rays, family.depth, family.depth_step)
            spread_cone(folded * family.length_mm[:, :, None, None], *rays, self._heights, padded)
            inner = padded[:, PADDING[0] : PADDING[0] + pixels, PADDING[0] : PADDING[0] + slices]
            copies += inner.swapaxes(0, axis)
        return self._fold.gather(copies.swapaxes(2, 3)).transpose(2, 0, 1)

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """A foldable scan; offset detector, offset anisotropic grid and falling rows."""
        rows = np.arange(5) * 2.0 - 4.5
        yield cls(_example("cone", angles=np.arange(8) * 45.0, rows=rows), replace(_SQUARE, shape=(3, 5, 5)), dtype)
        turned = _example("cone", angles=np.array([3.0, 77.0, 201.0]), rows=-rows, offset=0.6)
        yield cls(turned, _OBLONG, dtype)


def ray_transform(geometry: ScanGeometry, grid: Grid, dtype: DTypeLike = np.float32) -> LinearOperator:
    """The ray transform of a scan's beam."""
    if geometry.beam == "parallel":
        return ParallelRayTransform(geometry, grid, dtype)
    if geometry.beam == "fan":
        return FanRayTransform(geometry, grid, dtype)
    return ConeRayTransform(geometry, grid, dtype)


_SQUARE = Grid(shape=(2, 5, 5), spacing_mm=(1.0, 1.5, 1.5))
_OBLONG = Grid(shape=(2, 5, 7), spacing_mm=(1.2, 1.5, 0.8), centre_mm=(0.7, -0.4, 0.3))


def _example(
    beam: Beam,
    *,
    angles: Array,
    detector: Detector = "flat",
    offset: float = 0.0,
    rows: Array | None = None,
) -> ScanGeometry:
    """A scan of 7 columns around a centimetre."""
    source = {} if beam == "parallel" else {"source_isocentre_mm": 30.0, "source_detector_mm": 45.0}
    return ScanGeometry(
        beam=beam,
        detector=detector,
        angles_deg=angles,
        columns=7,
        column_spacing_mm=1.3 if beam == "parallel" else 2.0,
        column_offset_mm=offset,
        row_positions_mm=np.array([-0.5, 0.5]) if rows is None else rows,
        **source,
    )
