"""The discrete Fourier transform against its defining sum."""

import numpy as np
import pytest

from pellucid.errors import InvalidInputError
from pellucid.operators import Fourier
from pellucid.testing.adjoint import draw


def defining_sum(x, axis):
    size = x.shape[axis]
    places = np.arange(size) - size // 2
    matrix = np.exp(-2j * np.pi * np.outer(places, places) / size) / np.sqrt(size)
    return np.moveaxis(np.tensordot(matrix, x, (1, axis)), 0, axis)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 7), None),
        ((4, 6), None),
        ((3, 4, 5), (-1,)),
        ((6, 5, 3, 2), (0, 1)),
        ((2, 3, 4, 5), (1, 2, 3)),
        ((9,), None),
    ],
)
def test_equals_the_defining_sum(shape, axes):
    x = draw(shape, np.dtype(np.complex128), 0)
    expected = x
    for axis in range(len(shape)) if axes is None else axes:
        expected = defining_sum(expected, axis)
    operator = Fourier(shape, axes, np.complex128)
    assert np.allclose(operator(x), expected, atol=1e-13)
    assert np.allclose(operator.adjoint(expected), x, atol=1e-13)


def test_leaves_its_argument_alone():
    x = draw((4, 6), np.dtype(np.complex64), 1)
    before = x.copy()
    Fourier(x.shape)(x)
    assert np.array_equal(x, before)


def test_a_constant_goes_to_the_centre():
    spectrum = Fourier((8, 5))(np.ones((8, 5), np.complex64))
    assert np.unravel_index(np.argmax(np.abs(spectrum)), spectrum.shape) == (4, 2)


@pytest.mark.parametrize("axes", [(0, 0), (2,), (0, -2), ()])
def test_wrong_axes_are_refused(axes):
    with pytest.raises(InvalidInputError, match="axes"):
        Fourier((4, 5), axes)


def test_a_real_dtype_is_refused():
    with pytest.raises(InvalidInputError, match="dtype"):
        Fourier((4, 5), dtype=np.float32)
