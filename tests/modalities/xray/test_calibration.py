"""Spectra, water and slabs against tables and closed forms."""

import numpy as np
import pytest

from pellucid.modalities.xray.slabs import slab_weights
from pellucid.modalities.xray.spectrum import monoenergetic, tube_output, water_attenuation_per_cm
from pellucid.modalities.xray.water import REFERENCE_CM, ct_numbers, water_per_cm, without_beam_hardening


def test_water_against_the_nist_table():
    """NIST XCOM, total attenuation with coherent scattering, at 20, 40, 60, 80 and 100 keV [cm2/g]."""
    found = water_attenuation_per_cm(np.array([20.0, 40.0, 60.0, 80.0, 100.0]))
    assert found / 0.998 == pytest.approx([0.8096, 0.2683, 0.2059, 0.1837, 0.1707], rel=2e-3)


@pytest.mark.parametrize(
    ("voltage", "aluminium", "mean_kev", "half_value_mm"), [(80, 2.5, 43.26, 2.817), (120, 2.5, 54.93, 4.379)]
)
def test_tube_output_against_published_figures(voltage, aluminium, mean_kev, half_value_mm):
    """Mean energy and half-value layer that SpekPy 2.5 is known to give."""
    import xraydb

    tube = tube_output(float(voltage), 10.0, aluminium)
    photons = tube.photons_per_mm2_per_mas
    assert tube.energies_kev @ photons / photons.sum() == pytest.approx(mean_kev, abs=0.15)
    energies = tube.energies_kev * 1e3
    # Behind the half-value layer air kerma, photons x energy x energy absorption of air, is half.
    aluminium_per_mm = xraydb.material_mu("Al", energies, density=2.699) / 10
    photo = xraydb.material_mu("air", energies, density=1.2e-3, kind="photo")
    compton = xraydb.material_mu("air", energies, density=1.2e-3, kind="incoh")
    kerma = photons * energies * (photo + compton * electron_share(tube.energies_kev))
    behind = kerma @ np.exp(-aluminium_per_mm * half_value_mm) / kerma.sum()
    assert behind == pytest.approx(0.5, abs=0.005)


def electron_share(energies_kev):
    """Mean share of its energy that a photon gives to the electron (Klein and Nishina)."""
    cosine = np.linspace(-1, 1, 2001)
    ratio = 1 / (1 + energies_kev[:, None] / 510.999 * (1 - cosine))
    section = ratio**2 * (ratio + 1 / ratio - 1 + cosine**2)
    return np.sum(section * (1 - ratio), axis=1) / np.sum(section, axis=1)


@pytest.mark.slow
def test_tube_output_grows_with_voltage_and_shrinks_with_filtration():
    sums = [
        tube_output(kv, 10.0, al, cu).photons_per_mm2_per_mas.sum()
        for kv, al, cu in [(80.0, 2.5, 0.0), (120.0, 2.5, 0.0), (120.0, 7.0, 0.0), (120.0, 7.0, 0.2)]
    ]
    assert sums[0] < sums[1]
    assert sums[1] > sums[2] > sums[3]


def test_hardened_water_becomes_linear():
    spectrum = tube_output(120.0, 10.0, 2.5).detected()
    thickness = np.linspace(0, 40, 83)
    measured = spectrum.water_line_integral(thickness)
    assert measured[-1] < 0.95 * spectrum.effective_water_per_cm * 40
    corrected = without_beam_hardening(measured.astype(np.float32), spectrum)
    assert np.allclose(corrected, spectrum.effective_water_per_cm * thickness, atol=2e-4)
    noisy = without_beam_hardening(np.array([-0.01, 1e3], np.float32), spectrum)
    assert noisy[0] == pytest.approx(-0.01, rel=0.02)
    assert np.isfinite(noisy[1])


def test_one_energy_needs_no_correction():
    spectrum = monoenergetic(60.0)
    data = np.array([0.0, 1.0, 5.0], np.float32)
    assert without_beam_hardening(data, spectrum) is data
    assert water_per_cm(spectrum, corrected=False) == pytest.approx(0.998 * 0.2059, rel=2e-3)
    assert spectrum.water_line_integral(np.array([2.0]))[0] == pytest.approx(2 * 0.998 * 0.2059, rel=2e-3)


def test_ct_numbers():
    spectrum = tube_output(120.0, 10.0, 7.0).detected()
    water = water_per_cm(spectrum, corrected=True)
    assert np.allclose(ct_numbers(np.array([0.0, water, 2 * water], np.float32), water), [-1000, 0, 1000], atol=1e-3)
    raw_water = water_per_cm(spectrum, corrected=False)
    assert raw_water == pytest.approx(spectrum.water_line_integral(np.array([REFERENCE_CM]))[0] / REFERENCE_CM)
    assert raw_water < water


def test_slabs_of_the_same_slices_are_those_slices():
    z = np.array([3.0, 1.0, -1.0])
    assert np.array_equal(slab_weights(z, np.sort(z), 2.0), np.eye(3)[::-1])


def test_slabs_average_by_overlap():
    z = np.arange(6) * 1.0
    weights = slab_weights(z, np.array([0.5, 2.75]), 2.0)
    assert np.allclose(weights[0], [0.5, 0.5, 0, 0, 0, 0])
    assert np.allclose(weights[1], [0, 0, 0.375, 0.5, 0.125, 0], atol=1e-6)
    uneven = slab_weights(np.array([0.0, 1.0, 3.0]), np.array([1.0]), 3.0)
    # Slabs of the sources: -0.5 … 0.5, 0.5 … 2, 2 … 4; the target is -0.5 … 2.5.
    assert np.allclose(uneven, [[1 / 3, 1.5 / 3, 0.5 / 3]])
    assert np.allclose(slab_weights(z, np.linspace(-3, 9, 20), 0.3).sum(axis=1), 1)
    assert np.allclose(slab_weights(np.zeros(1), np.array([7.0]), 2.0), [[1.0]])
