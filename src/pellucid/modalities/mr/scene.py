"""The object that a scan sees: magnetisation, phase and coil sensitivities on boxes along the encoding axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy.anatomy import Anatomy
from pellucid.modalities.mr import signal
from pellucid.modalities.mr.coils import CoilArray, SensitivityPlanes, around
from pellucid.modalities.mr.prescription import Prescription, extent_lps_mm
from pellucid.modalities.mr.protocols import Settings

_B1_STEP = 1 / 512
"""The transmit field is rounded to this share in the table of signals: a signal error below 0.1 %."""

Axes = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Scene:
    """Planes of boxes across the encoding axes (slice, row, column).

    `axes_mm`: coordinates of the boxes' centres along each axis, 0 at the grid's origin (its voxel shape // 2).
    `magnetisation`: signed, at the echo, `[plane, row, column]`. `bends`: `[3, 3]` the object's smooth phase
    xᵀ B x in radians, x the coordinates over `phase_scale_mm`.
    """

    axes_mm: Axes
    magnetisation: NDArray[np.float32]
    bends: NDArray[np.float64]
    phase_scale_mm: float
    sensitivities: SensitivityPlanes
    coils: CoilArray

    @property
    def boxes_mm(self) -> tuple[float, float, float]:
        """Size of a box along each axis."""
        first, second, third = (float(axis[1] - axis[0]) for axis in self.axes_mm)
        return first, second, third

    def phase(self, index: int) -> NDArray[np.complex64]:
        """The object's phase factor on plane `index`."""
        x, y, z = (
            self.axes_mm[0][index] / self.phase_scale_mm,
            self.axes_mm[1][:, None] / self.phase_scale_mm,
            self.axes_mm[2][None] / self.phase_scale_mm,
        )
        point = (x, y, z)
        angle = sum(self.bends[a, b] * point[a] * point[b] for a in range(3) for b in range(3))
        factor: NDArray[np.complex64] = np.exp(1j * np.asarray(angle)).astype(np.complex64)
        return factor

    def plane(self, index: int) -> NDArray[np.complex64]:
        """What each coil sees of plane `index`: `[coil, row, column]`."""
        seen = self.sensitivities.plane(index)
        seen *= self.magnetisation[index] * self.phase(index)
        return seen


def make_scene(
    anatomy: Anatomy,
    settings: Settings,
    grid: Prescription,
    generator: np.random.Generator,
    *,
    largest_box_mm: float = 0.0,
) -> Scene:
    """The scene of `anatomy` on boxes along the axes of `grid`; its phase is drawn from `generator`.

    Boxes are the anatomy's voxels, or as many of them together as stay within `largest_box_mm`: faster, and enough
    for scans of much larger voxels.
    """
    low, high = extent_lps_mm(anatomy)
    centre, half = (low + high) / 2, (high - low) / 2
    coils = around(centre, half, settings.coils)
    magnetisation = transverse_magnetisation(anatomy, settings, centre, half)
    boxes, axes = merged(*along_encoding(magnetisation, anatomy.affine, grid), largest_box_mm)
    planes = SensitivityPlanes(coils, axes, grid.directions, grid.origin_lps_mm, centre)
    return Scene(axes, boxes, generator.uniform(-1, 1, (3, 3)), float(half.max()), planes, coils)


def transverse_magnetisation(
    anatomy: Anatomy, settings: Settings, centre: NDArray[np.float64], half: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Signed magnetisation at the echo on the anatomy's grid.

    The transmit field is 1 + v (1 − 2 ρ²), v = `b1_variation`, ρ the distance from the centre relative to the extent.
    """
    field = settings.field_strength_t
    t1, t2, t2_star = (anatomy.values(name, field_t=field) for name in ("t1", "t2", "t2_star"))
    variation = settings.b1_variation
    first = int(np.floor((1 - 2 * variation) / _B1_STEP))
    levels = np.arange(first, int(np.ceil((1 + variation) / _B1_STEP)) + 1)
    b1_levels = (levels * _B1_STEP)[:, None]
    table = _signal(settings, anatomy.values("proton_density"), t1, t2, t2_star, b1_levels).astype(np.float32)
    result = np.empty(anatomy.labels.shape, np.float32)
    rows, columns = (np.arange(n, dtype=np.float32) for n in anatomy.labels.shape[1:])
    matrix = ((anatomy.affine[:3, :3]) / half[:, None]).astype(np.float32)
    origin = ((anatomy.affine[:3, 3] - centre) / half).astype(np.float32)
    for index, labels in enumerate(anatomy.labels):
        squared = np.zeros(labels.shape, np.float32)
        for axis in range(3):
            start = matrix[axis, 0] * index + origin[axis]
            squared += (start + (matrix[axis, 1] * rows)[:, None] + matrix[axis, 2] * columns) ** 2
        b1 = 1 + variation * (1 - 2 * np.minimum(squared, 1.5))
        level = np.rint(b1 / _B1_STEP).astype(np.int32) - first
        result[index] = table[np.clip(level, 0, len(levels) - 1), labels]
    return result


def along_encoding(
    values: NDArray[np.float32], affine: NDArray[np.float64], grid: Prescription
) -> tuple[NDArray[np.float32], Axes]:
    """`values` on boxes along the axes of `grid`, without empty margins, and the boxes' coordinates.

    Only turned over where the axes are parallel to the anatomy's; else linearly interpolated at its finest spacing.
    """
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    turn = grid.directions.T @ (affine[:3, :3] / spacing)
    nearest = np.rint(turn)
    if np.allclose(turn, nearest, atol=1e-6):
        order = [int(np.argmax(np.abs(row))) for row in nearest]
        values = values.transpose(order)
        start = grid.directions.T @ (affine[:3, 3] - grid.origin_lps_mm)
        axes = [start[a] + turn[a, b] * spacing[b] * np.arange(values.shape[a]) for a, b in enumerate(order)]
        for axis, coordinates in enumerate(axes):
            if coordinates[0] > coordinates[-1]:
                values, axes[axis] = np.flip(values, axis), coordinates[::-1]
    else:
        values, axes = _interpolated(values, affine, grid, float(spacing.min()))
    return _trimmed(values, axes)


def merged(values: NDArray[np.float32], axes: Axes, largest_box_mm: float) -> tuple[NDArray[np.float32], Axes]:
    """Means over as many neighbours along each axis as stay within `largest_box_mm`, and their coordinates."""
    found = list(axes)
    for axis, places in enumerate(axes):
        step = float(places[1] - places[0])
        count = int(largest_box_mm / step)
        if count < 2:
            continue
        boxes = max(2, -(-len(places) // count))
        widths = [(0, boxes * count - n if a == axis else 0) for a, n in enumerate(values.shape)]
        shape = (*values.shape[:axis], boxes, count, *values.shape[axis + 1 :])
        values = np.pad(values, widths).reshape(shape).mean(axis=axis + 1)
        found[axis] = places[0] + step * ((count - 1) / 2 + count * np.arange(boxes))
    first, second, third = found
    return values, (first, second, third)


def _interpolated(
    values: NDArray[np.float32], affine: NDArray[np.float64], grid: Prescription, step: float
) -> tuple[NDArray[np.float32], list[NDArray[np.float64]]]:
    from scipy.ndimage import affine_transform

    corners = np.stack(np.meshgrid(*[(0, n - 1) for n in values.shape], indexing="ij"), -1).reshape(-1, 3)
    places = (corners @ affine[:3, :3].T + affine[:3, 3] - grid.origin_lps_mm) @ grid.directions
    axes = [np.arange(a, b + step, step) for a, b in zip(places.min(axis=0), places.max(axis=0), strict=True)]
    inverse = np.linalg.inv(affine[:3, :3])
    first = grid.directions @ np.array([axis[0] for axis in axes]) + grid.origin_lps_mm
    result = affine_transform(
        values,
        inverse @ grid.directions * step,
        inverse @ (first - affine[:3, 3]),
        output_shape=tuple(len(axis) for axis in axes),
        order=1,
        output=np.float32,
    )
    return result, axes


def _trimmed(values: NDArray[np.float32], axes: list[NDArray[np.float64]]) -> tuple[NDArray[np.float32], Axes]:
    kept = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        used = np.flatnonzero(np.any(values != 0, axis=others))
        first, last = (int(used[0]), int(used[-1])) if used.size else (0, 0)
        last = max(last, first + 1)
        first -= int(last >= values.shape[axis])
        kept.append(slice(first, last + 1))
    first_axis, second_axis, third_axis = (axis[part] for axis, part in zip(axes, kept, strict=True))
    return np.ascontiguousarray(values[tuple(kept)]), (first_axis, second_axis, third_axis)


def _signal(settings: Settings, density: Any, t1: Any, t2: Any, t2_star: Any, b1: Any) -> NDArray[np.floating]:
    timing = {
        "repetition_time_ms": settings.repetition_time_ms,
        "echo_time_ms": settings.echo_time_ms,
        "flip_angle_deg": settings.flip_angle_deg,
    }
    if settings.sequence == "spoiled_gradient_echo":
        return signal.spoiled_gradient_echo(density, t1, t2_star, b1=b1, **timing)
    inversion = settings.inversion_time_ms if settings.sequence == "inversion_recovery" else None
    return signal.spin_echo(density, t1, t2, inversion_time_ms=inversion, b1=b1, **timing)
