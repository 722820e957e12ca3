"""A sum of shapes, each with a value: exact ray integrals, exact k-space, and voxels with partial volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid.anatomy.phantoms.shapes import Array, Shape
from pellucid.errors import InvalidInputError
from pellucid.image import axial_affine

_ENDLESS_MM = 1e9


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
    where = touched(body, affine, shape)
    fraction = centres_inside(body, affine, where).astype(np.float32)
    if oversampling > 1 and fraction.size:
        edge = np.nonzero(_edges(body, affine, fraction))
        index = np.stack([at + along.start for at, along in zip(edge, where, strict=True)], axis=-1)
        fraction[edge] = _mean_inside(body, affine, index, oversampling)
    return where, fraction


def centres_inside(body: Shape, affine: NDArray[np.float64], where: tuple[slice, ...]) -> NDArray[np.bool_]:
    """Whether the centre of each voxel of a part of a grid is in a shape."""
    slices, rows, columns = (np.arange(part.start, part.stop) for part in where)
    inside = np.zeros((slices.size, rows.size, columns.size), bool)
    axes = slice(0, body.dimensions)
    plane = rows[:, None, None] * affine[axes, 1] + columns[:, None] * affine[axes, 2] + affine[axes, 3]
    for i, number in enumerate(slices):
        inside[i] = body.contains(plane + number * affine[axes, 0])
    return inside


def touched(body: Shape, affine: NDArray[np.float64], shape: Sequence[int]) -> tuple[slice, ...]:
    """Index ranges that hold every voxel the shape's bounding box touches; all slices for a 2-D shape."""
    low, high = body.bounds_mm()
    if body.dimensions == 2:
        low, high = np.append(low, -_ENDLESS_MM), np.append(high, _ENDLESS_MM)
    inverse = np.linalg.inv(affine)
    terms = [inverse[:3, :3] * corner for corner in (low, high)]
    first = np.floor(np.minimum(*terms).sum(axis=1) + inverse[:3, 3] - 0.5)
    last = np.ceil(np.maximum(*terms).sum(axis=1) + inverse[:3, 3] + 0.5) + 1
    first, last = np.clip(first, 0, shape).astype(int), np.clip(last, 0, shape).astype(int)
    return tuple(slice(a, max(a, b)) for a, b in zip(first, last, strict=True))


def _edges(body: Shape, affine: NDArray[np.float64], inside: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Voxels that the surface may cross: those unlike a neighbour, or all where a shape may slip between centres."""
    from scipy.ndimage import maximum_filter, minimum_filter

    widest = float(np.linalg.norm(affine[: body.dimensions, :3], axis=0).max())
    if body.least_width_mm() < 3 * widest:
        return np.ones(inside.shape, bool)
    unlike: NDArray[np.bool_] = maximum_filter(inside, 3) != minimum_filter(inside, 3)
    return unlike


def _mean_inside(
    body: Shape, affine: NDArray[np.float64], index: NDArray[np.int64], oversampling: int
) -> NDArray[np.float32]:
    steps = (np.arange(oversampling) + 0.5) / oversampling - 0.5
    depth = steps if body.dimensions == 3 else np.zeros(1)
    axes = slice(0, body.dimensions)
    points = index @ affine[axes, :3].T + affine[axes, 3]
    total = np.zeros(len(index), np.float32)
    for offset in np.stack(np.meshgrid(depth, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3):
        total += body.contains(points + affine[axes, :3] @ offset)
    return total / np.float32(len(depth) * oversampling**2)
