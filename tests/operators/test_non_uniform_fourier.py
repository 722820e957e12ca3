"""The non-uniform Fourier transform against the exact sum in double precision."""

import pickle

import numpy as np
import pytest

from pellucid.errors import InvalidInputError
from pellucid.operators import Fourier, NonUniformFourier
from pellucid.testing.adjoint import draw


def exact(image, coordinates):
    """The sum, with none of the operator's code."""
    places = np.stack(np.meshgrid(*(np.arange(n) - n // 2 for n in image.shape), indexing="ij"), -1)
    phase = coordinates.reshape(-1, image.ndim) @ places.reshape(-1, image.ndim).T
    samples = np.exp(-2j * np.pi * phase) @ image.ravel().astype(complex) / np.sqrt(image.size)
    return samples.reshape(coordinates.shape[:-1])


def relative(a, b):
    return np.linalg.norm(a - b) / np.linalg.norm(b)


@pytest.mark.parametrize("shape", [(16, 25), (9, 12, 7)])
@pytest.mark.parametrize(("dtype", "limit"), [(np.complex64, 5e-6), (np.complex128, 1e-10)])
def test_equals_the_exact_sum(shape, dtype, limit):
    coordinates = np.random.default_rng(0).uniform(-0.5, 0.5, (4, 50, len(shape)))
    operator = NonUniformFourier(shape, coordinates, batch=(3,), dtype=dtype)
    x = draw(operator.shape_in, operator.dtype, 1)
    expected = np.stack([exact(image, coordinates) for image in x])
    assert relative(operator(x), expected) < limit


@pytest.mark.parametrize("shape", [(6, 9), (5, 4, 7)])
def test_on_the_grid_it_is_the_fourier_transform(shape):
    axes = [(np.arange(n) - n // 2) / n for n in shape]
    coordinates = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    x = draw(shape, np.dtype(np.complex128), 2)
    samples = NonUniformFourier(shape, coordinates, dtype=np.complex128)(x)
    assert np.allclose(samples, Fourier(shape, dtype=np.complex128)(x), atol=1e-10)


def test_frequencies_beyond_the_band_alias():
    coordinates = np.array([[0.3, -0.2], [0.1, 0.4]])
    x = draw((8, 9), np.dtype(np.complex128), 3)
    inside = NonUniformFourier(x.shape, coordinates, dtype=np.complex128)(x)
    # One cycle per pixel more is the same at whole pixels.
    beyond = NonUniformFourier(x.shape, coordinates + np.array([2.0, -5.0]), dtype=np.complex128)(x)
    assert np.allclose(inside, beyond, atol=1e-9)


@pytest.mark.parametrize("shape", [(12, 9), (5, 6, 7)])
def test_the_toeplitz_normal_operator(shape):
    generator = np.random.default_rng(4)
    coordinates = generator.uniform(-0.5, 0.5, (200, len(shape)))
    weights = generator.uniform(0.5, 2.0, 200)
    operator = NonUniformFourier(shape, coordinates, batch=(2,), dtype=np.complex128)
    x = draw(operator.shape_in, operator.dtype, 5)
    assert np.allclose(operator.normal(weights)(x), operator.adjoint(weights * operator(x)), atol=1e-9)
    assert np.allclose(operator.normal()(x), operator.gram(x), atol=1e-9)


def test_it_survives_pickling_after_use():
    operator = NonUniformFourier((8, 8), np.zeros((5, 2)))
    x = draw((8, 8), operator.dtype, 6)
    y = operator(x)
    assert np.allclose(pickle.loads(pickle.dumps(operator))(x), y)


@pytest.mark.parametrize("coordinates", [np.zeros((5, 3)), np.full((5, 2), np.nan), np.array(0.0)])
def test_wrong_coordinates_are_refused(coordinates):
    with pytest.raises(InvalidInputError, match="coordinates"):
        NonUniformFourier((8, 8), coordinates)


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(InvalidInputError, match="weights"):
        NonUniformFourier((8, 8), np.zeros((5, 2))).normal(np.ones(4))
