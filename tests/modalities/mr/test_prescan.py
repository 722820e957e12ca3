"""Normalisation by a prescan: flat where the patient is, refused without one, kept in files."""

import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from pellucid import container
from pellucid.dicom import to_datasets
from pellucid.errors import InvalidInputError
from pellucid.modalities import mr
from pellucid.modalities.mr.coils import around
from pellucid.modalities.mr.prescan import acquire_prescan
from pellucid.modalities.mr.prescription import extent_lps_mm, prescribe
from pellucid.modalities.mr.readers import ismrmrd
from pellucid.modalities.mr.recon.cartesian import whitening_matrix
from pellucid.modalities.mr.recon.normalise import log_shading
from pellucid.modalities.mr.writers import write_ismrmrd
from validation import mr_shading

QUICK = {"resolution_mm": 4.0, "slice_thickness_mm": 4.0, "slices": 4, "b1_variation": 0.0, "signal_to_noise": 1e4}


@pytest.fixture(scope="module")
def ball():
    return mr_shading.ball()


def scanned(patient, protocol="t1_gre", **changes):
    return mr.scan(patient, protocol, seed=3, **{**QUICK, **changes})


@pytest.mark.parametrize(
    ("protocol", "changes", "method", "options"),
    [
        ("t1_gre", {}, "fft", {}),
        ("t1_gre", {"orientation": "sagittal", "tilt_deg": 20.0}, "fft", {"combination": "adaptive"}),
        ("t1_gre", {"sampling": "regular", "acceleration_phase": 2.0}, "sense", {}),
        pytest.param(
            *("t1_gre_sense_2x2", {"slices": None, "resolution_mm": 5.0, "slice_thickness_mm": 6.0}, "sense", {}),
            marks=pytest.mark.slow,
        ),
        ("t1_radial", {"acceleration_phase": 1.0, "slices": 1}, "nufft", {}),
    ],
)
def test_a_uniform_ball_is_flat(ball, protocol, changes, method, options):
    raw = scanned(ball, protocol, **changes)
    flat, shaded = (mr.reconstruct(raw, method, normalise=way, **options) for way in ("automatic", "off"))
    # What is left is the ringing of the ball's edge at these voxels, two and a half from it.
    assert mr_shading.unevenness(shaded) > 0.15
    assert mr_shading.unevenness(flat) < 0.06


def test_shading_is_that_of_the_loops(ball):
    """Against the Biot-Savart law at the prescan's voxels in the ball, its skin included."""
    raw = scanned(ball, slices=1)
    affine = raw.prescan.affine
    points = np.moveaxis(np.indices(raw.prescan.body.shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    inside = np.linalg.norm(points - mr_shading.CENTRE_LPS_MM, axis=-1) < mr_shading.RADIUS_MM
    low, high = extent_lps_mm(ball)
    white = whitening_matrix(raw)
    loops = around((low + high) / 2, (high - low) / 2, 8)
    expected = np.linalg.norm(white @ loops.sensitivity(points[inside]), axis=0)
    found = np.exp(log_shading(raw.prescan, white))[inside]
    assert np.median(found) == pytest.approx(1, abs=0.05)
    assert np.ptp(np.percentile(found / expected, (1, 99))) < 0.05 * np.median(found / expected)


def test_a_coil_with_more_gain_changes_nothing(ball):
    raw = scanned(ball, slices=1)
    gain = np.where(np.arange(raw.coils) == 2, np.complex64(6), np.complex64(1))
    louder = replace(
        raw,
        samples=raw.samples * gain[:, None, None, None],
        noise=raw.noise * gain[:, None],
        prescan=replace(raw.prescan, array=raw.prescan.array * gain[:, None, None, None]),
    )
    first, second = mr.reconstruct(raw).array, mr.reconstruct(louder).array
    assert np.abs(first - second).max() < 1e-3 * first.max()


def test_air_is_not_blown_up(ball):
    raw = scanned(ball)
    flat, shaded = (mr.reconstruct(raw, normalise=way).array for way in ("prescan", "off"))
    air = shaded < 0.02 * shaded.max()
    assert air.mean() > 0.2
    assert flat[air].max() < 0.1 * np.median(flat[~air])


def test_without_a_prescan_it_is_refused(ball):
    raw = scanned(ball, prescan=False)
    assert raw.prescan is None
    with pytest.raises(InvalidInputError, match=r"normalise: is prescan, but .*; expected automatic or off"):
        mr.reconstruct(raw, normalise="prescan")
    assert mr.reconstruct(raw).provenance.parameters["normalise"] == "off"


def test_dicom_says_that_it_was_normalised(ball):
    raw = scanned(ball, slices=1)
    first = {way: to_datasets(mr.reconstruct(raw, normalise=way))[0] for way in ("automatic", "off")}
    assert list(first["automatic"].ImageType) == ["DERIVED", "PRIMARY", "OTHER", "NORM"]
    assert "normalise=prescan" in first["automatic"].DerivationDescription
    assert "NORM" not in first["off"].ImageType
    assert "normalise=off" in first["off"].DerivationDescription


def test_noise_of_the_prescan_is_that_of_the_receiver(ball):
    """Samples are scaled by 1 / (voxel √samples); without the scale both scans have the same noise."""
    raw, quiet = (scanned(ball, signal_to_noise=level, coils=4) for level in (20.0, 1e9))
    noise = (raw.prescan.array - quiet.prescan.array).reshape(4, -1)
    body = raw.prescan.body - quiet.prescan.body
    scale = [
        np.prod(of.voxel_mm) * np.sqrt(np.prod(grid))
        for of, grid in ((raw, raw.image_shape[1:]), (raw.prescan, body.shape))
    ]
    expected = raw.noise_covariance() * (scale[0] / scale[1]) ** 2
    # A covariance of 4096 and more samples: 2 % and less.
    assert np.abs(noise @ noise.conj().T / noise.shape[1] - expected).max() < 0.06 * expected[0, 0].real
    assert np.mean(np.abs(body) ** 2) == pytest.approx(4 * expected[0, 0].real, rel=0.06)


def test_it_covers_the_patient_whatever_is_imaged(ball):
    settings = replace(mr.Settings(), **QUICK | {"slices": 1, "rows": 16, "columns": 16})
    prescan = acquire_prescan(ball, settings, prescribe(ball, settings), seed=0)
    assert np.all(np.array(prescan.body.shape) * prescan.voxel_mm >= 2 * mr_shading.RADIUS_MM)
    assert prescan.voxel_mm == (8.0, 8.0, 8.0)


def test_files_keep_it(ball, tmp_path):
    raw = scanned(ball, slices=2)
    container.write(raw, tmp_path / "a.pellucid.h5")
    write_ismrmrd(raw, tmp_path / "a.h5")
    (read,) = ismrmrd.read(tmp_path / "a.h5")
    for again in (container.read(tmp_path / "a.pellucid.h5"), read):
        assert np.array_equal(again.prescan.array, raw.prescan.array)
        assert np.array_equal(again.prescan.body, raw.prescan.body)
        assert np.allclose(again.prescan.affine, raw.prescan.affine, atol=1e-3)
        first, second = mr.reconstruct(raw), mr.reconstruct(again)
        assert np.abs(first.array - second.array).max() < 1e-4 * first.array.max()
    assert "8 x 8 x 8 mm" in raw.summary()["Prescan"]


@pytest.fixture(scope="module")
def written(ball, tmp_path_factory):
    raw = scanned(ball, slices=1, coils=4)
    file = tmp_path_factory.mktemp("written") / "a.h5"
    write_ismrmrd(raw, file)
    return raw, file


def fewer_coils(row):
    row["head"]["active_channels"] = 3
    row["data"] = row["data"][: row["data"].size // 4 * 3]


def shorter(row):
    row["data"] = row["data"][:-2]


def another_line(row):
    row["head"]["idx"]["kspace_encode_step_1"] = 1000


@pytest.mark.parametrize("change", [fewer_coils, shorter, another_line])
def test_what_others_measured_of_the_coils_is_left_out(written, tmp_path, change):
    """Surface coil correction data that look like our prescan, but cannot be one, do not refuse the file."""
    raw, file = written
    changed = Path(shutil.copy(file, tmp_path))
    with h5py.File(changed, "r+") as opened:
        data = opened["dataset/data"]
        rows = data[:]
        of_array = (rows["head"]["flags"] >> np.uint64(28) & np.uint64(1) == 1) & (rows["head"]["idx"]["set"] == 0)
        assert of_array.any()
        chosen = np.flatnonzero(of_array)
        for number in chosen if change is fewer_coils else chosen[-1:]:
            change(rows[number])
        data[:] = rows
    (read,) = ismrmrd.read(changed)
    assert read.prescan is None
    assert read.samples.shape == raw.samples.shape


def test_a_prescan_of_other_coils_is_refused(ball):
    raw = scanned(ball, slices=1)
    wrong = [
        (replace(raw.prescan, array=raw.prescan.array[:3]), r"prescan\.array: is \(3,"),
        (replace(raw.prescan, body=raw.prescan.body[..., :-1]), r"prescan\.array: is \(8,"),
        (replace(raw.prescan, body=raw.prescan.body.astype(complex)), r"prescan\.body: is complex128"),
        (replace(raw.prescan, affine=np.zeros((4, 4))), r"prescan\.affine: is not a finite"),
    ]
    for prescan, message in wrong:
        with pytest.raises(InvalidInputError, match=message):
            replace(raw, prescan=prescan)


def test_other_surface_coil_correction_data_are_left_out(ball, tmp_path):
    import h5py

    raw = scanned(ball, slices=1)
    write_ismrmrd(raw, tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        rows = file["dataset/data"][:]
        rows["head"]["idx"]["set"] = 0
        file["dataset/data"][:] = rows
    (again,) = ismrmrd.read(tmp_path / "a.h5")
    assert again.prescan is None
    assert np.array_equal(again.samples, raw.samples)
