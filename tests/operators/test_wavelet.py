"""The wavelet transform against PyWavelets and its defining properties."""

import numpy as np
import pytest

from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.operators import Wavelet
from pellucid.testing.adjoint import draw

PEER = {"haar": "haar", "daubechies4": "db2"}
SINGLE = 1e-5
"""Rounding of values of about one in single precision, over a few levels."""


@pytest.mark.parametrize("wavelet", ["haar", "daubechies4"])
@pytest.mark.parametrize("shape", [(64,), (32, 48)])
def test_one_level_is_that_of_pywavelets(wavelet, shape):
    pywt = pytest.importorskip("pywt")
    x = draw(shape, np.dtype(np.float32), 0)
    # Their filter of 4 taps begins one sample earlier.
    shift = [0 if wavelet == "haar" else 1] * len(shape)
    ours = Wavelet(shape, levels=1, wavelet=wavelet, shift=shift, dtype=np.float32)(x)
    theirs = x
    for axis in range(len(shape)):
        theirs = np.concatenate(pywt.dwt(theirs, PEER[wavelet], "periodization", axis), axis)
    assert np.allclose(ours, theirs, atol=SINGLE)


def test_every_level_continues_with_the_approximation():
    x = draw((64, 32), np.dtype(np.float32), 1)
    once = Wavelet(x.shape, levels=1, dtype=np.float32)(x)
    twice = Wavelet(x.shape, levels=2, dtype=np.float32)(x)
    corner = Wavelet((32, 16), levels=1, dtype=np.float32)(once[:32, :16])
    assert np.allclose(twice[:32, :16], corner)
    assert np.array_equal(twice[32:], once[32:])


@pytest.mark.parametrize("shape", [(33, 70), (17, 16, 40)])
@pytest.mark.parametrize("dtype", [np.float32, np.complex64])
def test_padded_sizes_are_inverted(shape, dtype):
    transform = Wavelet(shape, dtype=dtype)
    x = draw(shape, np.dtype(dtype), 2)
    y = transform(x)
    assert y.shape >= shape
    assert np.isclose(np.linalg.norm(y), np.linalg.norm(x))
    assert np.allclose(transform.adjoint(y), x, atol=SINGLE)


def test_unpadded_sizes_are_orthogonal():
    transform = Wavelet((32, 64), dtype=np.float32)
    assert transform.shape_out == (32, 64)
    y = draw((32, 64), np.dtype(np.float32), 3)
    assert np.allclose(transform(transform.adjoint(y)), y, atol=SINGLE)


def test_details_of_a_straight_line_vanish():
    # Two vanishing moments; the last detail sees the jump where the line wraps around.
    y = Wavelet((64,), levels=1, dtype=np.float32)(np.arange(64, dtype=np.float32))
    assert np.allclose(y[32:-1], 0.0, atol=SINGLE)
    assert abs(y[-1]) > 1.0


def test_a_shift_moves_the_image_first():
    x = draw((32, 48), np.dtype(np.complex64), 4)
    transform = Wavelet(x.shape, dtype=np.complex64)
    assert np.allclose(transform.shifted((3, -5))(x), transform(np.roll(x, (3, -5), (0, 1))))


def test_random_shifts_are_seeded_and_invertible():
    transform = Wavelet((33, 48), dtype=np.float32)
    x = draw((33, 48), np.dtype(np.float32), 5)
    drawn = [transform.randomly_shifted(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert drawn[0].shift == drawn[1].shift != drawn[2].shift
    assert np.allclose(drawn[2].adjoint(drawn[2](x)), x, atol=SINGLE)


def test_details_mark_all_but_the_coarsest_approximation():
    transform = Wavelet((64, 32), levels=2, dtype=np.float32)
    constant = transform(np.ones((64, 32)))
    assert np.allclose(constant * transform.details(), 0.0, atol=SINGLE)
    assert transform.details().sum() == 64 * 32 - 16 * 8


def test_wrong_options_are_refused():
    with pytest.raises(UnknownOptionError, match="daubechies4"):
        Wavelet((16, 16), wavelet="daubechies5")
    with pytest.raises(InvalidInputError, match="levels"):
        Wavelet((16, 16), levels=0)
    with pytest.raises(InvalidInputError, match="shift"):
        Wavelet((16, 16), shift=(1,))
