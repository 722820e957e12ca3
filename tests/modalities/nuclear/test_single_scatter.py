"""Compton scattering, randoms, sensitivity against closed forms; scatter against a Monte Carlo is in validation."""

import numpy as np
import pytest
from scipy.integrate import quad

from pellucid.modalities.nuclear import single_scatter as scattering
from pellucid.modalities.nuclear.compton import directional_share, scattered_fraction, total_cross_section, window_share
from pellucid.modalities.nuclear.detection import (
    mean_efficiency,
    pair_sums,
    randoms_rate,
    trues_sensitivity,
)
from pellucid.modalities.nuclear.projectors import Grid, SinogramProjector
from pellucid.modalities.nuclear.sampling import sampling_of
from pellucid.modalities.nuclear.scanner import BIOGRAPH_MMR, DISCOVERY_MI, Scanner
from validation.nuclear.monte_carlo import SCANNER, total


def test_cross_sections():
    assert total_cross_section([0.4, 1.0]) == pytest.approx([total(0.4), total(1.0)], rel=1e-9)
    # 0.2866 barn per electron at 511 keV, r_e² = 0.079408 barn.
    assert total_cross_section(1.0) * 0.0794079 == pytest.approx(0.2866, rel=1e-3)
    share, _ = quad(lambda c: 2 * np.pi * directional_share(c), -1, 1)
    assert share == pytest.approx(1.0, rel=1e-9)
    assert scattered_fraction([1.0, 0.0, -1.0]) == pytest.approx([1, 1 / 2, 1 / 3])
    assert window_share(SCANNER, np.array([1.0])) == pytest.approx(1.0)
    assert window_share(SCANNER, np.array([425 / 511]))[0] == pytest.approx(0.5, abs=0.02)
    assert window_share(SCANNER, np.array([0.5]))[0] < 1e-3


def test_sensitivity_of_a_line_source_is_the_published_one():
    for scanner in (BIOGRAPH_MMR, DISCOVERY_MI):
        sampling = sampling_of(
            scanner, span=11 if scanner is BIOGRAPH_MMR else 2, max_ring_difference=scanner.rings - 4, view_mashing=4,
            radial_bins=25,
        )  # fmt: skip
        # A Gaussian rod on the axis, 1 Bq/mm, all along the detector; 9 mm wide so that it averages over gaps.
        grid = Grid((2 * scanner.rings - 1, 21, 21), (sampling.plane_pitch_mm, 2.0, 2.0))
        offset = (np.arange(21) - 10) * 2.0
        rod = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 4.0**2))
        rod *= 1000 / (rod.sum() * 4.0)  # Bq/ml
        image = np.broadcast_to(rod, grid.shape).astype(np.float32)
        efficiency = np.where(scanner.live_crystals(), mean_efficiency(scanner), 0.0)
        counts = (trues_sensitivity(sampling, efficiency) * SinogramProjector(sampling, grid)(image)).sum(dtype=float)
        # Of 700 mm with 1 Bq each; 0.9686 positrons per decay. All but the steepest ring differences are summed,
        # and gaps face each other on the axis.
        assert counts * 0.9686 / 700 * 1000 == pytest.approx(scanner.sensitivity_cps_per_kbq, rel=0.06)


def test_random_rate_of_equal_singles():
    sampling = sampling_of(SCANNER, span=3, max_ring_difference=4, radial_bins=70, view_mashing=10, radial_mashing=2)
    rates = randoms_rate(sampling, np.full((200, 40), 1000.0))
    pairs = 100 * 140 * sum(40 - abs(d) for d in range(-4, 5))
    assert rates.sum(dtype=float) == pytest.approx(5e-9 * 1000.0**2 * pairs, rel=1e-5)


def test_pair_sums_by_hand():
    small = Scanner(
        name="small", rings=3, crystals_per_ring=8, ring_pitch_mm=4.0, inner_radius_mm=20.0, interaction_depth_mm=0.0,
        radial_bins=4,
    )  # fmt: skip
    sampling = sampling_of(small, span=3, max_ring_difference=1, view_mashing=2)
    values = np.random.default_rng(0).uniform(0.5, 2, (8, 3))
    expected = np.zeros(sampling.shape)
    pairs = sampling.crystal_pairs()
    for view, radial in np.ndindex(sampling.shape[:2]):
        for a, b in pairs[view, radial]:
            for ring_a in range(3):
                for ring_b in range(3):
                    if abs(ring_b - ring_a) <= 1:
                        expected[view, radial, ring_a + ring_b] += values[a, ring_a] * values[b, ring_b]
    assert np.allclose(pair_sums(sampling, values), expected)


def test_singles_of_a_source_in_air_fill_the_solid_angle():
    grid = Grid((5, 5, 5), (4.0, 4.0, 4.0))
    activity = np.zeros(grid.shape, np.float32)
    activity[2, 2, 2] = 1e6
    coarse = scattering.ScatterSampling(cell_mm=4.0, crystals=40, rings=40)
    seen = scattering.observe(activity, np.zeros(grid.shape, np.float32), grid, SCANNER, coarse)
    singles = scattering.singles_rate(seen, SCANNER, coarse, np.ones((200, 40)))
    decays = 1e6 * 0.064
    # Two photons; the share of the sphere that a cylinder of half length h and radius R covers is h/√(h² + R²).
    assert singles.sum() == pytest.approx(2 * decays * 120 / np.hypot(120, 300), rel=0.01)
