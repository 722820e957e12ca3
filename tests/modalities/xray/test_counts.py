"""Counts to line integrals, with the faults that real detectors have."""

import numpy as np
import pytest

from pellucid.modalities.xray import ScanGeometry, Sinogram
from pellucid.modalities.xray.counts import line_integrals

SCAN = ScanGeometry(
    beam="parallel", angles_deg=np.arange(4) * 45.0, columns=6, column_spacing_mm=1.0, row_positions_mm=[0.0, 1.0]
)


def sinogram(transmission, **fields):
    return Sinogram(data=transmission, geometry=SCAN, signal="counts", **fields)


def test_flat_and_dark_are_taken_out():
    truth = np.random.default_rng(0).uniform(0, 4, SCAN.shape)
    gain = np.random.default_rng(1).uniform(5e4, 7e4, SCAN.shape[1:])
    flat = np.stack([gain + 300 + 10, gain + 300 - 10])
    dark = np.full((3, *SCAN.shape[1:]), 300.0)
    raw = sinogram(gain * np.exp(-truth) + 300, flat_field=flat, dark_field=dark)
    assert np.allclose(line_integrals(raw), truth, atol=1e-5)
    part = line_integrals(raw, views=slice(1, 4, 2), rows=slice(1, 2))
    assert np.allclose(part, truth[1::2, 1:], atol=1e-5)


def test_unattenuated_counts_stand_for_a_flat_field():
    raw = sinogram(np.full(SCAN.shape, 100, np.int32), unattenuated_counts=1000.0)
    assert np.allclose(line_integrals(raw), np.log(10))


def test_starved_rays_are_half_a_count():
    counts = np.full(SCAN.shape, 500.0)
    counts[0, 0, 0], counts[1, 1, 2] = 300.0, 290.0
    raw = sinogram(counts, flat_field=np.full((1, 2, 6), 1300.0), dark_field=np.full((1, 2, 6), 300.0))
    found = line_integrals(raw)
    assert found[0, 0, 0] == pytest.approx(np.log(1000 / 0.5))
    assert found[1, 1, 2] == pytest.approx(np.log(1000 / 0.5))
    assert np.all(np.isfinite(found))


def test_dead_elements_are_filled_from_their_row():
    truth = np.tile(np.arange(6.0) / 10, (4, 2, 1))
    flat = np.full((1, 2, 6), 1000.0)
    flat[0, 0, 2] = flat[0, 0, 3] = flat[0, 1, 5] = 0.0
    raw = sinogram(flat[0] * np.exp(-truth), flat_field=flat)
    found = line_integrals(raw)
    expected = truth.copy()
    expected[:, 1, 5] = 0.4
    assert np.allclose(found, expected, atol=1e-5)


def test_a_dead_row_is_zero():
    flat = np.full((1, 2, 6), 1000.0)
    flat[0, 1] = 0.0
    raw = sinogram(np.full(SCAN.shape, 500.0), flat_field=flat)
    assert np.all(line_integrals(raw)[:, 1] == 0)
