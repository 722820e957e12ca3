"""Receive coils: sensitivities of circular loops around the patient by the Biot-Savart law."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, pi

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid.kernels import parallel_kernel, prange
from pellucid.modalities.mr.encoding import on_both_axes

_SEGMENTS = 48
"""Straight segments per loop: the field on the axis is then within 0.3 % of the circle's closed form."""

_GRID_MM = 6.0
"""Sensitivities are computed on this grid and interpolated by cubic splines (error < 1e-3 at 20 mm from a loop)."""


@dataclass(frozen=True)
class CoilArray:
    """Circular loops: `centres_lps_mm` and unit `normals`, both `[coil, 3]`, and one `radius_mm`."""

    centres_lps_mm: NDArray[np.float64]
    normals: NDArray[np.float64]
    radius_mm: float

    @property
    def count(self) -> int:
        """Number of loops."""
        return len(self.centres_lps_mm)

    def field(self, points_lps_mm: ArrayLike) -> NDArray[np.float64]:
        """Magnetic field of unit current in each loop, in µ0 / mm, `[coil, …, 3]` at points `[…, 3]`.

        B(r) = 1/4π ∮ dl × (r − l) / |r − l|³ (Biot-Savart), each loop as a polygon of equal area's radius.
        """
        points = np.ascontiguousarray(points_lps_mm, float)
        flat = points.reshape(-1, 3)
        out = np.empty((self.count, len(flat), 3))
        for coil in range(self.count):
            corners = self._corners(coil)
            middle = (corners + np.roll(corners, -1, axis=0)) / 2
            _biot_savart(flat, middle, np.roll(corners, -1, axis=0) - corners, out[coil])
        return out.reshape(self.count, *points.shape[:-1], 3) / (4 * pi)

    def sensitivity(self, points_lps_mm: ArrayLike) -> NDArray[np.complex128]:
        """Receive sensitivity `[coil, …]` by reciprocity: Bx − i By, with B0 along z.

        Hoult and Richards 1976, doi:10.1016/0022-2364(76)90233-X.
        """
        field = self.field(points_lps_mm)
        result: NDArray[np.complex128] = field[..., 0] - 1j * field[..., 1]
        return result

    def noise_covariance(self) -> NDArray[np.complex128]:
        """Plausible noise covariance `[coil, coil]`: unit variance, neighbours correlated by the shared conductor.

        ψ_ij = 0.7 δ_ij + 0.3 exp(−|c_i − c_j|² / 2R²) with a phase per coil: positive definite by construction.
        """
        distance = np.linalg.norm(self.centres_lps_mm[:, None] - self.centres_lps_mm[None], axis=-1)
        coupled = 0.7 * np.eye(self.count) + 0.3 * np.exp(-(distance**2) / (2 * self.radius_mm**2))
        phase = np.exp(1j * np.arctan2(self.normals[:, 1], self.normals[:, 0]))
        result: NDArray[np.complex128] = coupled * np.outer(phase, phase.conj())
        return result

    def _corners(self, coil: int) -> NDArray[np.float64]:
        normal = self.normals[coil]
        helper = np.eye(3)[int(np.argmin(np.abs(normal)))]
        first = np.cross(normal, helper)
        first /= np.linalg.norm(first)
        second = np.cross(normal, first)
        angle = 2 * pi * np.arange(_SEGMENTS) / _SEGMENTS
        # Polygon with the circle's area, so that the far field (the dipole moment) is the circle's.
        radius = self.radius_mm * np.sqrt(2 * pi / _SEGMENTS / np.sin(2 * pi / _SEGMENTS))
        corners: NDArray[np.float64] = self.centres_lps_mm[coil] + radius * (
            np.cos(angle)[:, None] * first + np.sin(angle)[:, None] * second
        )
        return corners


@parallel_kernel
def _biot_savart(
    points: NDArray[np.float64], middle: NDArray[np.float64], step: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    for i in prange(points.shape[0]):
        bx = by = bz = 0.0
        for j in range(middle.shape[0]):
            rx, ry, rz = points[i, 0] - middle[j, 0], points[i, 1] - middle[j, 1], points[i, 2] - middle[j, 2]
            weight = (rx * rx + ry * ry + rz * rz) ** -1.5
            bx += weight * (step[j, 1] * rz - step[j, 2] * ry)
            by += weight * (step[j, 2] * rx - step[j, 0] * rz)
            bz += weight * (step[j, 0] * ry - step[j, 1] * rx)
        out[i, 0], out[i, 1], out[i, 2] = bx, by, bz


def around(centre_lps_mm: ArrayLike, half_lengths_mm: ArrayLike, count: int) -> CoilArray:
    """`count` loops on an elliptic cylinder 25 mm outside a box (half lengths along x, y, z).

    From 8 loops on they stand in two rings, the second turned by half a step; their radius lets neighbours
    overlap by about a fifth, as decoupled arrays do.
    """
    centre, half = np.asarray(centre_lps_mm, float), np.asarray(half_lengths_mm, float)
    rings = 1 if count < 8 else 2
    per_ring = ceil(count / rings)
    a, b = half[0] + 25.0, half[1] + 25.0
    around_mm = pi * (3 * (a + b) - np.sqrt((3 * a + b) * (a + 3 * b)))
    radius = 0.6 * around_mm / per_ring
    centres, normals = [], []
    for coil in range(count):
        ring, place = divmod(coil, per_ring)
        angle = 2 * pi * (place + 0.5 * ring) / per_ring
        outward = np.array([np.cos(angle) / a, np.sin(angle) / b, 0.0])
        height = 0.0 if rings == 1 else (ring - 0.5) * half[2]
        centres.append(centre + np.array([a * np.cos(angle), b * np.sin(angle), height]))
        normals.append(outward / np.linalg.norm(outward))
    return CoilArray(np.array(centres), np.array(normals), float(radius))


class SensitivityPlanes:
    """Coil sensitivities on the planes of a grid, one plane at a time.

    Scaled to a root sum of squares of 1 at `reference_lps_mm`. `axes_mm`: coordinates of the grid along its three
    axes; `directions`: unit vectors of these axes in LPS as columns; `origin_lps_mm`: where the coordinates are 0.
    """

    def __init__(
        self,
        coils: CoilArray,
        axes_mm: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
        directions: NDArray[np.float64],
        origin_lps_mm: NDArray[np.float64],
        reference_lps_mm: ArrayLike,
    ) -> None:
        coarse = [np.linspace(a.min(), a.max() + 1e-6, max(4, ceil(np.ptp(a) / _GRID_MM) + 1)) for a in axes_mm]
        grid = np.stack(np.meshgrid(*coarse, indexing="ij"), axis=-1) @ directions.T + origin_lps_mm
        norm = float(np.linalg.norm(coils.sensitivity(reference_lps_mm)))
        self._coarse = (coils.sensitivity(grid) / norm).astype(np.complex64)
        self._weights = [_spline_weights(c, a) for c, a in zip(coarse, axes_mm, strict=True)]

    def plane(self, index: int) -> NDArray[np.complex64]:
        """Sensitivities `[coil, row, column]` on the plane `index` of the first axis."""
        first, second, third = self._weights
        coarse = np.tensordot(first[index], self._coarse, axes=(0, 1))
        return on_both_axes(second, third, coarse)


def _spline_weights(nodes: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.complex64]:
    """The matrix of cubic spline interpolation from values at `nodes` to values at `points`."""
    from scipy.interpolate import make_interp_spline

    spline = make_interp_spline(nodes, np.eye(len(nodes)), k=3)
    weights: NDArray[np.complex64] = np.asarray(spline(points)).astype(np.complex64)
    return weights
