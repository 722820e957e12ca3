"""The Shepp-Logan phantoms: values at known places, orientation, and exact forms against sums."""

import numpy as np
import pytest

from pellucid.anatomy.phantoms import shepp_logan, shepp_logan_3d
from pellucid.errors import UnknownOptionError


def test_values_at_known_places():
    head = shepp_logan(size_mm=2.0)
    # Published y is up: the largest inner ellipse (0, 0.35) is anterior, at negative LPS y.
    assert head.value([0.0, -0.35]) == pytest.approx(0.3)
    assert head.value([0.0, 0.91]) == pytest.approx(1.0)
    assert head.value([0.0, 0.95]) == 0
    # The larger ventricle (-0.22, 0) is at negative x: the left of the picture, the patient's right.
    assert head.value([-0.22, 0.0]) == pytest.approx(0.0, abs=1e-12)
    assert head.value([-0.36, 0.0]) == pytest.approx(0.0, abs=1e-12)
    assert head.value([0.36, 0.0]) == pytest.approx(0.2)
    original = shepp_logan(size_mm=2.0, contrast="original")
    assert original.value([0.0, -0.35]) == pytest.approx(1.03)


def test_ventricles_lean_outwards_at_the_back():
    head = shepp_logan(size_mm=2.0)
    # The published ellipse at x = 0.22 is turned by -18 degrees: its upper (anterior) end leans to larger x.
    assert head.value([0.22 + 0.25 * np.sin(np.deg2rad(18)), -0.25 * np.cos(np.deg2rad(18))]) < 0.05
    assert head.value([0.22 - 0.25 * np.sin(np.deg2rad(18)), -0.25 * np.cos(np.deg2rad(18))]) > 0.15


@pytest.mark.parametrize("contrast", ["original", "modified"])
def test_three_dimensional_middle_and_skull(contrast):
    head = shepp_logan_3d(size_mm=2.0, contrast=contrast)
    brain = {"original": 1.02, "modified": 1.2}[contrast]
    assert head.value([0.0, 0.6, 0.0]) == pytest.approx(brain)
    assert head.value([0.0, 0.0, 0.89]) == pytest.approx(2.0)
    assert head.value([0.0, -0.1, 0.625]) == pytest.approx(brain + {"original": -0.02, "modified": -0.2}[contrast])


def test_kspace_of_a_fine_image_is_the_exact_kspace():
    head = shepp_logan(size_mm=200.0)
    image = head.pixels(400, 0.5, oversampling=8).astype(float)
    x = (np.arange(400) - 199.5) * 0.5
    k = np.random.default_rng(3).uniform(-0.05, 0.05, (12, 2))
    dense = [
        np.exp(-2j * np.pi * x * ky) @ image @ np.exp(-2j * np.pi * x * kx) * 0.25 * np.sinc(kx / 2) ** -1
        for kx, ky in k
    ]
    dense = np.array(dense) * np.sinc(k[:, 1] / 2) ** -1  # the mean over a pixel lowers F(k) by sinc
    exact = head.kspace(k)
    # 8² points per edge pixel know its mean to about 1e-2; 3000 such pixels of 1.3e4 cancel to 1e-4.
    np.testing.assert_allclose(dense, exact, atol=2e-4 * abs(head.kspace([[0.0, 0.0]])[0]))


def test_rays_of_a_fine_image_are_the_exact_ray_integrals():
    head = shepp_logan(size_mm=200.0)
    for angle in (0.0, 37.0, 90.0):
        direction = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
        across = np.array([-direction[1], direction[0]])
        origins = np.linspace(-95, 95, 41)[:, None] * across
        t = np.arange(-150, 150, 0.01)
        dense = [head.value(o + t[:, None] * direction).sum() * 0.01 for o in origins]
        # Each of at most 20 crossings is known to half a step, the values are at most 1.
        np.testing.assert_allclose(head.ray_integral(origins, direction), dense, atol=0.06)


def test_unknown_contrast_lists_the_known_ones():
    with pytest.raises(UnknownOptionError, match="modified, original"):
        shepp_logan(contrast="toft")
