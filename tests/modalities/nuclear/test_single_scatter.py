"""Scatter, randoms, sensitivity: against a Monte Carlo of its own, and closed forms."""

import numpy as np
import pytest
from scipy.integrate import quad

from pellucid.modalities.nuclear import single_scatter as scattering
from pellucid.modalities.nuclear.compton import directional_share, scattered_fraction, total_cross_section, window_share
from pellucid.modalities.nuclear.detection import (
    etendue_per_area2,
    mean_efficiency,
    pair_sums,
    randoms_rate,
    trues_sensitivity,
)
from pellucid.modalities.nuclear.projectors import Grid, SinogramProjector
from pellucid.modalities.nuclear.sampling import sampling_of
from pellucid.modalities.nuclear.scanner import BIOGRAPH_MMR, DISCOVERY_MI, Scanner

SCANNER = Scanner(
    name="ring", rings=40, crystals_per_ring=200, ring_pitch_mm=6.0, inner_radius_mm=300.0, interaction_depth_mm=0.0,
    radial_bins=141, energy_resolution=0.15, energy_window_kev=(425.0, 650.0), coincidence_window_ns=5.0,
)  # fmt: skip
MU = 0.0096
BALL_MM = 90.0
SOURCE = np.array([30.0, -20.0, 15.0])
SOURCE_MM = 25.0


def klein_nishina(cosine, energy=1.0):
    """dσ/dΩ in r_e² at `energy` · 511 keV, written from the textbook: k = E'/E."""
    k = 1 / (1 + energy * (1 - cosine))
    return 0.5 * k * k * (k + 1 / k - (1 - cosine * cosine))


def total(energy):
    """σ in r_e², by quadrature."""
    return quad(lambda cosine: 2 * np.pi * klein_nishina(cosine, energy), -1, 1)[0]


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


class MonteCarlo:
    """Photon pairs from a ball source in a water ball in air, each photon followed by hand."""

    def __init__(self, pairs, seed):
        draw = np.random.default_rng(seed)
        self.draw = draw
        start = SOURCE + SOURCE_MM * draw.uniform(0, 1, (pairs, 1)) ** (1 / 3) * self.directions(pairs)
        along = self.directions(pairs)
        straight = np.ones(pairs)
        end_a, survive_a = self.escape(start, along, straight)
        end_b, survive_b = self.escape(start, -along, straight)
        self.trues = np.stack([end_a, end_b], axis=1), survive_a * survive_b
        # Photon A scatters once, wherever along its way it does; by symmetry this is half of all single scatter.
        length = self.to_surface(start, along)
        collide = 1 - np.exp(-MU * length)
        depth = -np.log(1 - draw.uniform(0, 1, pairs) * collide) / MU
        at = start + depth[:, None] * along
        turned, fraction = self.scattered(along)
        end_s, survive_s = self.escape(at, turned, fraction)
        weight = collide * survive_s * survive_b * window_share(SCANNER, fraction)
        self.scatter = np.stack([end_s, end_b], axis=1), weight

    def directions(self, count):
        v = self.draw.standard_normal((count, 3))
        return v / np.linalg.norm(v, axis=1, keepdims=True)

    @staticmethod
    def to_surface(start, along):
        b = (start * along).sum(axis=1)
        return -b + np.sqrt(b * b + BALL_MM**2 - (start**2).sum(axis=1))

    def escape(self, start, along, fraction):
        """Where a photon meets the detector cylinder, and its chance to get out of the water."""
        energies = np.linspace(0.3, 1, 60)
        mu = MU * np.interp(fraction, energies, [total(e) for e in energies]) / total(1.0)
        a = (along[:, :2] ** 2).sum(axis=1)
        b = (start[:, :2] * along[:, :2]).sum(axis=1)
        c = (start[:, :2] ** 2).sum(axis=1) - SCANNER.radius_mm**2
        distance = (-b + np.sqrt(b * b - a * c)) / a
        return start + distance[:, None] * along, np.exp(-mu * self.to_surface(start, along))

    def scattered(self, along):
        """A direction by the Klein-Nishina law, by rejection, and E'/E."""
        cosine = np.empty(len(along))
        left = np.arange(len(along))
        while left.size:
            trial = self.draw.uniform(-1, 1, left.size)
            taken = self.draw.uniform(0, 1, left.size) < klein_nishina(trial)
            cosine[left[taken]] = trial[taken]
            left = left[~taken]
        across = np.cross(along, self.directions(len(along)))
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        return cosine[:, None] * along + np.sqrt(1 - cosine**2)[:, None] * across, 1 / (2 - cosine)


def histogram(ends, weight):
    """Counts by radial distance, of lines within the detector whose ring difference is kept."""
    a, b = ends[:, 0], ends[:, 1]
    half = SCANNER.axial_field_of_view_mm / 2
    keep = (np.abs(a[:, 2]) < half) & (np.abs(b[:, 2]) < half) & (np.abs(a[:, 2] - b[:, 2]) < 15.5 * 6.0)
    along = b[:, :2] - a[:, :2]
    s = np.abs(a[:, 0] * along[:, 1] - a[:, 1] * along[:, 0]) / np.linalg.norm(along, axis=1)
    return np.histogram(s[keep], EDGES, weights=weight[keep])[0]


EDGES = np.array([0.0, *(300 * np.sin(np.pi * (np.array([6, 12, 19, 32, 60]) + 0.5) / 200))])
"""Halfway between radial bins, so that each counts whole [mm]."""


@pytest.fixture(scope="module")
def model():
    """Expected trues and scatter of the same object, binned alike."""
    sampling = sampling_of(SCANNER, span=1, max_ring_difference=15, view_mashing=10)
    grid = Grid((31, 31, 31), (6.0, 6.0, 6.0))
    axes = [a + d * np.arange(n) for a, d, n in zip(grid.first_mm, grid.spacing_mm, grid.shape, strict=True)]
    fine = np.zeros((2, *grid.shape))
    for shift in np.array(np.meshgrid([-2, 0, 2], [-2, 0, 2], [-2, 0, 2])).reshape(3, -1).T:
        z, y, x = np.ix_(*(a + s for a, s in zip(axes, shift, strict=True)))
        fine[0] += (x - SOURCE[0]) ** 2 + (y - SOURCE[1]) ** 2 + (z - SOURCE[2]) ** 2 < SOURCE_MM**2
        fine[1] += MU * (x**2 + y**2 + z**2 < BALL_MM**2)
    activity, mu = (fine / 27).astype(np.float32)
    coarse = scattering.ScatterSampling(cell_mm=12.0, crystals=56, rings=12)
    seen = scattering.observe(activity, mu, grid, SCANNER, coarse)
    scatter = scattering.equivalent_activity(seen, sampling, coarse)
    project = SinogramProjector(sampling, Grid((62, 62, 62), (3.0, 3.0, 3.0)))
    trues, integrals = (project(np.kron(image, np.ones((2, 2, 2))).astype(np.float32)) for image in (activity, mu))
    weight = etendue_per_area2(sampling)
    distance = np.broadcast_to(np.abs(sampling.offsets_mm)[:, None], weight.shape)
    binned = [
        np.histogram(distance, EDGES, weights=(v * weight).sum(axis=0))[0]
        for v in (trues * np.exp(-integrals), scatter)
    ]
    return binned


def test_single_scatter_is_what_a_monte_carlo_counts(model):
    trues, scatter = model
    simulated = MonteCarlo(600_000, 5)
    counted_trues, counted_scatter = histogram(*simulated.trues), 2 * histogram(*simulated.scatter)
    # The scale of the simulation drops out in the ratio of all scatter to all trues.
    assert scatter.sum() / trues.sum() == pytest.approx(counted_scatter.sum() / counted_trues.sum(), rel=0.03)
    # The shape: what each range of distances holds of it; linear interpolation between few crystals lifts the tail.
    assert scatter / scatter.sum() == pytest.approx(counted_scatter / counted_scatter.sum(), abs=0.012)


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
