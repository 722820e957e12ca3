"""KSpace validates itself and survives the container."""

from dataclasses import replace

import numpy as np
import pytest

from pellucid import container
from pellucid.errors import InvalidInputError
from pellucid.modalities.mr import KSpace
from pellucid.modalities.mr.acquisition import centred_block


def kspace(**changes):
    parts = {
        "samples": np.ones((1, 2, 4, 6, 8), np.complex64),
        "sampled": np.ones((4, 6, 1), np.bool_),
        "affine": np.diag([2.0, 3.0, 4.0, 1.0]),
        "image_shape": (4, 6, 8),
        "encoded_fov_mm": (8.0, 18.0, 32.0),
    }
    return KSpace(**{**parts, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"samples": np.ones((2, 4, 6, 8), np.complex64)}, "samples: is"),
        ({"samples": np.ones((1, 2, 4, 6, 8))}, "complex64"),
        ({"samples": np.full((1, 2, 4, 6, 8), np.nan, np.complex64)}, "not finite"),
        ({"samples": np.ones((3, 2, 4, 6, 8), np.complex64)}, "one slab"),
        ({"sampled": None}, "sampled: is missing"),
        ({"sampled": np.ones((6, 4, 1), np.bool_)}, "sampled: is"),
        ({"sampled": np.zeros((4, 6, 1), np.bool_)}, "no sample"),
        ({"sampled": np.ones((4, 6, 1))}, "expected bool"),
        ({"affine": np.zeros((4, 4))}, "affine"),
        ({"image_shape": (0, 6, 8)}, "image_shape"),
        ({"encoded_fov_mm": (1.0, -1.0, 1.0)}, "encoded_fov_mm"),
        ({"noise": np.ones((3, 10), np.complex64)}, "noise: is"),
        ({"skipped_readout_samples": 5}, "skipped_readout_samples"),
        ({"echo_time_ms": -1.0}, "echo_time_ms"),
        ({"sequence": "epi"}, "unknown sequence"),
        ({"trajectory": np.ones((6, 8, 3), np.float32)}, "partitions"),
    ],
)
def test_contradictions_name_their_field(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        kspace(**changes)


def test_trajectories_are_checked():
    radial = {"samples": np.ones((1, 2, 1, 6, 8), np.complex64), "sampled": None, "image_shape": (1, 8, 8)}
    good = np.ones((6, 8, 3), np.float32)
    assert not kspace(**radial, trajectory=good).is_cartesian
    with pytest.raises(InvalidInputError, match="trajectory: is"):
        kspace(**radial, trajectory=good[:3])
    with pytest.raises(InvalidInputError, match="zero everywhere"):
        kspace(**radial, trajectory=good * 0)
    with pytest.raises(InvalidInputError, match="one of them"):
        kspace(**{**radial, "sampled": np.ones((1, 6, 1), np.bool_)}, trajectory=good)


def test_container_round_trip(tmp_path):
    raw = replace(kspace(), noise=np.ones((2, 20), np.complex64), echo_time_ms=4.0, attributes={"a": [1]})
    container.write(raw, tmp_path / "a.pellucid.h5")
    again = container.read(tmp_path / "a.pellucid.h5")
    assert isinstance(again, KSpace)
    assert np.array_equal(again.samples, raw.samples)
    assert again.samples.dtype == np.complex64
    assert again.sampled is not None
    assert again.sampled.dtype == np.bool_
    assert again.image_shape == (4, 6, 8)
    assert again.echo_time_ms == 4.0
    assert again.trajectory is None


def test_calibration_block_is_centred():
    mask = np.zeros((1, 20, 1), np.bool_)
    mask[0, 6:14] = True
    assert centred_block(mask)[1] == slice(6, 14)
    mask[0, 14] = True
    assert centred_block(mask)[1] == slice(6, 15)
    mask[0, 6:9] = False
    assert centred_block(mask)[1] == slice(9, 12)


def test_summary_and_views():
    raw = kspace(echo_time_ms=4.0)
    assert raw.summary()["Echo time"] == "4 ms"
    assert raw.summary()["Voxel"] == "4 x 3 x 2 mm"
    assert [view.array.shape for view in raw.signal_views()] == [(6, 8), (4, 6)]


def test_noise_covariance_of_known_noise():
    generator = np.random.default_rng(0)
    root = np.array([[1, 0], [0.5j, 0.8]])
    white = (generator.standard_normal((2, 20000)) + 1j * generator.standard_normal((2, 20000))) / np.sqrt(2)
    raw = kspace(noise=(root @ white).astype(np.complex64))
    assert np.abs(raw.noise_covariance() - root @ root.conj().T).max() < 0.03  # 4 / sqrt(20000)


def test_an_image_beyond_memory_is_refused_before_it_is_made():
    """Sizes come out of files: 10^10 voxels of 64 x 64 samples are a mistake."""
    samples = np.ones((1, 1, 1, 64, 64), np.complex64)
    with pytest.raises(InvalidInputError, match=r"image_shape: is .*: 75 GiB for 1 coils; expected at most 8 GiB"):
        KSpace(
            samples=samples,
            sampled=np.ones((1, 64, 1), bool),
            affine=np.eye(4),
            image_shape=(1, 100_000, 100_000),
            encoded_fov_mm=(5.0, 200.0, 200.0),
        )
