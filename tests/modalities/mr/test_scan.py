"""Scans: geometry in the patient, physical values, noise, determinism, refusals."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.modalities import mr
from pellucid.modalities.mr import encoding, signal
from pellucid.modalities.mr.prescription import prescribe
from pellucid.modalities.mr.protocols import PROTOCOLS
from pellucid.modalities.mr.recon.output import upright

BALL = np.array([26.0, -25.0, 49.0])
QUIET = {"signal_to_noise": 1e6, "coils": 4, "b1_variation": 0.0, "resolution_mm": 2.0, "slice_thickness_mm": 2.5}


def ball_centre(image):
    """Centre of mass of what is much brighter than the block around it."""
    array = np.abs(image.array)
    bright = np.argwhere(array > 0.6 * np.quantile(array, 0.999))
    return image.points_lps_mm(np.average(bright, axis=0))


@pytest.mark.parametrize("orientation", ["axial", "coronal", "sagittal"])
@pytest.mark.parametrize("tilt", [0.0, 25.0])
@pytest.mark.parametrize("dimensions", ["2d", "3d"])
def test_the_ball_is_where_it_is_in_the_patient(patient, orientation, tilt, dimensions):
    raw = mr.scan(
        patient, "t2_se", orientation=orientation, tilt_deg=tilt, dimensions=dimensions, slice_gap_mm=0.0, **QUIET
    )
    image = mr.reconstruct(raw, "fft")
    # Half a voxel along each axis; coil shading and thresholding move the centre of mass a little.
    assert np.linalg.norm(ball_centre(image) - BALL) < 1.25
    assert np.allclose(raw.isocentre_lps_mm, (12.0, -7.0, 31.0), atol=0.01)


def test_images_are_turned_upright(patient):
    raw = mr.scan(patient, "t2_se", orientation="sagittal", slices=2, **QUIET)
    image = mr.reconstruct(raw)
    directions = image.affine[:3, :3] / image.spacing_mm
    assert np.allclose(directions[:, 2], (0, 1, 0))
    assert np.allclose(directions[:, 1], (0, 0, -1))


def test_oversampled_readouts_give_the_same_image(patient):
    one, two = (
        mr.reconstruct(mr.scan(patient, "t1_gre", slices=2, readout_oversampling=n, **QUIET)).array for n in (1, 2)
    )
    # Not equal: at the edge of the field of view ringing wraps round without oversampling.
    assert np.abs(one - two).max() < 0.02 * one.max()


def test_white_matter_has_the_signal_of_its_equation(patient):
    settings = {**QUIET, "coils": 1}
    raw = mr.scan(patient, "t1_gre", **settings)
    image = mr.reconstruct(raw, normalise="off")
    matter = {name: patient.values(name, field_t=3.0)[1] for name in ("t1", "t2_star")}
    expected = signal.spoiled_gradient_echo(
        patient.values("proton_density")[1], matter["t1"], matter["t2_star"],
        repetition_time_ms=250.0, echo_time_ms=4.0, flip_angle_deg=70.0,
    )  # fmt: skip
    centre = tuple(np.rint(image.indices_of((12.0, -7.0, 31.0))).astype(int))
    # One coil whose sensitivity is 1 in the centre; the image is in units of the noise's deviation 1e-6.
    area = tuple(slice(c - 1, c + 2) for c in centre)
    assert image.array[area].mean() * 1e-6 == pytest.approx(expected, rel=0.03)


def test_noise_scan_and_samples_have_the_array_covariance(patient):
    raw = mr.scan(patient, "t1_gre", resolution_mm=4.0, slices=8, signal_to_noise=1.0, coils=4)
    noise_only = raw.samples[:, :, 0, :6]  # the corner of k-space holds no signal at this noise
    flat = np.moveaxis(noise_only, 1, 0).reshape(4, -1)
    measured = flat @ flat.conj().T / flat.shape[1]
    # Standard error of a covariance from n samples: 1 / sqrt(n).
    assert np.abs(measured - raw.noise_covariance()).max() < 5 / np.sqrt(min(flat.shape[1], 4096))


def test_images_have_unit_noise_after_whitening(patient):
    noisy, quiet = (
        mr.scan(patient, "t1_gre", resolution_mm=2.0, slices=4, signal_to_noise=snr, coils=4) for snr in (20.0, 1e9)
    )
    image = mr.reconstruct(replace(noisy, samples=noisy.samples - quiet.samples), normalise="off")
    # Root sum of squares of 4 complex channels with unit variance: mean square 4; 4096 noise samples know it to 3 %.
    assert np.mean(image.array**2) == pytest.approx(4, rel=0.05)


def test_the_same_seed_gives_the_same_signal(patient):
    first, again, other = (mr.scan(patient, "t1_gre", seed=s, slices=1, resolution_mm=4.0) for s in (5, 5, 6))
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, other.samples)
    assert first.provenance.parameters["seed"] == 5


def test_axis_matrix_is_the_continuous_transform_of_boxes():
    positions, box, fov, samples = np.array([-3.0, -1.0, 1.0]), 2.0, 24.0, 12
    values = np.array([1.0, -2.0, 0.5])
    got = encoding.cartesian_axis(positions, box, fov, samples) @ values.astype(np.complex64)
    fine = np.linspace(-4, 2, 60001)[:-1] + 5e-5
    dense = values[np.minimum(((fine + 4) // 2).astype(int), 2)]
    k = (np.arange(samples) - 6) / fov
    integral = np.exp(-2j * np.pi * np.outer(k, fine)) @ dense * 1e-4
    assert np.allclose(got, integral / (2.0 * np.sqrt(12)), atol=2e-6)


def test_slice_profile_weights():
    positions = np.arange(-20, 20, 1.0) + 0.5
    weights = encoding.slice_weights(positions, 1.0, np.array([0.0, 5.0]), 4.0)
    assert np.allclose(weights.sum(axis=1), 1, atol=1e-6)
    assert np.allclose(weights[1] @ positions, 5.0, atol=0.05)
    assert (weights[0][np.abs(positions) > 3] < 1e-3).all()


def test_wrong_settings_are_refused_in_one_line(patient):
    with pytest.raises(UnknownOptionError, match="did you mean 't1_gre'"):
        mr.scan(patient, "t1_gree")
    with pytest.raises(UnknownOptionError, match="slicess"):
        mr.scan(patient, "t1_gre", slicess=3)
    with pytest.raises(InvalidInputError, match="repetition_time_ms: is 3 ms"):
        mr.scan(patient, "t1_gre", repetition_time_ms=3.0)
    with pytest.raises(InvalidInputError, match="whole number"):
        mr.scan(patient, "t1_gre", sampling="regular", acceleration_phase=2.5)


@pytest.mark.parametrize("orientation", ["axial", "coronal", "sagittal"])
def test_prescribed_axes_are_orthonormal(patient, orientation):
    settings = replace(PROTOCOLS[0].settings, orientation=orientation, tilt_deg=25.0)
    directions = prescribe(patient, settings).directions
    assert np.allclose(directions.T @ directions, np.eye(3))


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)])
def test_turning_upright_moves_no_voxel(order, signs):
    generator = np.random.default_rng(0)
    array = generator.standard_normal((3, 4, 5))
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3)[:, order] * signs) @ np.diag([2.0, 3.0, 4.0]) + 0.1
    affine[:3, 3] = (7.0, -8.0, 9.0)
    turned, matrix, swapped = upright(array, affine)
    assert swapped == (turned.shape[1] == 5)
    inverse = np.linalg.inv(matrix)
    for index in np.ndindex(array.shape):
        there = np.rint(inverse @ affine @ [*index, 1]).astype(int)
        assert turned[tuple(there[:3])] == array[index]
    columns, rows = matrix[:3, 2], matrix[:3, 1]
    assert columns[np.argmax(np.abs(columns))] > 0
    assert rows[np.argmax(np.abs(rows))] * (-1 if np.argmax(np.abs(rows)) == 2 else 1) > 0
