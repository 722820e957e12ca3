"""Convolution and Gaussian blur against direct sums and known moments."""

import numpy as np
import pytest
from scipy import signal

from pellucid.errors import InvalidInputError
from pellucid.operators import Convolution, GaussianBlur
from pellucid.testing.adjoint import draw


@pytest.mark.parametrize("sizes", [(3, 5), (4, 2), (1, 1), (15, 3)])
def test_convolution_equals_the_direct_sum(sizes):
    x, kernel = draw((9, 8), np.dtype(np.float64), 0), draw(sizes, np.dtype(np.float64), 1)
    full = signal.convolve(x, kernel, mode="full", method="direct")
    start = [n // 2 for n in sizes]
    expected = full[start[0] : start[0] + 9, start[1] : start[1] + 8]
    assert np.allclose(Convolution((9, 8), kernel, dtype=np.float64)(x), expected, atol=1e-12)


def test_convolution_of_chosen_axes_is_that_of_each_slice():
    x, kernel = draw((3, 6, 7), np.dtype(np.float64), 2), draw((3, 3), np.dtype(np.float64), 3)
    whole = Convolution(x.shape, kernel, axes=(0, 2), dtype=np.float64)(x)
    for row in range(6):
        single = Convolution((3, 7), kernel, dtype=np.float64)(x[:, row])
        assert np.allclose(whole[:, row], single)


@pytest.mark.parametrize("fwhm", [3.0, 6.5])
def test_gaussian_has_the_width_asked_for_in_millimetres(fwhm):
    spacing = (2.0, 0.75)
    x = np.zeros((41, 101))
    x[20, 50] = 1.0
    y = GaussianBlur(x.shape, fwhm_mm=fwhm, spacing_mm=spacing, dtype=np.float32)(x)
    assert np.isclose(y.sum(), 1.0)
    for axis, size in enumerate(spacing):
        profile = y.sum(axis=1 - axis)
        places = size * (np.arange(profile.size) - profile.size // 2)
        # A sample's own width adds size²/12; cutting at 4 standard deviations takes away 0.1 %.
        expected = fwhm**2 / (8.0 * np.log(2.0)) + size**2 / 12.0
        assert np.isclose((profile * places**2).sum(), expected, rtol=3e-3)


def test_gaussian_of_zero_width_changes_nothing():
    x = draw((5, 6), np.dtype(np.float32), 4)
    assert np.array_equal(GaussianBlur(x.shape, fwhm_mm=0.0, spacing_mm=(1, 1))(x), x)


def test_wrong_arguments_are_refused():
    with pytest.raises(InvalidInputError, match="fwhm_mm"):
        GaussianBlur((5, 6), fwhm_mm=-1.0, spacing_mm=(1, 1))
    with pytest.raises(InvalidInputError, match="spacing_mm"):
        GaussianBlur((5, 6), fwhm_mm=1.0, spacing_mm=(1,))
    with pytest.raises(InvalidInputError, match="kernel"):
        Convolution((5, 6), np.ones(3), axes=(0, 1))
    with pytest.raises(InvalidInputError, match="kernel"):
        Convolution((5, 6), np.ones((3, 3)) * 1j)
