"""Sampling patterns."""

import numpy as np
import pytest

from pellucid.errors import InvalidInputError
from pellucid.modalities.mr import sampling


def test_regular_has_every_second_line_and_the_calibration_block():
    mask = sampling.regular((9, 31), (1, 2), 6)
    assert mask[4, 15]
    assert mask[:, 12:18].all() or mask[1:7, 12:18].all()
    assert mask[0, 1::2].all()
    assert not mask[0, 0::2].any()


def test_poisson_disc_is_exact_in_number_seeded_and_keeps_its_distance():
    mask = sampling.poisson_disc((80, 101), 6.0, 12, seed=3)
    assert mask.sum() == round(80 * 101 / 6)
    assert mask[34:46, 44:56].all()
    assert np.array_equal(mask, sampling.poisson_disc((80, 101), 6.0, 12, seed=3))
    assert not np.array_equal(mask, sampling.poisson_disc((80, 101), 6.0, 12, seed=4))
    # Denser in the middle than at the rim, and no clusters: nearest neighbours further than random points would be.
    radius = np.hypot((np.arange(80)[:, None] - 40) / 40, (np.arange(101) - 50) / 50.5)
    inner, outer = mask[(radius > 0.3) & (radius < 0.5)].mean(), mask[(radius > 0.8) & (radius < 1)].mean()
    assert inner > 1.5 * outer
    assert not mask[radius > 1].any()
    points = np.argwhere(mask & (radius > 0.7))
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1) + 1e9 * np.eye(len(points))
    assert np.quantile(distance.min(axis=1), 0.05) >= 2.0  # random points at this density: 5 % within 1.0


def test_random_sampling_refuses_what_cannot_be():
    with pytest.raises(InvalidInputError, match=r"acceleration_phase: is 50.0; expected 1 to 4.00 of 1600 lines"):
        sampling.poisson_disc((40, 40), 50.0, 20)
    with pytest.raises(InvalidInputError, match=r"acceleration_phase: is 12; expected 1 to 10.00 of 200 lines"):
        sampling.variable_density_lines(200, 12, 20)


def test_variable_density_lines():
    lines = sampling.variable_density_lines(200, 4.0, 20, seed=1)
    assert lines.sum() == 50
    assert lines[90:110].all()


def test_partial_fourier_leaves_out_the_first_lines():
    mask = sampling.partial_fourier(sampling.full((1, 40)), 0.75, axis=1)
    assert not mask[0, :10].any()
    assert mask[0, 10:].all()
    with pytest.raises(InvalidInputError, match="partial_fourier"):
        sampling.partial_fourier(mask, 0.5, axis=1)


def test_golden_angle_spokes():
    trajectory = sampling.golden_angle_radial(3, 8, 5.0)
    assert trajectory.shape == (3, 8, 3)
    assert np.allclose(np.linalg.norm(trajectory[1], axis=-1), 5.0 * np.abs(np.arange(8) - 4))
    angle = np.rad2deg(np.arctan2(trajectory[1, -1, 1], trajectory[1, -1, 2]))
    assert angle == pytest.approx(111.246, abs=1e-3)
