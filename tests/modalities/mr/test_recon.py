"""Reconstructions against the known phantom, from exact k-space that no Fourier code of ours made."""

from dataclasses import replace

import numpy as np
import pytest

from pellucid.errors import CancelledError, InvalidInputError, UnknownOptionError
from pellucid.modalities import mr
from pellucid.modalities.mr import sampling
from pellucid.modalities.mr.recon import density
from pellucid.modalities.mr.recon.combine import adaptive
from validation import mr_phantom

SIZE = 96


@pytest.fixture(scope="module")
def samples():
    return mr_phantom.cartesian(SIZE)


@pytest.fixture(scope="module")
def expected():
    """The phantom with the shading of unit-norm sensitivities."""
    return mr_phantom.truth(SIZE) * mr_phantom.shading(SIZE)


def undersampled(samples, step=(2, 2), calibration=24):
    return mr_phantom.as_kspace(samples, sampling.regular((SIZE, SIZE), step, calibration))


def error(image, expected):
    return mr_phantom.error(image.array[0], expected)


@pytest.fixture(scope="module")
def full_error(samples, expected):
    full = mr_phantom.as_kspace(samples, np.ones((SIZE, SIZE), np.bool_))
    return error(mr.reconstruct(full, "fft"), expected)


def test_full_sampling_is_limited_by_truncation_alone(full_error):
    # Gibbs ringing of the phantom's edges at this matrix; noise adds 0.005 / 0.2.
    assert full_error < 0.12


@pytest.mark.parametrize("method", ["sense", "l1_wavelet", "total_variation"])
def test_missing_lines_are_recovered(samples, expected, full_error, method):
    raw = undersampled(samples)
    zero_filled = error(mr.reconstruct(raw, "fft"), expected)
    recovered = error(mr.reconstruct(raw, method), expected)
    assert recovered < 1.25 * full_error
    assert recovered < 0.5 * zero_filled


@pytest.mark.parametrize("method", ["l1_wavelet", "total_variation"])
def test_sparsity_beats_plain_least_squares_on_random_samples(samples, expected, method):
    raw = mr_phantom.as_kspace(samples, sampling.poisson_disc((SIZE, SIZE), 5.0, 20))
    assert error(mr.reconstruct(raw, method), expected) < 0.9 * error(mr.reconstruct(raw, "sense"), expected)


@pytest.mark.parametrize("method", ["sense", "l1_wavelet"])
def test_too_few_lines_for_the_kernel_give_no_black_picture(samples, method):
    """Nine patches of 6 x 6 in 8 lines span too little of the 36 numbers a coil to find any sensitivity."""
    with pytest.raises(InvalidInputError, match=r"calibration_lines: no sensitivity of the coils is found from 8"):
        mr.reconstruct(undersampled(samples), method, calibration_lines=8, kernel=6)


def test_two_maps_are_as_good_as_one_where_one_is_enough(samples, expected):
    raw = undersampled(samples)
    one, two = (error(mr.reconstruct(raw, "sense", maps=maps), expected) for maps in (1, 2))
    assert two == pytest.approx(one, rel=0.1)


def test_planes_of_a_volume_are_those_of_its_slices(patient):
    """A 3D scan, fully sampled: SENSE and the direct transform agree; maps are interpolated between columns."""
    raw = mr.scan(patient, "t1_gre_sense_2x2", resolution_mm=4.0, slice_thickness_mm=4.0, signal_to_noise=1e5)
    full = mr.scan(patient, "t1_gre", dimensions="3d", repetition_time_ms=20.0, echo_time_ms=4.0, flip_angle_deg=22.0,
                   resolution_mm=4.0, slice_thickness_mm=4.0, signal_to_noise=1e5)  # fmt: skip
    got, direct = mr.reconstruct(raw, "sense"), mr.reconstruct(full, "fft")
    assert np.allclose(got.affine, direct.affine)
    inside = direct.array > 0.3 * np.quantile(direct.array, 0.99)
    difference = np.linalg.norm((got.array - direct.array)[inside]) / np.linalg.norm(direct.array[inside])
    assert difference < 0.03


def test_lines_of_slices(patient):
    settings = {"resolution_mm": 2.0, "slices": 3, "signal_to_noise": 1e5}
    raw = mr.scan(patient, "t2_se", sampling="regular", acceleration_phase=2.0, **settings)
    direct = mr.reconstruct(mr.scan(patient, "t2_se", **settings), "fft")
    got = mr.reconstruct(raw, "sense")
    inside = direct.array > 0.3 * np.quantile(direct.array, 0.99)
    assert np.linalg.norm((got.array - direct.array)[inside]) < 0.05 * np.linalg.norm(direct.array[inside])


def test_homodyne_restores_what_zero_filling_blurs(samples, expected, full_error):
    lines = sampling.partial_fourier(np.ones((SIZE, 1), np.bool_), 0.65, axis=0)
    raw = mr_phantom.as_kspace(samples * lines, np.ones((SIZE, SIZE), np.bool_))
    raw = replace(raw, sampled=lines[None])
    assert mr.MODALITY.default_method(raw) == "fft"
    errors = {
        way: error(mr.reconstruct(raw, "fft", partial_fourier=way), expected) for way in ("homodyne", "zero_fill")
    }
    assert errors["zero_fill"] > 1.3 * full_error
    assert errors["homodyne"] < 0.8 * errors["zero_fill"]


def test_radial_gridding_and_sense(expected):
    raw = mr_phantom.radial(SIZE, round(np.pi / 2 * SIZE))
    gridded = error(mr.reconstruct(raw, "nufft"), expected)
    assert gridded < 0.2
    few = mr.reconstruct(raw, "nufft", undersampling=4)
    again = mr.reconstruct(raw, "sense", undersampling=4)
    # Both lack the corners of k-space and have its noise; the streaks are gone.
    assert error(again, expected) < 0.85 * error(few, expected)
    assert error(mr.reconstruct(raw, "sense"), expected) < gridded


def test_iterative_density_agrees_with_the_ramp():
    raw = mr_phantom.radial(SIZE, round(np.pi / 2 * SIZE))
    coordinates = raw.trajectory[..., 1:].astype(float) * raw.voxel_mm[1] * 1e-3
    exact, found = density.ramp(coordinates, (SIZE, SIZE)), density.pipe_menon(coordinates, (SIZE, SIZE))
    # Golden-angle gaps differ by the golden ratio, so single weights do too; rings of samples must agree.
    ring = slice(SIZE // 4, SIZE)
    ratio = found.mean(axis=0)[ring] / exact.mean(axis=0)[ring]
    assert np.abs(ratio[SIZE // 4 : -SIZE // 8] - 1).max() < 0.1


def test_ramp_weights_add_up_to_the_disc():
    trajectory = sampling.golden_angle_radial(200, 128, 1000.0 / 512.0)
    weights = density.ramp(trajectory[..., 1:] * 4e-3, (64, 64))
    # In Nyquist cells: a disc of 32 cells radius.
    assert weights.sum() == pytest.approx(np.pi * 32**2, rel=0.02)


def test_ramp_is_refused_for_what_is_not_radial():
    raw = mr_phantom.radial(SIZE, 20)
    bent = raw.trajectory.copy()
    bent[:, :, 1] += 20 * np.sin(np.arange(bent.shape[1]) / 20)
    with pytest.raises(InvalidInputError, match="density"):
        mr.reconstruct(replace(raw, trajectory=bent), "nufft", density="ramp")
    assert np.isfinite(mr.reconstruct(replace(raw, trajectory=bent), "nufft").array).all()


def test_adaptive_combination_keeps_signal_and_drops_noise(samples):
    full = mr_phantom.as_kspace(samples, np.ones((SIZE, SIZE), np.bool_))
    squares = mr.reconstruct(full, "fft", combination="root_sum_of_squares").array
    matched = mr.reconstruct(full, "fft", combination="adaptive").array
    object_ = mr_phantom.truth(SIZE) > 0.15
    corner = (slice(None), slice(0, 12), slice(0, 12))
    assert np.linalg.norm((squares - matched)[0][object_]) < 0.05 * np.linalg.norm(squares[0][object_])
    assert matched[corner].mean() < 0.7 * squares[corner].mean()


def test_adaptive_combination_is_the_local_main_component():
    generator = np.random.default_rng(0)
    weights = generator.standard_normal((4, 2)).view(complex)[:, 0]
    image = generator.standard_normal((9, 11, 2)).view(complex)[..., 0]
    combined = adaptive((weights[:, None, None] * image).astype(np.complex64))
    strongest = np.argmax(np.abs(weights))
    expected = image * np.linalg.norm(weights) * weights[strongest] / abs(weights[strongest])
    assert np.abs(combined - expected).max() < 1e-4


def test_default_methods(samples):
    full = mr_phantom.as_kspace(samples, np.ones((SIZE, SIZE), np.bool_))
    lines = np.broadcast_to(sampling.regular((SIZE, 1), (2, 1), 24), (SIZE, SIZE))
    assert mr.MODALITY.default_method(full) == "fft"
    one_axis = replace(full, sampled=lines[None, :, :1].copy(), samples=full.samples * lines)
    assert mr.MODALITY.default_method(one_axis) == "sense"
    random = sampling.variable_density_lines(SIZE, 3.0, 20)[None, :, None]
    assert mr.MODALITY.default_method(replace(full, sampled=random, samples=full.samples * random)) == "l1_wavelet"
    assert mr.MODALITY.default_method(mr_phantom.radial(SIZE, 20)) == "nufft"


def test_refusals(samples):
    no_centre = mr_phantom.as_kspace(samples, sampling.regular((SIZE, SIZE), (4, 4), 0))
    with pytest.raises(InvalidInputError, match="fully sampled lines in its centre"):
        mr.reconstruct(no_centre, "sense")
    with pytest.raises(InvalidInputError, match="do not stand on a grid"):
        mr.reconstruct(mr_phantom.radial(SIZE, 20), "fft")
    with pytest.raises(InvalidInputError, match="stand on a grid already"):
        mr.reconstruct(no_centre, "nufft")
    one_coil = mr_phantom.as_kspace(samples[:1], np.ones((SIZE, SIZE), np.bool_))
    with pytest.raises(InvalidInputError, match="one coil"):
        mr.reconstruct(one_coil, "sense")
    with pytest.raises(UnknownOptionError, match="iteration"):
        mr.reconstruct(one_coil, "fft", iterations=3)


def test_cancelling_and_previews(samples):
    seen = []

    def stop(fraction, message="", preview=None):
        seen.append((fraction, preview))
        if len(seen) > 4:
            raise CancelledError("stop")

    with pytest.raises(CancelledError):
        mr.reconstruct(undersampled(samples), "l1_wavelet", progress=stop)
    previews = [preview for _, preview in seen if preview is not None]
    assert previews
    assert previews[0].array.shape == (1, SIZE, SIZE)


def test_undersampling_for_teaching(samples, expected):
    full = mr_phantom.as_kspace(samples, np.ones((SIZE, SIZE), np.bool_))
    folded, whole = (error(mr.reconstruct(full, "fft", undersampling=n), expected) for n in (3, 1))
    assert folded > 1.5 * whole
    assert error(mr.reconstruct(full, "sense", undersampling=3), expected) < 0.7 * folded
