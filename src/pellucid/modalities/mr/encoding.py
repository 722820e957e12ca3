"""The continuous Fourier transform of an object made of boxes: k-space without a discrete-grid short cut.

An object that is constant in boxes of size d centred at x_j has along each axis

    S(k) = d sinc(k d) Σ_j o_j exp(−2πi k x_j)

exactly, at any k. Box grid and reconstruction grid are unrelated, so reconstructions meet truncation (Gibbs ringing),
partial volume and, where lines are missing, aliasing, as on a scanner.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex64]


def cartesian_axis(positions_mm: NDArray[np.float64], box_mm: float, fov_mm: float, samples: int) -> Complex:
    """The matrix `[sample, position]` of one axis: k = (j − samples // 2) / fov.

    Scaled by 1 / (voxel √samples), so that the unitary inverse transform gives averages over a voxel.
    """
    k = (np.arange(samples) - samples // 2) / fov_mm
    scale = box_mm * np.sinc(k * box_mm) / (fov_mm / samples * np.sqrt(samples))
    matrix: Complex = (scale[:, None] * np.exp(-2j * np.pi * np.outer(k, positions_mm))).astype(np.complex64)
    return matrix


def on_both_axes(rows: Complex, columns: Complex, images: Complex) -> Complex:
    """Make `rows` · image · `columns`ᵀ of every coil's image `[coil, row, column]`: two large products."""
    coils, height, width = images.shape
    half = images.reshape(-1, width) @ columns.T
    side_by_side = half.reshape(coils, height, -1).transpose(1, 0, 2).reshape(height, -1)
    whole = (rows @ side_by_side).reshape(len(rows), coils, -1)
    result: Complex = whole.transpose(1, 0, 2)
    return result


def slice_weights(
    positions_mm: NDArray[np.float64], box_mm: float, centres_mm: NDArray[np.float64], thickness_mm: float
) -> NDArray[np.float32]:
    """Share of each box plane in each slice `[slice, plane]`: a slice profile with soft edges.

    The profile is a rectangle of the thickness smoothed by a Fermi edge of a twentieth of it; its weights sum to 1
    for a slice inside the object.
    """
    distance = np.abs(positions_mm[None] - centres_mm[:, None])
    edge = max(thickness_mm / 20, box_mm / 20)
    profile = 1 / (1 + np.exp(np.clip((distance - thickness_mm / 2) / edge, -60, 60)))
    # Normalise by the same sum over an endless row of boxes.
    endless = positions_mm[0] + box_mm * np.arange(-2000, 2000)
    for row, centre in zip(profile, centres_mm, strict=True):
        near = endless[np.abs(endless - centre) < thickness_mm + 12 * edge]
        row /= np.sum(1 / (1 + np.exp(np.clip((np.abs(near - centre) - thickness_mm / 2) / edge, -60, 60))))
    return profile.astype(np.float32)


def trajectory_points(
    trajectory: NDArray[np.float32],
    rows_mm: NDArray[np.float64],
    columns_mm: NDArray[np.float64],
    voxel_mm: float,
    image_voxels: int,
) -> tuple[NDArray[np.float64], Complex]:
    """In-plane coordinates for `NonUniformFourier` and the factors that make its sums the boxes' transform.

    Coordinates `[line, readout, 2]` are cycles per box; factors `[line, readout]` hold the boxes' sinc, the phase of
    the grid's centre box relative to coordinate 0 and the scale of `cartesian_axis` over `image_voxels` voxels.
    """
    boxes = [float(axis[1] - axis[0]) for axis in (rows_mm, columns_mm)]
    k = trajectory[..., 1:].astype(np.float64) * 1e-3
    factor = np.ones(k.shape[:-1], np.complex128)
    for axis, (positions, box) in enumerate(zip((rows_mm, columns_mm), boxes, strict=True)):
        along = k[..., axis]
        factor *= box * np.sinc(along * box) * np.exp(-2j * np.pi * along * positions[len(positions) // 2])
    # `NonUniformFourier` divides by the root of its number of boxes.
    factor *= np.sqrt(len(rows_mm) * len(columns_mm)) / (voxel_mm**2 * np.sqrt(image_voxels))
    return k * np.array(boxes), factor.astype(np.complex64)
