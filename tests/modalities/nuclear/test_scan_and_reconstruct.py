"""From a body to an image: activity, place and units against what was put in."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import center_of_mass, label

from pellucid import container
from pellucid.errors import CancelledError, InvalidInputError, UnknownOptionError
from pellucid.modalities import nuclear

from .bodies import BALLS, COARSE, balls, cylinder

TRUE_CYLINDER = 200e6 * 2 ** (-3600 / 6584.04) / 70e3
"""Bq/ml of SUV 1 one hour after 200 MBq in 70 kg."""
METHODS = {"osem": {"iterations": 4, "subsets": 7}, "mlem": {"iterations": 20}, "fbp": {}}


@pytest.fixture(scope="module")
def cylinder_scan():
    return nuclear.scan(cylinder(), "brain_fdg", seed=3, **COARSE)


@pytest.fixture(scope="module")
def ball_scan():
    return nuclear.scan(
        balls(centre=(15.0, -40.0, 310.0)),
        "brain_fdg",
        seed=1,
        **COARSE,
        isocentre_left_mm=9.0,
        isocentre_posterior_mm=-31.0,
        isocentre_head_mm=303.0,
    )


def region(image, radius_mm, z_mm, centre=(0.0, 0.0)):
    points = image.points_lps_mm(np.stack(np.indices(image.shape), axis=-1))
    near_axis = (points[..., 0] - centre[0]) ** 2 + (points[..., 1] - centre[1]) ** 2 <= radius_mm**2
    return near_axis & (np.abs(points[..., 2]) <= z_mm)


@pytest.mark.parametrize("method", METHODS)
def test_uniform_activity_is_right_within_two_percent(cylinder_scan, method):
    image = nuclear.reconstruct(cylinder_scan, method, **METHODS[method])
    assert image.quantity.name == "activity_concentration"
    assert image.quantity.unit == "Bq/ml"
    values = image.array[region(image, 80, 90)]
    assert values.mean() == pytest.approx(TRUE_CYLINDER, rel=0.02)
    # Neither a cup (attenuation, scatter) nor a slope along the axis (normalisation).
    rim = region(image, 80, 90) & ~region(image, 60, 90)
    inner, outer = image.array[region(image, 30, 90)].mean(), image.array[rim].mean()
    assert inner == pytest.approx(outer, rel=0.02)
    head = image.array[region(image, 80, 90) & ~region(image, 80, 60)].mean()
    assert head == pytest.approx(TRUE_CYLINDER, rel=0.02)


def test_what_is_left_out_of_the_model_shows(cylinder_scan):
    without = nuclear.reconstruct(cylinder_scan.with_attenuation_map(None), "osem", **METHODS["osem"])
    assert without.array[region(without, 30, 60)].mean() < 0.4 * TRUE_CYLINDER


@pytest.mark.parametrize("method", METHODS)
def test_sources_are_where_they_were_put(ball_scan, method):
    image = nuclear.reconstruct(ball_scan, method, **METHODS[method], filter_mm=4.0)
    found, count = label(image.array > 0.3 * image.array.max())
    assert count == len(BALLS)
    centres = image.points_lps_mm(center_of_mass(image.array, found, range(1, count + 1)))
    for offset, _, _ in BALLS:
        expected = np.add((15.0, -40.0, 310.0), offset)
        # A fifth of the voxel: noise moves a centre less.
        assert np.linalg.norm(centres - expected, axis=1).min() < 0.8
    hotter = image.array[tuple(np.round(image.indices_of(np.add((15.0, -40.0, 310.0), BALLS[0][0]))).astype(int))]
    cooler = image.array[tuple(np.round(image.indices_of(np.add((15.0, -40.0, 310.0), BALLS[1][0]))).astype(int))]
    assert hotter > 1.5 * cooler


def test_left_is_at_high_bins_of_the_first_view(ball_scan):
    # View 0 looks along y: its bins go to the patient's left, its planes to the head.
    direct = ball_scan.prompts[0, :, :127]
    radial, plane = np.unravel_index(direct.argmax(), direct.shape)
    x, z = ball_scan.sampling.offsets_mm[radial] + 9.0, ball_scan.sampling.plane_z_mm[plane] + 303.0
    assert x == pytest.approx(15.0 + BALLS[0][0][0], abs=8)
    assert z == pytest.approx(310.0 + BALLS[0][0][2], abs=8)


def test_counts_follow_dose_duration_and_decay():
    body, quiet = (
        cylinder(radius_mm=40),
        {**COARSE, "max_ring_difference": 5, "noise": False, "scatter": False, "randoms": False},
    )
    one = nuclear.scan(body, "brain_fdg", **quiet)
    half = nuclear.scan(body, "brain_fdg", **quiet, injected_mbq=100.0)
    assert half.prompts.sum() == pytest.approx(one.prompts.sum() / 2, rel=1e-5)
    later = nuclear.scan(body, "brain_fdg", **quiet, uptake_min=90.0)
    assert later.prompts.sum() == pytest.approx(one.prompts.sum() * 2 ** (-1800 / 6584.04), rel=1e-5)
    longer = nuclear.scan(body, "brain_fdg", **quiet, duration_s=1200.0)
    tens_of_ms = (np.arange(120_000) + 0.5) * 0.01
    activity = 2 ** (-tens_of_ms / 6584.04)
    assert longer.prompts.sum() == pytest.approx(one.prompts.sum() * activity.sum() / activity[:60_000].sum(), rel=1e-5)


def test_noise_is_poisson_and_the_seed_fixes_it():
    small = {**COARSE, "max_ring_difference": 5}
    one, again = (nuclear.scan(cylinder(radius_mm=40), "brain_fdg", seed=3, **small).prompts for _ in range(2))
    assert np.array_equal(one, again)
    expected = nuclear.scan(cylinder(radius_mm=40), "brain_fdg", seed=3, **small, noise=False).prompts
    chi2 = ((one - expected) ** 2 / expected)[expected > 5].mean()
    assert chi2 == pytest.approx(1.0, abs=0.02)


def test_suv_of_the_image_is_the_uptake(cylinder_scan):
    suv = nuclear.suv_body_weight(nuclear.reconstruct(cylinder_scan, "fbp"))
    assert suv.quantity.name == "suv_body_weight"
    assert suv.array[region(suv, 80, 90)].mean() == pytest.approx(1.0, rel=0.02)


def test_acquisition_survives_its_file(ball_scan, tmp_path):
    path = tmp_path / "pet.pellucid.h5"
    container.write(ball_scan, path)
    back = container.read(path)
    assert back.sampling == ball_scan.sampling
    assert back.injection == ball_scan.injection
    assert np.array_equal(back.prompts, ball_scan.prompts)
    assert np.array_equal(back.attenuation_map.array, ball_scan.attenuation_map.array)
    assert back.summary() == ball_scan.summary()


def test_another_attenuation_map_is_used(cylinder_scan):
    other = cylinder_scan.attenuation_map.with_array(cylinder_scan.attenuation_map.array * 1.1)
    given = nuclear.reconstruct(cylinder_scan, "fbp", attenuation_map=other)
    kept = nuclear.reconstruct(cylinder_scan.with_attenuation_map(other), "fbp")
    assert np.array_equal(given.array, kept.array)
    # More than the central line's exp(0.1 · 0.096/cm · 20 cm): longer lines gain more than the rim's.
    plain = nuclear.reconstruct(cylinder_scan, "fbp")
    middle = region(plain, 20, 50)
    assert given.array[middle].mean() > np.exp(0.1 * 0.096 * 20) * plain.array[middle].mean()


def test_voxel_size_changes_the_grid_not_the_activity(cylinder_scan):
    image = nuclear.reconstruct(cylinder_scan, "osem", voxel_mm=6.0, **METHODS["osem"])
    assert image.spacing_mm == pytest.approx((2.03125, 6.0, 6.0))
    assert image.array[region(image, 70, 90)].mean() == pytest.approx(TRUE_CYLINDER, rel=0.02)


KEPT = {"osem": {"iterations": 4, "subsets": 2}, "mlem": {"iterations": 20}, "fbp": {}}


@pytest.mark.parametrize("keep_every", [3, 4])
@pytest.mark.parametrize("method", KEPT)
def test_views_left_out_leave_the_activity_as_it_is(cylinder_scan, method, keep_every):
    """Ten of 28 views, unevenly spaced at the end, and seven: the others are no measured zeros, nor asked at all."""
    spoilt = cylinder_scan.prompts.copy()
    spoilt[np.arange(28) % keep_every > 0] *= 50
    options = {**KEPT[method], "keep_every": keep_every}
    image = nuclear.reconstruct(cylinder_scan, method, **options)
    assert np.array_equal(
        image.array, nuclear.reconstruct(replace(cylinder_scan, prompts=spoilt), method, **options).array
    )
    assert image.provenance.parameters["keep_every"] == keep_every
    # Few views make streaks, which the mean over the cylinder does not see.
    assert image.array[region(image, 80, 90)].mean() == pytest.approx(TRUE_CYLINDER, rel=0.02)
    every = nuclear.reconstruct(cylinder_scan, method, **KEPT[method])
    assert image.array[region(image, 80, 90)].std() > 1.2 * every.array[region(every, 80, 90)].std()


@pytest.mark.parametrize("method", KEPT)
def test_planes_left_out_leave_the_others_as_they_are(cylinder_scan, method):
    """The 21 middle planes of the direct segment: their slices hold the activity, those never seen hold nothing."""
    whole = cylinder_scan.sampling
    middle = slice((127 - 21) // 2, (127 + 21) // 2)
    arrays = {
        name: getattr(cylinder_scan, name)[:, :, middle] for name in ("prompts", "randoms", "scatter", "sensitivity")
    }
    sampling = replace(whole, segments=(replace(whole.segments[0], measured=21),))
    image = nuclear.reconstruct(
        replace(cylinder_scan, sampling=sampling, **arrays), method, filter_mm=0.0, **KEPT[method]
    )
    assert image.shape[0] == 127
    assert image.array[region(image, 80, 20)].mean() == pytest.approx(TRUE_CYLINDER, rel=0.03)
    beyond = np.abs(image.points_lps_mm(np.stack(np.indices(image.shape), axis=-1))[..., 2]) > 10.6 * 2.03125
    assert np.all(image.array[beyond] == 0)


def test_resolution_model_sharpens(ball_scan):
    plain = nuclear.reconstruct(ball_scan, "osem", iterations=6, subsets=7, filter_mm=0.0)
    sharp = nuclear.reconstruct(ball_scan, "osem", iterations=6, subsets=7, filter_mm=0.0, resolution=True)
    assert sharp.array.max() > 1.05 * plain.array.max()


def test_progress_and_cancellation(ball_scan):
    seen = []

    def stop(fraction, message="", preview=None):
        seen.append((fraction, preview))
        if fraction > 0.4:
            raise CancelledError("enough")

    with pytest.raises(CancelledError):
        nuclear.reconstruct(ball_scan, "osem", iterations=5, subsets=3, progress=stop)
    assert [fraction for fraction, _ in seen] == sorted(fraction for fraction, _ in seen)
    assert any(preview is not None and preview.modality == "PT" for _, preview in seen)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"protocol": "brain_fgd"}, UnknownOptionError, "did you mean 'brain_fdg'"),
        ({"scaner": "biograph_mmr"}, UnknownOptionError, "did you mean 'scanner'"),
        ({"duration_s": -1}, InvalidInputError, "duration_s: is -1; expected a number >= 0.001"),
        ({"span": 4}, InvalidInputError, "span: is 4"),
        ({"radial_bins": 400}, InvalidInputError, "more than the 344 that Biograph mMR measures"),
    ],
)
def test_scans_that_cannot_be_are_refused(changes, error, message):
    protocol = changes.pop("protocol", "brain_fdg")
    with pytest.raises(error, match=message):
        nuclear.scan(cylinder(), protocol, **changes)


@pytest.mark.parametrize(
    ("method", "parameters", "message"),
    [
        ("osme", {}, "did you mean 'osem'"),
        ("osem", {"subsets": 29}, "subsets: is 29; expected 1 to the number of views used, 28"),
        ("osem", {"keep_every": 4}, "subsets: is 12; expected 1 to the number of views used, 7"),
        ("fbp", {"keep_every": 29}, "keep_every: is 29; expected 1 to the number of views, 28"),
        ("osem", {"iterations": 0}, "iterations: is 0"),
        ("fbp", {"cutof": 0.5}, "did you mean 'cutoff'"),
    ],
)
def test_reconstructions_that_cannot_be_are_refused(ball_scan, method, parameters, message):
    with pytest.raises(InvalidInputError, match=message):
        nuclear.reconstruct(ball_scan, method, **parameters)
