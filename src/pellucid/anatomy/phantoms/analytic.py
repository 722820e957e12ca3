"""A sum of shapes, each with a value: exact ray integrals, exact k-space, and voxels with partial volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid.anatomy.phantoms.shapes import Array, Shape
from pellucid.errors import InvalidInputError
from pellucid.image import axial_affine


@dataclass(frozen=True, eq=False)
class AnalyticPhantom:
    """f(r) = Σ value_i · [r in shape_i]: values of overlapping shapes add.

    What is exact here shares no code with any projector or Fourier transform, so those are tested against it.
    """

    shapes: tuple[Shape, ...]
    amplitudes: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.shapes) != len(self.amplitudes):
            raise InvalidInputError(f"{len(self.shapes)} shapes, {len(self.amplitudes)} values", field="amplitudes")
        if len({shape.dimensions for shape in self.shapes}) != 1:
            raise InvalidInputError("must be of one dimension, and at least one", field="shapes")

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return self.shapes[0].dimensions

    def value(self, points_mm: ArrayLike) -> Array:
        """The value at points (…, d), shape (…)."""
        points = np.asarray(points_mm, float)
        total = np.zeros(points.shape[:-1])
        for shape, amplitude in zip(self.shapes, self.amplitudes, strict=True):
            total += amplitude * shape.contains(points)
        return total

    def ray_integral(self, origins_mm: ArrayLike, directions: ArrayLike) -> Array:
        """∫ f dl [value · mm] along the lines `origin + t · direction`, arrays (…, d) that broadcast."""
        origins, along = np.asarray(origins_mm, float), np.asarray(directions, float)
        total = np.zeros(np.broadcast_shapes(origins.shape, along.shape)[:-1])
        for shape, amplitude in zip(self.shapes, self.amplitudes, strict=True):
            total += amplitude * shape.chord_mm(origins, along)
        return total

    def kspace(self, k_per_mm: ArrayLike) -> NDArray[np.complex128]:
        """F(k) = ∫ f(r) exp(−2πi k·r) dr [value · mm^d] at spatial frequencies (…, d) in cycles/mm."""
        k = np.asarray(k_per_mm, float)
        total = np.zeros(k.shape[:-1], np.complex128)
        for shape, amplitude in zip(self.shapes, self.amplitudes, strict=True):
            total += amplitude * shape.fourier(k)
        return total

    def voxels(
        self, affine: NDArray[np.float64], shape: tuple[int, int, int], *, oversampling: int = 4
    ) -> NDArray[np.float32]:
        """Mean of f over each voxel of a grid, from `oversampling`³ points in those that an edge crosses.

        A 2-D phantom fills every slice of the grid. `affine` maps (slice, row, column) to LPS mm.
        """
        grid = np.asarray(affine, float)
        total = np.zeros(shape, np.float32)
        for body, amplitude in zip(self.shapes, self.amplitudes, strict=True):
            where, fraction = coverage(body, grid, shape, oversampling)
            total[where] += np.float32(amplitude) * fraction
        return total

    def pixels(self, size: int, spacing_mm: float, *, oversampling: int = 4) -> NDArray[np.float32]:
        """Mean of a 2-D phantom over each pixel of a square image [row (y), column (x)] centred at 0."""
        affine = axial_affine((1, size, size), (spacing_mm, spacing_mm, spacing_mm))
        image: NDArray[np.float32] = self.voxels(affine, (1, size, size), oversampling=oversampling)[0]
        return image


def coverage(
    body: Shape, affine: NDArray[np.float64], shape: Sequence[int], oversampling: int
) -> tuple[tuple[slice, ...], NDArray[np.float32]]:
    """The part of a grid that a shape touches, and how much of each of its voxels is inside (0 … 1)."""
    where = _touched(body, affine, shape)
    index = np.stack(np.meshgrid(*(np.arange(s.start, s.stop) for s in where), indexing="ij"), axis=-1)
    corners = [np.array(corner) for corner in np.ndindex(2, 2, 2)]
    inside = np.zeros(index.shape[:-1], np.int8)
    for corner in [*corners, np.array([0.5, 0.5, 0.5])]:
        inside += _contains(body, affine, index + (corner - 0.5))
    fraction = (inside == len(corners) + 1).astype(np.float32)
    edge = np.nonzero(_grown((inside > 0) & (fraction == 0)))
    if oversampling > 1:
        fraction[edge] = _mean_inside(body, affine, index[edge], oversampling)
    else:
        fraction = _contains(body, affine, index).astype(np.float32)
    return where, fraction


def _grown(edge: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The edge and its neighbours: a curved or thin shape can enter a voxel between its corners."""
    from scipy.ndimage import binary_dilation

    grown: NDArray[np.bool_] = binary_dilation(edge, np.ones((3, 3, 3), bool)) if edge.any() else ~edge
    return grown


def _mean_inside(
    body: Shape, affine: NDArray[np.float64], index: NDArray[np.int64], oversampling: int
) -> NDArray[np.float32]:
    steps = (np.arange(oversampling) + 0.5) / oversampling - 0.5
    depth = steps if body.dimensions == 3 else np.zeros(1)
    total = np.zeros(len(index), np.float32)
    for offset in np.stack(np.meshgrid(depth, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3):
        total += _contains(body, affine, index + offset)
    return total / np.float32(len(depth) * oversampling**2)


def _contains(body: Shape, affine: NDArray[np.float64], index: NDArray[np.float64]) -> NDArray[np.bool_]:
    rows = slice(0, body.dimensions)
    return body.contains(index @ affine[rows, :3].T + affine[rows, 3])


def _touched(body: Shape, affine: NDArray[np.float64], shape: Sequence[int]) -> tuple[slice, ...]:
    """Index ranges that hold every voxel the shape's bounding box touches."""
    low, high = body.bounds_mm()
    if body.dimensions == 2:
        corners_z = affine[2, :3] @ np.array(list(np.ndindex(2, 2, 2))).T * 1.0
        low = np.append(low, affine[2, 3] + min(0.0, float((corners_z * max(shape)).min())))
        high = np.append(high, affine[2, 3] + max(0.0, float((corners_z * max(shape)).max())))
    corners = np.array([[(low, high)[pick][axis] for axis, pick in enumerate(picks)] for picks in np.ndindex(2, 2, 2)])
    inverse = np.linalg.inv(affine)
    index = corners @ inverse[:3, :3].T + inverse[:3, 3]
    first = np.clip(np.floor(index.min(axis=0) - 0.5), 0, shape).astype(int)
    last = np.clip(np.ceil(index.max(axis=0) + 0.5) + 1, 0, shape).astype(int)
    return tuple(slice(a, max(a, b)) for a, b in zip(first, last, strict=True))
