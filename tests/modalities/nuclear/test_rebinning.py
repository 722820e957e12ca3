"""From 3D data to parallel lines: interleaving, arc, gaps, empty slices."""

from dataclasses import replace

import numpy as np
import pytest

from pellucid.errors import InvalidInputError
from pellucid.modalities.nuclear.acquisition import Sinogram
from pellucid.modalities.nuclear.forward import PetModel
from pellucid.modalities.nuclear.projectors import Grid
from pellucid.modalities.nuclear.recon.fbp import back_projected
from pellucid.modalities.nuclear.recon.rebinning import parallel_views, single_slice_rebinned
from pellucid.modalities.nuclear.sampling import sampling_of
from pellucid.modalities.nuclear.scanner import Scanner

SCANNER = Scanner(
    name="test", rings=4, crystals_per_ring=64, ring_pitch_mm=5.0, inner_radius_mm=100.0, interaction_depth_mm=0.0,
    radial_bins=31,
)  # fmt: skip
BLOBS = ((35.0, -20.0, 18.0, 1.0), (-15.0, 40.0, 15.0, 2.0))


def integrals(angles, offsets):
    """Line integrals of Gaussian blobs (x, y, width, height): exact, smooth."""
    total = np.zeros(np.broadcast_shapes(np.shape(angles), np.shape(offsets)))
    for x, y, width, height in BLOBS:
        distance = offsets - x * np.cos(angles) - y * np.sin(angles)
        total += height * width * np.sqrt(2 * np.pi) * np.exp(-(distance**2) / (2 * width**2))
    return total


@pytest.mark.parametrize("mashing", [1, 4])
def test_interleaved_bins_become_parallel_views(mashing):
    fine = replace(SCANNER, crystals_per_ring=64 * mashing, radial_bins=31 * mashing)
    sampling = sampling_of(fine, span=1, max_ring_difference=0, view_mashing=mashing, radial_mashing=mashing)
    measured = integrals(sampling.angles_rad, sampling.offsets_mm).astype(np.float32)[..., None]
    values, angles, spacing = parallel_views(measured, sampling)
    offsets = (np.arange(31) - 15) * spacing
    exact = integrals(angles[:, None], offsets)
    within = np.abs(offsets) < np.abs(sampling.offsets_mm).max()
    error = np.abs(values[..., 0] - exact)[:, within].max() / exact.max()
    # Linear interpolation of 15 mm wide blobs over 5 mm and 5.6 degrees; the wrong way round it is beyond that.
    assert error < 0.012
    assert spacing == pytest.approx(100 * np.sin(np.pi / 64), rel=2e-3)


def test_a_view_weighs_as_much_as_the_angle_it_stands_for():
    """Every third of 28 views: the first and the last are one step apart, seen from the other side."""
    sampling = sampling_of(replace(SCANNER, crystals_per_ring=56), span=1, max_ring_difference=0)
    angles = replace(sampling, view_step=3).angles_rad.max(axis=1)
    middle = [back_projected(one, angles, 5.0, Grid((1, 1, 1), (1.0, 1.0, 1.0)))[0, 0, 0] for one in (
        np.ones((10, 3, 1), np.float32) * np.eye(10, dtype=np.float32)[:, view, None, None] for view in range(10)
    )]  # fmt: skip
    assert np.array(middle) * 28 / np.pi == pytest.approx([2, 3, 3, 3, 3, 3, 3, 3, 3, 2])


def model(sampling, prompts, sensitivity):
    raw = Sinogram(sampling=sampling, prompts=prompts, sensitivity=sensitivity, duration_s=1.0)
    return PetModel(raw, Grid((7, 9, 9), (2.5, 5.0, 5.0)), resolution=False)


def test_gaps_are_filled_across_and_planes_weighed():
    sampling = sampling_of(SCANNER, span=3, max_ring_difference=3)
    ramp = np.broadcast_to(np.arange(31.0)[None, :, None], sampling.shape)
    sensitivity = np.random.default_rng(0).uniform(0.5, 2, sampling.shape)
    sensitivity[:, 7:10], sensitivity[:, 0], sensitivity[:, 30] = 0, 0, 0
    lean = np.hypot(1, sampling.plane_ring_difference * 2.5 / sampling.half_chords_mm[:, None])
    got = single_slice_rebinned(model(sampling, ramp * sensitivity * lean, sensitivity.astype(np.float32)))
    assert got[:, 1:30] == pytest.approx(
        np.broadcast_to(np.arange(1.0, 30)[None, :, None], got[:, 1:30].shape), rel=1e-4
    )
    assert got[:, 0] == pytest.approx(1.0, rel=1e-4)
    assert got[:, 30] == pytest.approx(29.0, rel=1e-4)


def test_slices_between_rings_are_filled():
    sampling = sampling_of(SCANNER, span=1, max_ring_difference=0)
    counts = np.broadcast_to(np.array([1.0, 2.0, 3.0, 4.0]), sampling.shape)
    got = single_slice_rebinned(model(sampling, counts, np.ones(sampling.shape, np.float32)))
    assert got[0, 15] == pytest.approx([1, 1.5, 2, 2.5, 3, 3.5, 4])


def test_bins_that_all_are_dead_are_refused():
    sampling = sampling_of(SCANNER, span=1, max_ring_difference=0)
    raw = model(sampling, np.ones(sampling.shape), np.ones(sampling.shape, np.float32))
    raw.attenuation = raw.attenuation * 0
    with pytest.raises(InvalidInputError, match="no bin detects anything"):
        single_slice_rebinned(raw)
