"""How well each bin of a sinogram detects, from the crystals up: trues and randoms of crystal pairs.

    S = (1e-3 / 2π) · Σ ε_a ε_b A² cos⁴θ / (2R)²      [counts/s per Bq/ml · mm]
    r = 2τ Σ s_a s_b                                   [counts/s]

summed over the crystal pairs (a, b) of a bin. Two crystal faces of area A at the ends of a line that leans by θ see
each other with the étendue A² cos⁴θ/(2R)², whatever the line's distance from the axis; a positron's photon pair has
any of 2π directions; 1 Bq/ml is 1e-3 Bq/mm³. ε is the efficiency and s the singles rate of a crystal, 2τ the
coincidence window (two singles that differ by less than ± τ make a coincidence).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.kernels import parallel_kernel, prange
from pellucid.modalities.nuclear.sampling import SinogramSampling
from pellucid.modalities.nuclear.scanner import Scanner
from pellucid.modalities.nuclear.tracer import NUCLIDES

NEMA_LINE_MM = 700.0
"""Length of the line source of NEMA NU 2's sensitivity test."""


def mean_efficiency(scanner: Scanner) -> float:
    """Efficiency ε of a live crystal for one photon that makes the scanner's NEMA sensitivity what it is.

    The sensitivity of a line source on the axis is f ε² l² g: f positrons per F-18 decay, l the share of live
    addresses, g the mean share of directions in which both photons meet the detector of length H and radius R:
    g = 2 (√(H²/4 + R²) - R) / 700 mm.
    """
    radius, half = scanner.radius_mm, scanner.axial_field_of_view_mm / 2
    seen = 2 * (math.hypot(half, radius) - radius) / NEMA_LINE_MM
    live = float(scanner.live_crystals().mean())
    return math.sqrt(scanner.sensitivity_cps_per_kbq * 1e-3 / (NUCLIDES["F-18"].positron_fraction * seen)) / live


def crystal_efficiencies(scanner: Scanner, spread: float, generator: np.random.Generator) -> NDArray[np.float64]:
    """Efficiency of each crystal `[crystal, ring]`: the mean, times a normal variate of 1 ± `spread`; 0 in gaps."""
    factors = np.clip(generator.normal(1.0, spread, (scanner.crystals_per_ring, scanner.rings)), 0.1, None)
    return np.where(scanner.live_crystals(), mean_efficiency(scanner) * factors, 0.0)


def pair_sums(sampling: SinogramSampling, of_crystal: NDArray[np.float64]) -> NDArray[np.float32]:
    """Σ c_a c_b over the crystal pairs of every bin, c = `of_crystal` `[crystal, ring]`."""
    views, bins, planes = sampling.shape
    out = np.zeros((views * bins, planes), np.float32)
    pairs = sampling.crystal_pairs().reshape(views * bins, -1, 2)
    sum_pairs(pairs, sampling.diagonals(), np.ascontiguousarray(of_crystal, np.float32), out)
    return out.reshape(sampling.shape)


@parallel_kernel
def sum_pairs(
    pairs: NDArray[np.int32], diagonals: NDArray[np.int32], of_crystal: NDArray[Any], out: NDArray[Any]
) -> None:
    """Add c[a, r] · c[b, r + d] to the plane of (r, r + d), for the crystal pairs of each line.

    `diagonals[i]` = ring difference d, first ring r, rings, first plane, planes from ring to ring.
    """
    for line in prange(pairs.shape[0]):
        for pair in range(pairs.shape[1]):
            at_a, at_b = of_crystal[pairs[line, pair, 0]], of_crystal[pairs[line, pair, 1]]
            for i in range(diagonals.shape[0]):
                count, stride = diagonals[i, 2], diagonals[i, 4]
                ring_a = at_a[diagonals[i, 1] : diagonals[i, 1] + count]
                ring_b = at_b[diagonals[i, 1] + diagonals[i, 0] : diagonals[i, 1] + diagonals[i, 0] + count]
                plane = out[line, diagonals[i, 3] :]
                for ring in range(count):
                    plane[stride * ring] += ring_a[ring] * ring_b[ring]


def etendue_per_area2(sampling: SinogramSampling) -> NDArray[np.float64]:
    """cos⁴θ/(2R)² of every (radial bin, plane) [1/mm²]."""
    rise = sampling.plane_ring_difference * sampling.plane_pitch_mm
    tangent2 = (rise[None, :] / sampling.half_chords_mm[:, None]) ** 2
    return np.asarray(1.0 / (1.0 + tangent2) ** 2 / (2 * sampling.scanner.radius_mm) ** 2, np.float64)


def trues_sensitivity(sampling: SinogramSampling, efficiency: NDArray[np.float64]) -> NDArray[np.float32]:
    """S: counts per second for each Bq/ml · mm of positron activity along a bin's line, without attenuation."""
    scanner = sampling.scanner
    area = scanner.crystal_pitch_mm * scanner.ring_pitch_mm
    geometry = (1e-3 / (2 * math.pi) * area**2 * etendue_per_area2(sampling)).astype(np.float32)
    return pair_sums(sampling, efficiency) * geometry


def randoms_rate(sampling: SinogramSampling, singles_cps: NDArray[np.float64]) -> NDArray[np.float32]:
    """Random coincidences per second in every bin, from each crystal's singles rate `[crystal, ring]`."""
    window_s = np.float32(sampling.scanner.coincidence_window_ns * 1e-9)
    return pair_sums(sampling, singles_cps) * window_s
