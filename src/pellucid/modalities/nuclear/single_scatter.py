"""Scatter of one photon of a pair, and singles, by sampling points of the object and crystals of the scanner.

The rate of pairs in crystals A and B of which one photon scattered once, at S, relative to the étendue and
efficiency of the unscattered pair (A, B), is expressed as the activity along the line that would give as many trues:

    h_AB = Σ_S V_S μ_S cos α_A cos α_B / (R_AS² R_BS² g_AB) · p(θ_S) w(E') · [ e^(-M_AS - m M_BS) L_AS
                                                                          + e^(-M_BS - m M_AS) L_BS ]

V_S, μ_S: volume and attenuation around S; R, α: distance to a crystal and angle to its normal; p: Klein-Nishina
share per steradian; w: energy window's share; L, M: line integrals of activity and attenuation from S; m: ratio of
Compton cross sections at E' and 511 keV; g_AB = cos⁴θ/(2R)². Watson, IEEE Trans Nucl Sci 2000, doi
10.1109/23.872947. h is smooth: it is computed for few crystals and interpolated. Photons that scatter twice or
outside the attenuation map are not modelled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.kernels import inline_kernel, parallel_kernel, prange
from pellucid.modalities.nuclear.compton import directional_share, scattered_fraction, total_cross_section, window_share
from pellucid.modalities.nuclear.projectors import Grid, LineProjector
from pellucid.modalities.nuclear.sampling import SinogramSampling
from pellucid.modalities.nuclear.scanner import Scanner

LEAST_MU_PER_CM = 0.01
"""Least mean attenuation [1/cm] of a cell that gets a scatter point."""
_COSINES = 2048
"""Entries of the tables over the scattering angle."""


@dataclass(frozen=True)
class ScatterSampling:
    """How finely scatter is sampled: cells of the object [mm], crystals around the ring and along the axis."""

    cell_mm: float = 18.0
    crystals: int = 40
    rings: int = 9


@dataclass(frozen=True, eq=False)
class CoarseObject:
    """Cells of the object seen by few crystals.

    `volume_mm3`, `mu_per_mm`, `activity_bq_per_ml`: of each cell; `points_mm`, `crystals_mm`: `[n, (x, y, z)]`;
    `activity_integral` [Bq/ml mm], `attenuation_integral` [1]: `[point, crystal]` from a point to a crystal;
    crystals are ordered angle by angle, rings innermost.
    """

    points_mm: NDArray[np.float64]
    crystals_mm: NDArray[np.float64]
    volume_mm3: float
    mu_per_mm: NDArray[np.float64]
    activity_bq_per_ml: NDArray[np.float64]
    activity_integral: NDArray[np.float32]
    attenuation_integral: NDArray[np.float32]


def coarse_crystals(scanner: Scanner, sampling: ScatterSampling) -> NDArray[np.float64]:
    """Positions of `sampling.crystals` × `sampling.rings` crystals, evenly over the detector `[n, (x, y, z)]`."""
    angle = coarse_angles(scanner, sampling)
    z = coarse_z(scanner, sampling)
    around = scanner.radius_mm * np.stack([np.sin(angle), -np.cos(angle)], axis=-1)
    return np.concatenate([np.repeat(around, z.size, axis=0), np.tile(z, angle.size)[:, None]], axis=1)


def coarse_angles(scanner: Scanner, sampling: ScatterSampling) -> NDArray[np.float64]:
    """Angles ψ of the few crystals of a ring."""
    turn = np.arange(sampling.crystals) / sampling.crystals
    return np.asarray(2 * np.pi * turn + math.radians(scanner.view_offset_deg), np.float64)


def coarse_z(scanner: Scanner, sampling: ScatterSampling) -> NDArray[np.float64]:
    """Axial positions of the few rings: from the first ring to the last."""
    ends = scanner.ring_z_mm()[[0, -1]]
    return np.linspace(ends[0], ends[1], sampling.rings) if sampling.rings > 1 else np.zeros(1)


def observe(
    activity: NDArray[np.float32],
    mu_per_mm: NDArray[np.float32],
    grid: Grid,
    scanner: Scanner,
    sampling: ScatterSampling,
) -> CoarseObject:
    """Cells of the object and their line integrals to the few crystals, from images on one `grid`."""
    factors = [max(1, round(sampling.cell_mm / spacing)) for spacing in grid.spacing_mm]
    coarse_mu, points = _cells(mu_per_mm, grid, factors)
    coarse_activity, _ = _cells(activity, grid, factors)
    kept = (coarse_mu > LEAST_MU_PER_CM / 10) | (coarse_activity > 0)
    points = points[kept]
    crystals = coarse_crystals(scanner, sampling)
    ends = np.empty((len(points), len(crystals), 2, 3))
    ends[:, :, 0], ends[:, :, 1] = points[:, None], crystals[None, :]
    project = LineProjector(ends.reshape(-1, 2, 3), grid)
    return CoarseObject(
        points_mm=points,
        crystals_mm=crystals,
        volume_mm3=float(np.prod(factors) * np.prod(grid.spacing_mm)),
        mu_per_mm=coarse_mu[kept],
        activity_bq_per_ml=coarse_activity[kept],
        activity_integral=project(activity).reshape(ends.shape[:2]),
        attenuation_integral=project(mu_per_mm).reshape(ends.shape[:2]),
    )


def _cells(image: NDArray[Any], grid: Grid, factors: list[int]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of the image in cells of whole voxels, and the cells' centres `[n, (x, y, z)]`."""
    padded = np.pad(image, [(0, -count % factor) for count, factor in zip(image.shape, factors, strict=True)])
    shape = [part for count, factor in zip(padded.shape, factors, strict=True) for part in (count // factor, factor)]
    means = padded.reshape(shape).mean(axis=(1, 3, 5), dtype=np.float64)
    axes = [
        first + spacing * (factor * (np.arange(count) + 0.5) - 0.5)
        for first, spacing, factor, count in zip(grid.first_mm, grid.spacing_mm, factors, means.shape, strict=True)
    ]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return means.ravel(), np.stack([x, y, z], axis=-1).reshape(-1, 3)


def equivalent_activity(
    seen: CoarseObject, sinogram: SinogramSampling, sampling: ScatterSampling
) -> NDArray[np.float32]:
    """Scatter of every bin as h [Bq/ml mm]: times sensitivity and duration it is the expected single scatter."""
    scanner = sinogram.scanner
    cosine = np.linspace(-1.0, 1.0, _COSINES)
    fraction = scattered_fraction(cosine)
    weight = directional_share(cosine) * window_share(scanner, fraction)
    ratio = total_cross_section(fraction) / total_cross_section(1.0)
    count = sampling.crystals * sampling.rings
    rates = np.zeros((count, count), np.float64)
    needed = _needed_pairs(seen.crystals_mm, sinogram, sampling)
    add_scatter(
        seen.points_mm,
        seen.crystals_mm,
        seen.mu_per_mm * seen.volume_mm3,
        seen.activity_integral,
        seen.attenuation_integral,
        weight,
        ratio,
        scanner.radius_mm,
        needed,
        rates,
    )
    rates += rates.T
    shape = (sampling.crystals, sampling.rings, sampling.crystals, sampling.rings)
    return _at_bins(rates.reshape(shape).astype(np.float32), sinogram, sampling)


def _needed_pairs(
    crystals: NDArray[np.float64], sinogram: SinogramSampling, sampling: ScatterSampling
) -> NDArray[np.bool_]:
    """Which pairs of the few crystals the bins lie between, in angle and along the axis."""
    scanner = sinogram.scanner
    widest = 2 * np.arcsin(np.abs(sinogram.offsets_mm).max() / scanner.radius_mm) + 4 * np.pi / sampling.crystals
    pitch = float(np.ptp(crystals[:, 2])) / max(sampling.rings - 1, 1)
    steepest = 2 * float(np.abs(sinogram.plane_ring_difference).max()) * sinogram.plane_pitch_mm + 2 * pitch
    cosine = crystals[:, :2] @ crystals[:, :2].T / scanner.radius_mm**2
    opposite = np.arccos(np.clip(-cosine, -1, 1)) <= widest
    return np.asarray(opposite & (np.abs(crystals[:, None, 2] - crystals[None, :, 2]) <= steepest), np.bool_)


@parallel_kernel
def add_scatter(
    points: NDArray[np.float64],
    crystals: NDArray[np.float64],
    electrons: NDArray[np.float64],
    activity: NDArray[np.float32],
    attenuation: NDArray[np.float32],
    weight: NDArray[np.float64],
    ratio: NDArray[np.float64],
    radius: float,
    needed: NDArray[np.bool_],
    rates: NDArray[np.float64],
) -> None:
    """The sum over scatter points of pairs in which the photon to A (row) is the one that did not scatter."""
    last = weight.size - 1
    for a in prange(crystals.shape[0]):
        for s in range(points.shape[0]):
            ax, ay, az = crystals[a, 0] - points[s, 0], crystals[a, 1] - points[s, 1], crystals[a, 2] - points[s, 2]
            a2 = ax * ax + ay * ay + az * az
            facing_a = (ax * crystals[a, 0] + ay * crystals[a, 1]) / (radius * math.sqrt(a2))
            start = electrons[s] * activity[s, a] * math.exp(-attenuation[s, a]) * facing_a / a2
            if start > 0.0:
                for b in range(crystals.shape[0]):
                    if not needed[a, b]:
                        continue
                    bx, by = crystals[b, 0] - points[s, 0], crystals[b, 1] - points[s, 1]
                    bz = crystals[b, 2] - points[s, 2]
                    b2 = bx * bx + by * by + bz * bz
                    # The photon that leaves A's direction and turns to B: straight on is away from A.
                    turn = -(ax * bx + ay * by + az * bz) / math.sqrt(a2 * b2)
                    entry = int((turn + 1.0) * 0.5 * last + 0.5)
                    facing_b = (bx * crystals[b, 0] + by * crystals[b, 1]) / (radius * math.sqrt(b2))
                    rates[a, b] += start * weight[entry] * math.exp(-ratio[entry] * attenuation[s, b]) * facing_b / b2


def _at_bins(rates: NDArray[np.float32], sinogram: SinogramSampling, sampling: ScatterSampling) -> NDArray[np.float32]:
    """Rates of the few crystal pairs, interpolated at the ends of every bin and related to g of its line."""
    scanner = sinogram.scanner
    lean = np.arcsin(sinogram.offsets_mm / scanner.radius_mm)
    per_turn = sampling.crystals / (2 * np.pi)
    first = math.radians(scanner.view_offset_deg)
    at_a = (sinogram.angles_rad + lean - first) * per_turn
    at_b = (sinogram.angles_rad - lean + np.pi - first) * per_turn
    z = coarse_z(scanner, sampling)
    pitch = float(z[1] - z[0]) if z.size > 1 else 1.0
    rise = sinogram.plane_ring_difference * sinogram.plane_pitch_mm
    at_z = np.stack([sinogram.plane_z_mm - rise, sinogram.plane_z_mm + rise], axis=1)
    at_z = np.clip((at_z - z[0]) / pitch, 0, max(z.size - 1, 0))
    out = np.empty(sinogram.shape, np.float32)
    tangent = (rise[None, :] / sinogram.half_chords_mm[:, None]) ** 2
    inverse_g = ((1 + tangent) ** 2 * (2 * scanner.radius_mm) ** 2).astype(np.float32)
    interpolate_pairs(rates, at_a, at_b, at_z, inverse_g, out)
    return out


@inline_kernel
def _around(position: float, count: int) -> tuple[int, int, float]:
    """The crystals on either side on a ring of `count`, and how far from the first."""
    whole = math.floor(position)
    return whole % count, (whole + 1) % count, position - whole


@parallel_kernel
def interpolate_pairs(
    rates: NDArray[np.float32],
    at_a: NDArray[np.float64],
    at_b: NDArray[np.float64],
    at_z: NDArray[np.float64],
    scale: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """`rates[a, ring a, b, ring b]`, linear in all four, times `scale[radial, plane]`."""
    count, rings = rates.shape[0], rates.shape[1]
    for view in prange(out.shape[0]):
        both = np.empty((rings, rings), np.float32)
        for radial in range(out.shape[1]):
            a0, a1, a = _around(at_a[view, radial], count)
            b0, b1, b = _around(at_b[view, radial], count)
            for p in range(rings):
                for q in range(rings):
                    near = (1 - b) * rates[a0, p, b0, q] + b * rates[a0, p, b1, q]
                    far = (1 - b) * rates[a1, p, b0, q] + b * rates[a1, p, b1, q]
                    both[p, q] = (1 - a) * near + a * far
            for plane in range(out.shape[2]):
                p0, q0 = int(at_z[plane, 0]), int(at_z[plane, 1])
                p, q = at_z[plane, 0] - p0, at_z[plane, 1] - q0
                p1, q1 = min(p0 + 1, rings - 1), min(q0 + 1, rings - 1)
                near = (1 - q) * both[p0, q0] + q * both[p0, q1]
                far = (1 - q) * both[p1, q0] + q * both[p1, q1]
                out[view, radial, plane] = ((1 - p) * near + p * far) * scale[radial, plane]


def singles_rate(
    seen: CoarseObject, scanner: Scanner, sampling: ScatterSampling, efficiency: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Singles per second of each crystal `[crystal, ring]` for 1 positron per decay, from unscattered photons.

    s = ε A Σ 2 λV cos α e^(-M)/(4π R²), computed for few crystals and interpolated.
    """
    offset = seen.crystals_mm[None] - seen.points_mm[:, None]
    distance2 = (offset**2).sum(axis=-1)
    facing = np.einsum("psc,sc->ps", offset[..., :2], seen.crystals_mm[:, :2]) / scanner.radius_mm
    emitted = 2 * seen.activity_bq_per_ml * seen.volume_mm3 * 1e-3 / (4 * np.pi)
    flux = (emitted[:, None] * facing / distance2**1.5 * np.exp(-seen.attenuation_integral)).sum(axis=0)
    few = flux.reshape(sampling.crystals, sampling.rings)
    per_turn = sampling.crystals / scanner.crystals_per_ring
    position = np.arange(scanner.crystals_per_ring) * per_turn
    around = np.stack([np.interp(position, np.arange(sampling.crystals + 1), np.r_[row, row[0]]) for row in few.T])
    z = coarse_z(scanner, sampling)
    rates = np.stack([np.interp(scanner.ring_z_mm(), z, column) for column in around.T])
    area = scanner.crystal_pitch_mm * scanner.ring_pitch_mm
    return np.asarray(efficiency * area * rates, np.float64)
