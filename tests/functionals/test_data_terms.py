"""Data terms: gradients by finite differences, proximal maps and conjugates by brute force."""

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from pellucid.errors import InvalidInputError
from pellucid.functionals import (
    KullbackLeibler,
    LeastSquares,
    PoissonLikelihood,
    SquaredDistance,
    moreau_dual,
)
from pellucid.operators import Diagonal, Fourier
from pellucid.testing.adjoint import draw


def slope(function, x, direction, step=1e-6):
    return (function(x + step * direction) - function(x - step * direction)) / (2 * step)


def drawn(shape, seed, dtype=np.float64):
    return draw(shape, np.dtype(dtype), seed)


@pytest.mark.parametrize("weights", [None, np.linspace(0.0, 2.0, 20).reshape(4, 5)])
def test_least_squares_gradient(weights):
    operator = Fourier((4, 5))
    term = LeastSquares(operator, drawn((4, 5), 0, np.complex64), weights)
    x = drawn((4, 5), 1, np.complex64)
    for seed in (2, 3):
        direction = drawn((4, 5), seed, np.complex64)
        # Of a quadratic form the slope is exact at any step, but for the rounding of single precision.
        found = slope(term.value, x, direction, step=0.5)
        assert np.isclose(found, np.vdot(direction, term.gradient(x)).real, rtol=1e-4, atol=1e-4)
    value, gradient = term.value_and_gradient(x)
    assert np.isclose(value, term.value(x))
    assert np.allclose(gradient, term.gradient(x))


def test_poisson_gradient():
    operator = Diagonal(np.array([0.5, 2.0, 1.0, 3.0]))
    term = PoissonLikelihood(operator, np.array([0.0, 3.0, 7.0, 1.0]), background=np.array([0.1, 0.0, 2.0, 0.0]))
    x = np.array([1.0, 0.7, 2.0, 0.3])
    for axis in range(4):
        assert np.isclose(slope(term.value, x, np.eye(4)[axis]), term.gradient(x)[axis], rtol=1e-6)


def test_poisson_value_is_the_deviance():
    # y = 4, e = 2: 2 - 4 + 4 ln 2; y = 0, e = 3: 3; y = e: 0.
    term = KullbackLeibler(np.array([4.0, 0.0, 5.0]), background=np.array([1.0, 0.0, 5.0]))
    assert np.isclose(term.value(np.array([1.0, 3.0, 0.0])), -2.0 + 4.0 * np.log(2.0) + 3.0)


def test_poisson_at_the_edge_of_its_domain():
    term = KullbackLeibler(np.array([0.0, 2.0]))
    assert term.value(np.array([0.0, 2.0])) == 0.0
    assert term.value(np.array([0.0, 0.0])) == np.inf
    assert term.value(np.array([-1e-9, 2.0])) == np.inf
    assert np.array_equal(term.gradient(np.array([0.0, 0.0])), [1.0, 0.0])
    assert np.array_equal(term.gradient(np.array([-1.0, -1.0])), [1.0, 0.0])


def each_alone(shape):
    """Data terms of one number each."""
    y = np.abs(drawn(shape, 5)) * 3
    y[0] = 0.0
    weights = np.abs(drawn(shape, 6))
    background = np.abs(drawn(shape, 7))
    yield [SquaredDistance(v) for v in y], SquaredDistance(y)
    yield [SquaredDistance(v, w) for v, w in zip(y, weights, strict=True)], SquaredDistance(y, weights)
    yield [KullbackLeibler(v, b) for v, b in zip(y, background, strict=True)], KullbackLeibler(y, background)


@pytest.mark.parametrize("step", [0.2, 1.0, 5.0])
def test_proximal_maps_minimise(step):
    z = drawn((6,), 8) * 3
    for singles, whole in each_alone((6,)):
        found = whole.proximal(z, step)
        for single, start, reached in zip(singles, z, found, strict=True):
            low = max(-20.0, -single.background.item() if isinstance(single, KullbackLeibler) else -20.0)
            best = minimize_scalar(
                lambda u, single=single, start=start: single.value(np.array(u)) + (u - start) ** 2 / (2 * step),
                bounds=(low, 20.0),
                method="bounded",
                options={"xatol": 1e-10},
            )
            assert np.isclose(reached, best.x, atol=1e-5)


@pytest.mark.parametrize("step", [0.2, 1.0, 5.0])
def test_dual_proximal_maps_satisfy_moreaus_identity(step):
    p = drawn((6,), 9) * 2
    for _, whole in each_alone((6,)):
        assert np.allclose(whole.proximal_dual(p, step), moreau_dual(whole, p, step), atol=1e-10)


def test_conjugates_are_the_largest_difference():
    p = np.array([-1.0, -0.3, 0.2, 0.6, 0.9, -2.0])
    for _, whole in each_alone((6,)):
        lowest = -getattr(whole, "background", 1e3 * np.ones(6)) + 1e-9

        def difference(z, whole=whole):
            return whole.value(z) - float(p @ z)

        start = np.maximum(whole.counts if isinstance(whole, KullbackLeibler) else whole.y, 0.1)
        best = minimize(difference, start, bounds=[(low, None) for low in lowest], tol=1e-12)
        assert np.isclose(-best.fun, whole.conjugate(p), rtol=1e-5)


def test_conjugates_are_infinite_outside_their_domain():
    assert KullbackLeibler(np.array([1.0])).conjugate(np.array([1.0])) == np.inf
    assert KullbackLeibler(np.array([0.0])).conjugate(np.array([1.5])) == np.inf
    assert SquaredDistance(np.ones(2), np.array([1.0, 0.0])).conjugate(np.array([1.0, 0.1])) == np.inf


def test_wrong_data_are_refused():
    with pytest.raises(InvalidInputError, match="counts"):
        KullbackLeibler(np.array([1.0, -1.0]))
    with pytest.raises(InvalidInputError, match="background"):
        KullbackLeibler(np.array([1.0, 1.0]), background=np.nan)
    with pytest.raises(InvalidInputError, match="weights"):
        SquaredDistance(np.ones(2), np.array([1.0, -1.0]))
    with pytest.raises(InvalidInputError, match="y"):
        LeastSquares(Diagonal(np.ones(3)), np.ones(4))
    with pytest.raises(InvalidInputError, match="y"):
        PoissonLikelihood(Diagonal(np.ones(3)), np.ones(4))
