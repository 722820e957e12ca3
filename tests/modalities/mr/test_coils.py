"""Biot-Savart loops against closed forms."""

import numpy as np
import pytest

from pellucid.modalities.mr.coils import CoilArray, SensitivityPlanes, around

LOOP = CoilArray(np.array([[10.0, -20.0, 5.0]]), np.array([[0.6, 0.0, 0.8]]), 50.0)


@pytest.mark.parametrize("distance", [0.0, 30.0, 100.0, 400.0])
def test_field_on_the_axis(distance):
    field = LOOP.field(LOOP.centres_lps_mm[0] + distance * LOOP.normals[0])[0]
    expected = 50.0**2 / (2 * (50.0**2 + distance**2) ** 1.5)
    # 48 straight segments against the circle: 0.3 % at the centre, less further away.
    assert field == pytest.approx(expected * LOOP.normals[0], rel=4e-3, abs=1e-9)


def test_far_field_is_a_dipole():
    way = np.array([300.0, 900.0, -500.0])
    field = LOOP.field(LOOP.centres_lps_mm[0] + way)[0]
    moment = np.pi * 50.0**2 * LOOP.normals[0]
    r = np.linalg.norm(way)
    expected = (3 * way * (moment @ way) / r**5 - moment / r**3) / (4 * np.pi)
    assert field == pytest.approx(expected, rel=0.01)  # next multipole: (50 / 1072)^2 = 0.2 %


def test_sensitivity_is_the_left_turning_transverse_field():
    point = np.array([[40.0, 60.0, 80.0]])
    bx, by, _ = LOOP.field(point)[0, 0]
    assert LOOP.sensitivity(point)[0, 0] == pytest.approx(bx - 1j * by)


def test_noise_covariance_is_hermitian_positive_with_unit_variance():
    covariance = around((0, 0, 0), (70, 90, 80), 12).noise_covariance()
    assert np.allclose(covariance, covariance.conj().T)
    assert np.allclose(np.diag(covariance), 1)
    assert np.linalg.eigvalsh(covariance).min() > 0.3


def test_interpolated_planes_equal_the_law_itself():
    coils = around((3, 4, 5), (70, 90, 80), 8)
    angle = 0.4
    directions = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
    axes = (np.linspace(-40, 50, 31), np.linspace(-60, 70, 41), np.linspace(-45, 30, 27))
    origin = np.array([5.0, -3.0, 8.0])
    planes = SensitivityPlanes(coils, axes, directions, origin, (3, 4, 5))
    points = np.stack(np.meshgrid(axes[0][7], axes[1], axes[2], indexing="ij"), -1)[0] @ directions.T + origin
    exact = coils.sensitivity(points) / np.linalg.norm(coils.sensitivity((3.0, 4.0, 5.0)))
    assert np.abs(planes.plane(7) - exact).max() < 1e-3 * np.abs(exact).max()
