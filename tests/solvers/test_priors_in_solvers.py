"""FISTA and the primal-dual method against closed forms and an independent minimiser."""

import numpy as np
import pytest

from pellucid.errors import InvalidInputError
from pellucid.functionals import (
    L1,
    KullbackLeibler,
    LeastSquares,
    NonNegativity,
    SquaredDistance,
    TotalVariation,
    Zero,
)
from pellucid.operators import Fourier, Identity
from pellucid.solvers import fista, last, pdhg, total_variation_pdhg
from pellucid.testing import Matrix, draw
from validation.core import smoothed_minimum, total_variation_by_matrices


def drawn(shape, seed, dtype=np.float32):
    return draw(shape, np.dtype(dtype), seed)


def test_fista_with_an_orthonormal_map_is_one_soft_threshold():
    operator = Fourier((6, 5), dtype=np.complex128)
    y = drawn((6, 5), 0, np.complex128)
    prior = L1(0.4)
    states = list(fista(LeastSquares(operator, y), prior, x0=np.zeros((6, 5), complex), iterations=3, step=1.0))
    assert np.allclose(states[-1].x, prior.proximal(operator.adjoint(y), 1.0))


def test_fista_meets_the_optimality_condition_of_the_lasso():
    matrix, y = drawn((12, 20), 1), drawn((12,), 2)
    step = 1.0 / np.linalg.norm(matrix, 2) ** 2
    x = last(fista(LeastSquares(Matrix(matrix), y), L1(1.0), x0=np.zeros(20), iterations=2000, step=step), total=2000)
    correlation = matrix.T @ (y - matrix @ x)
    used = np.abs(x) > 1e-9
    assert 0 < used.sum() < 12
    assert np.allclose(correlation[used], np.sign(x[used]), atol=1e-7)
    assert np.abs(correlation[~used]).max() <= 1.0 + 1e-7


def test_fista_states_are_independent_arrays_with_the_objective_at_the_end():
    matrix, y = drawn((12, 6), 3), drawn((12,), 4)
    smooth, prior = LeastSquares(Matrix(matrix), y), NonNegativity()
    step = 1.0 / np.linalg.norm(matrix, 2) ** 2
    states = list(fista(smooth, prior, x0=np.zeros(6), iterations=500, step=step))
    assert len({id(state.x) for state in states}) == 500
    assert np.isclose(states[-1].value, smooth.value(states[-1].x))


@pytest.mark.parametrize("relaxation", [1.0, 1.8])
def test_primal_dual_denoising_equals_the_slow_reference(relaxation):
    x = drawn((7, 8), 5)
    states = list(
        total_variation_pdhg(
            Identity(x.shape, np.float32), x, weight=0.3, iterations=400, non_negative=False, relaxation=relaxation
        )
    )
    assert np.allclose(states[-1].x, total_variation_by_matrices(x, 0.3, (1.0, 1.0)), atol=2e-4)
    assert states[-1].gap < 1e-4 * states[-1].value


def test_primal_dual_least_squares_reaches_the_smoothed_minimum():
    shape = (5, 6)
    matrix, y = np.abs(drawn((40, 30), 6)), np.abs(drawn((40,), 7)) * 10
    least = smoothed_minimum(lambda x: (0.5 * ((matrix @ x - y) ** 2).sum(), matrix.T @ (matrix @ x - y)), 5.0, shape)
    states = list(total_variation_pdhg(Matrix(matrix, shape), y, weight=5.0, iterations=1500))
    # The independent minimiser is itself good to about 1e-5: its smoothing is 1e-5 per difference.
    assert np.isclose(states[-1].value, least, rtol=1e-5)
    assert 0.0 <= states[-1].gap + 1e-9 * least < 1e-3 * least
    assert states[-1].x.min() >= 0.0


def test_primal_dual_counts_close_their_gap():
    # The value is compared in the registered checks; here is what its gap says.
    matrix, counts = np.abs(drawn((40, 30), 8)), np.abs(drawn((40,), 9)) * 10
    total_variation, prior = TotalVariation(0.5), NonNegativity()
    term = KullbackLeibler(counts, 1.0)
    operator = Matrix(matrix, (5, 6))
    states = list(pdhg(operator, term, total_variation=total_variation, prior=prior, iterations=1500))
    assert abs(states[-1].gap) < 1e-3 * states[-1].value


def test_primal_dual_without_total_variation_is_least_squares():
    matrix, y = drawn((20, 6), 10, np.complex128), drawn((20,), 11, np.complex128)
    x = last(pdhg(Matrix(matrix), SquaredDistance(y), iterations=400), total=400)
    assert np.allclose(x, np.linalg.lstsq(matrix, y)[0], atol=1e-6)


def test_the_gap_bounds_the_distance_to_the_minimum():
    matrix, y = np.abs(drawn((40, 30), 12)), np.abs(drawn((40,), 13)) * 10
    states = list(total_variation_pdhg(Matrix(matrix, (5, 6)), y, weight=5.0, iterations=800))
    least = min(state.value for state in states)
    for state in states[20::50]:
        assert state.gap >= state.value - least - 1e-9 * least


def test_scaling_the_units_scales_the_iterates():
    # The same problem in other units of signal and image takes the same path.
    matrix, y = np.abs(drawn((40, 30), 14)), np.abs(drawn((40,), 15))
    once = last(total_variation_pdhg(Matrix(matrix, (5, 6)), y, weight=0.5, iterations=30), total=30)
    scaled = Matrix(0.01 * matrix, (5, 6))
    other = last(total_variation_pdhg(scaled, 7.0 * y, weight=0.5 * 0.07, iterations=30), total=30)
    assert np.allclose(other, 700.0 * once, rtol=1e-6)


def test_starting_at_the_solution_stays_there():
    x = np.full((5, 6), 2.0, np.float32)
    first = next(total_variation_pdhg(Identity(x.shape, np.float32), x, weight=0.3, iterations=1, x0=x))
    assert np.allclose(first.x, x)


def test_wrong_arguments_are_refused():
    one = Identity((3, 3))
    with pytest.raises(InvalidInputError, match="relaxation"):
        next(total_variation_pdhg(one, np.ones((3, 3)), weight=1.0, iterations=1, relaxation=2.0))
    with pytest.raises(InvalidInputError, match="operator_norm"):
        next(pdhg(one, SquaredDistance(np.ones((3, 3))), prior=Zero(), iterations=1, operator_norm=0.0))
