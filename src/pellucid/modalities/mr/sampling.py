"""Which parts of k-space to acquire: masks over phase-encoding lines, and radial trajectories."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.kernels import kernel

GOLDEN_ANGLE_DEG = 180.0 * (np.sqrt(5.0) - 1.0) / 2.0
"""111.246°: successive spokes always fall into the largest gap (Winkelmann 2007, doi:10.1109/TMI.2006.885337)."""

Shape = tuple[int, int]
Mask = NDArray[np.bool_]


def full(shape: Shape) -> Mask:
    """Every line."""
    return np.ones(shape, dtype=np.bool_)


def regular(shape: Shape, acceleration: Shape, calibration: int) -> Mask:
    """Every `acceleration`-th line along each axis, the centre included, and a centred calibration block."""
    mask = np.zeros(shape, dtype=np.bool_)
    first, second = (n // 2 % a for n, a in zip(shape, acceleration, strict=True))
    mask[first :: acceleration[0], second :: acceleration[1]] = True
    return mask | centre(shape, calibration)


def centre(shape: Shape, width: int) -> Mask:
    """A block of up to `width` lines along each axis around k = 0."""
    mask = np.zeros(shape, dtype=np.bool_)
    block = tuple(slice(max(0, n // 2 - width // 2), n // 2 - width // 2 + width) for n in shape)
    if width > 0:
        mask[block] = True
    return mask


def poisson_disc(
    shape: Shape, acceleration: float, calibration: int, *, density_slope: float = 3.0, seed: int = 0
) -> Mask:
    """Variable-density Poisson-disc sampling of an elliptic region with a calibration block.

    No two samples are closer than r(k) = r₀ (1 + slope · |k| / k_max), |k| relative to the edge of the grid;
    r₀ is found so that one in `acceleration` points of the grid is taken. Points are tried in a seeded random
    order until none can be added (maximal random sequential packing). Bridson 2007, doi:10.1145/1278780.1278807;
    for compressed sensing: Lustig 2007, doi:10.1002/mrm.21391.

    Raises `InvalidInputError` where the acceleration cannot be reached with this calibration block.
    """
    block = centre(shape, calibration)
    wanted = _wanted(block, acceleration, calibration)
    radius = _normalised_radius(shape)
    inside = (radius <= 1.0) | block
    if int(inside.sum()) <= wanted:
        return inside
    generator = np.random.default_rng(seed)
    order = generator.permutation(np.flatnonzero(inside & ~block))
    relative = (1 + density_slope * np.minimum(radius, 1)).astype(np.float32)
    low, high = 0.0, float(max(shape))
    for _ in range(24):
        middle = (low + high) / 2
        count = int(_packed(order, relative * np.float32(middle), block).sum())
        low, high = (middle, high) if count > wanted else (low, middle)
    result = _packed(order, relative * np.float32(high), block)
    # The packing's size jumps with r₀: the last points are added at random so that the number is exact.
    missing = wanted - int(result.sum())
    spare = order[~result.ravel()[order]][: max(0, missing)]
    result.ravel()[spare] = True
    return result


def variable_density_lines(lines: int, acceleration: float, calibration: int, *, seed: int = 0) -> Mask:
    """One phase-encoding direction: random lines, denser towards the centre, with a calibration block.

    The probability falls with (1 − |k| / k_max)², as in Lustig 2007, doi:10.1002/mrm.21391. Raises
    `InvalidInputError` where the acceleration cannot be reached with this calibration block.
    """
    chosen: Mask = centre((1, lines), calibration)[0]
    missing = _wanted(chosen, acceleration, calibration) - int(chosen.sum())
    if missing > 0:
        weight = np.where(chosen, 0.0, (1.02 - np.abs(np.arange(lines) - lines // 2) / (lines / 2)) ** 2)
        generator = np.random.default_rng(seed)
        chosen[generator.choice(lines, missing, replace=False, p=weight / weight.sum())] = True
    return chosen


def _wanted(block: Mask, acceleration: float, calibration: int) -> int:
    """Samples that make this acceleration; the calibration `block` must be among them."""
    wanted, least = round(block.size / acceleration), int(block.sum())
    if acceleration < 1 or least > wanted:
        raise InvalidInputError(
            f"is {acceleration}; expected 1 to {block.size / max(1, least):.2f} of {block.size} lines with a "
            f"calibration block of {calibration}. Fewer calibration_lines?",
            field="acceleration_phase",
        )
    return wanted


def partial_fourier(mask: Mask, fraction: float, axis: int) -> Mask:
    """`mask` without the lines before the first (1 − `fraction`) of `axis`; raises unless 0.5 < fraction <= 1."""
    if not 0.5 < fraction <= 1:
        raise InvalidInputError(f"is {fraction}; expected a fraction above 0.5 and up to 1", field="partial_fourier")
    kept = mask.copy()
    skipped = round((1 - fraction) * mask.shape[axis])
    np.moveaxis(kept, axis, 0)[:skipped] = False
    return kept


def golden_angle_radial(spokes: int, samples: int, spacing_per_m: float) -> NDArray[np.float32]:
    """Radial trajectory `[spoke, sample, 3]` in the (row, column) plane, cycles per metre.

    Spoke i makes the angle i · 111.246° with the column axis; sample j is at (j − samples // 2) · spacing.
    """
    angle = np.deg2rad(GOLDEN_ANGLE_DEG) * np.arange(spokes)
    radius = (np.arange(samples) - samples // 2) * spacing_per_m
    trajectory = np.zeros((spokes, samples, 3), np.float32)
    trajectory[..., 1] = np.sin(angle)[:, None] * radius
    trajectory[..., 2] = np.cos(angle)[:, None] * radius
    return trajectory


def _normalised_radius(shape: Shape) -> NDArray[np.float32]:
    """Distance from k = 0 with each axis's edge at 1 (an axis of one line is at 0)."""
    axes = [(np.arange(n) - n // 2) / max(n / 2, 1) for n in shape]
    radius: NDArray[np.float32] = np.hypot(axes[0][:, None], axes[1][None]).astype(np.float32)
    return radius


@kernel
def _packed(order: NDArray[np.int64], spacing: NDArray[np.float32], block: Mask) -> Mask:
    """Accept points in `order` unless an accepted one (outside the block) is nearer than `spacing` there."""
    taken = block.copy()
    rows, columns = block.shape
    for n in range(order.size):
        row, column = order[n] // columns, order[n] % columns
        distance = spacing[row, column]
        reach = int(np.ceil(distance))
        free = True
        for i in range(max(0, row - reach), min(rows, row + reach + 1)):
            for j in range(max(0, column - reach), min(columns, column + reach + 1)):
                near = (i - row) ** 2 + (j - column) ** 2 < distance * distance
                if near and taken[i, j] and not block[i, j]:
                    free = False
                    break
            if not free:
                break
        if free:
            taken[row, column] = True
    return taken
