"""Priors: proximal maps by brute force, total variation by a slow reference and by a known solution."""

import numpy as np
import pytest
from scipy.optimize import minimize

from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.functionals import L1, NonNegativity, Tikhonov, TotalVariation, Zero
from pellucid.operators import FiniteDifference, Identity, Wavelet
from pellucid.testing import draw
from validation.core import total_variation_by_matrices

DOUBLE = [pytest.param(dtype, marks=pytest.mark.slow) for dtype in (np.float64, np.complex128)]
"""Every precision has loops of its own, which take seconds to compile."""


def drawn(shape, seed, dtype=np.float32):
    return draw(shape, np.dtype(dtype), seed)


def slow_total_variation(x, spacing):
    """Σ |∇x| by plain differences."""
    square = np.zeros(x.shape)
    for axis, size in enumerate(spacing):
        step = np.diff(x, axis=axis, append=np.take(x, [-1], axis)) / size
        square += np.abs(step) ** 2
    return np.sqrt(square).sum()


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, *DOUBLE])
@pytest.mark.parametrize(("shape", "spacing"), [((6, 7), (1.0, 1.0)), ((3, 5, 4), (2.5, 1.0, 1.25)), ((9,), (1.0,))])
def test_total_variation_equals_the_slow_reference(shape, spacing, dtype):
    x = drawn(shape, 0, dtype)
    prior = TotalVariation(0.3, spacing=spacing, iterations=400)
    assert np.isclose(prior.value(x), 0.3 * slow_total_variation(x, spacing))
    assert np.allclose(prior.proximal(x, 0.5), total_variation_by_matrices(x, 0.15, spacing), atol=2e-4)


def test_total_variation_of_a_batch_is_that_of_each_image():
    x = drawn((3, 6, 7), 1)
    batch, single = TotalVariation(0.3, dimensions=2), TotalVariation(0.3)
    assert np.isclose(batch.value(x), sum(single.value(image) for image in x))
    assert np.allclose(batch.proximal(x, 1.0), np.stack([single.proximal(image, 1.0) for image in x]))


def test_a_step_comes_closer_by_weight_over_length():
    # Closed form: each plateau of n samples moves by weight/n towards the other.
    x = np.repeat([0.0, 1.0], [4, 8]).astype(np.float32)
    expected = np.repeat([0.2 / 4, 1.0 - 0.2 / 8], [4, 8])
    assert np.allclose(TotalVariation(0.2, iterations=2000).proximal(x, 1.0), expected, atol=1e-5)


def test_total_variation_is_minimised_faster_than_by_plain_gradients():
    x = drawn((20, 21), 12)
    prior = TotalVariation(1.0)

    def excess(u):
        return prior.value(u) + 0.5 * ((u - x) ** 2).sum() - least

    least = 0.0
    least = excess(TotalVariation(1.0, iterations=3000).proximal(x, 1.0))
    fast = excess(TotalVariation(1.0, iterations=60).proximal(x, 1.0))
    # 1/iterations² against 1/iterations: as good as four times as many plain ones, with a margin.
    slow = total_variation_by_matrices(x, 1.0, (1.0, 1.0), iterations=180)
    assert 0.0 < fast < excess(slow.astype(np.float32))


def test_a_large_weight_leaves_the_mean():
    x = drawn((5, 6), 2)
    assert np.allclose(TotalVariation(100.0, iterations=500).proximal(x, 1.0), x.mean(), atol=1e-3)


def test_without_weight_nothing_changes():
    x = drawn((5, 6), 3)
    assert np.array_equal(TotalVariation(0.0).proximal(x, 1.0), x)


def test_the_field_of_the_dual_is_shortened():
    field = drawn((2, 5, 6), 4)
    projected = TotalVariation(0.5).proximal_dual(field)
    length = np.sqrt((field**2).sum(axis=0))
    assert np.allclose(np.sqrt((projected**2).sum(axis=0)), np.minimum(length, 0.5))
    assert np.allclose(projected[:, length < 0.5], field[:, length < 0.5])


@pytest.mark.parametrize("shape", [(40, 37), (3, 9, 8), (2, 3, 70, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.complex64, *DOUBLE])
def test_fused_loops_equal_the_difference_operator(shape, dtype):
    x = drawn(shape, 5, dtype)
    prior = TotalVariation(0.4, spacing=(1.5, 2.0, 0.5)[-min(len(shape), 3) :])
    gradient = prior.difference(x)
    field = prior.zero_field(x)
    prior.ascend(field, x, 0.7, field)
    expected = prior.proximal_dual(0.7 * gradient(x))
    assert np.allclose(field.reshape(expected.shape), expected, atol=1e-6)
    back = prior.add_adjoint(field, x, factor=-2.0)
    assert np.allclose(back, x - 2.0 * gradient.adjoint(expected), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.complex64, *DOUBLE])
def test_soft_thresholding_minimises(dtype):
    x = drawn((7,), 6, dtype)
    weight = np.linspace(0.0, 1.5, 7)
    found = L1(weight).proximal(x, 0.8)
    for start, limit, reached in zip(x.astype(complex), weight, found, strict=True):

        def objective(parts, start=start, limit=limit):
            u = complex(*parts)
            return limit * abs(u) + abs(u - start) ** 2 / 1.6

        best = minimize(
            objective, [start.real, start.imag], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-14}
        )
        assert np.isclose(reached, complex(*best.x), atol=1e-5)


@pytest.mark.parametrize("weight", [0.0, 1e-21])
def test_vanishing_magnitudes_stay_finite(weight):
    """Their squares are subnormal in single precision."""
    x = (10.0 ** -np.arange(15.0, 45.0) * np.exp(1j)).astype(np.complex64)
    assert np.allclose(L1(weight).proximal(x, 1.0), x, atol=2e-19, rtol=1e-6)


def test_sparsity_of_wavelet_coefficients():
    x = drawn((32, 32), 7, np.complex64)
    transform = Wavelet((32, 32), dtype=np.complex64)
    prior = L1(0.4 * transform.details(), transform)
    coefficients = transform(x)
    size = np.abs(coefficients)
    shrunk = coefficients * np.maximum(1.0 - 0.4 * transform.details() / size, 0.0)
    assert np.allclose(prior.proximal(x, 1.0), transform.adjoint(shrunk))
    assert np.isclose(prior.value(x), (0.4 * transform.details() * size).sum())


def test_random_shifts_average_to_fewer_blocks():
    flat = np.zeros((64, 64), np.float32)
    flat[20:44, 13:50] = 1.0
    noisy = flat + np.float32(0.3) * drawn((64, 64), 8)
    transform = Wavelet((64, 64), wavelet="haar", dtype=np.float32)
    still = L1(0.6, transform)
    moving = L1(0.6, transform, random_shifts=np.random.default_rng(0))
    average = np.mean([moving.proximal(noisy, 1.0) for _ in range(32)], axis=0)
    # Nine tenths: clearly less, with no claim of how much.
    assert np.linalg.norm(average - flat) < 0.9 * np.linalg.norm(still.proximal(noisy, 1.0) - flat)


def test_tikhonov():
    x, reference = drawn((4, 5), 9), drawn((4, 5), 10)
    prior = Tikhonov(0.7, reference=reference)
    assert np.isclose(prior.value(x), 0.35 * ((x - reference) ** 2).sum())
    assert np.allclose(prior.gradient(x), 0.7 * (x - reference))
    # The proximal map is where the gradient of the sum vanishes.
    u = prior.proximal(x, 2.0)
    assert np.allclose(prior.gradient(u) + (u - x) / 2.0, 0.0, atol=1e-6)  # single precision
    smooth = Tikhonov(0.7, FiniteDifference((4, 5), dtype=np.float32))
    direction = drawn((4, 5), 11)
    # Of a quadratic form the slope is exact at any step.
    slope = smooth.value(x + direction / 2) - smooth.value(x - direction / 2)
    assert np.isclose(slope, np.vdot(direction, smooth.gradient(x)))
    with pytest.raises(UnsupportedError, match="proximal"):
        smooth.proximal(x, 1.0)


def test_non_negativity_projects():
    x = np.array([-1.0, 0.0, 2.0])
    assert np.array_equal(NonNegativity().proximal(x, 0.1), [0.0, 0.0, 2.0])
    assert NonNegativity().value(x) == np.inf
    assert NonNegativity().value(np.abs(x)) == 0.0


def test_support_functions_on_a_box():
    z = np.array([-1.0, 0.5, 2.0])
    assert NonNegativity().support(z, 3.0) == 7.5
    assert Zero().support(z, 3.0) == 10.5
    assert Zero().value(z) == 0.0


def test_precision_is_kept():
    x = np.ones((8, 8), np.float32)
    for prior in (L1(0.1), TotalVariation(0.1), Tikhonov(0.1), Zero()):
        assert prior.proximal(x, 0.5).dtype == np.float32


def test_wrong_weights_are_refused():
    for make in (L1, TotalVariation, Tikhonov):
        with pytest.raises(InvalidInputError, match="weight"):
            make(-1.0)
    with pytest.raises(InvalidInputError, match="dimensions"):
        TotalVariation(1.0, dimensions=4)
    with pytest.raises(InvalidInputError, match="dimensions"):
        TotalVariation(1.0).value(np.ones((2, 2, 2, 2)))
    with pytest.raises(InvalidInputError, match="Wavelet"):
        L1(1.0, Identity((3,)), random_shifts=np.random.default_rng(0))
