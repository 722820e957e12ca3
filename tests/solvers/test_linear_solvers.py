"""Conjugate gradients, CGLS and SIRT against dense linear algebra."""

import numpy as np
import pytest

from pellucid.errors import InvalidInputError
from pellucid.functionals import LeastSquares
from pellucid.operators import Diagonal, Identity
from pellucid.solvers import cgls, conjugate_gradient, last, sirt
from pellucid.testing import Matrix, draw


def drawn(shape, seed, dtype=np.float64):
    return draw(shape, np.dtype(dtype), seed)


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_conjugate_gradients_solve_n_unknowns_in_n_steps(dtype):
    root = drawn((8, 8), 0, dtype)
    matrix = root @ root.conj().T + 4.0 * np.eye(8)
    b = drawn((8,), 1, dtype)
    states = list(conjugate_gradient(Matrix(matrix), b, iterations=8))
    assert [state.iteration for state in states] == list(range(1, 9))
    assert np.allclose(states[-1].x, np.linalg.solve(matrix, b), atol=1e-9)
    assert states[-1].value < 1e-8 * np.linalg.norm(b)


def test_conjugate_gradients_start_where_told_and_stop_when_done():
    matrix = np.diag(np.arange(1.0, 9.0))
    b = drawn((8,), 2)
    solution = b / np.arange(1.0, 9.0)
    assert len(list(conjugate_gradient(Matrix(matrix), b, x0=solution, iterations=5))) == 1
    first = next(conjugate_gradient(Matrix(matrix), b, x0=2 * solution, iterations=5))
    assert np.linalg.norm(first.x - solution) < np.linalg.norm(solution)
    stopped = list(conjugate_gradient(Matrix(matrix), b, iterations=8, tolerance=0.05))
    assert len(stopped) < 8
    assert np.isclose(stopped[-1].value, np.linalg.norm(b - matrix @ stopped[-1].x))
    assert stopped[-1].value <= 0.05 * np.linalg.norm(b)


def test_conjugate_gradients_refuse_an_indefinite_operator():
    with pytest.raises(InvalidInputError, match="positive"):
        list(conjugate_gradient(Diagonal(np.array([1.0, -1.0])), np.array([0.1, 1.0]), iterations=3))


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("damping", [0.0, 0.7])
def test_cgls_equals_dense_least_squares(dtype, damping):
    matrix, y = drawn((20, 8), 3, dtype), drawn((20,), 4, dtype)
    stacked = np.concatenate([matrix, damping * np.eye(8)])
    expected = np.linalg.lstsq(stacked, np.concatenate([y, np.zeros(8)]))[0]
    states = list(cgls(Matrix(matrix), y, iterations=8, damping=damping))
    assert np.allclose(states[-1].x, expected, atol=1e-9)
    value = 0.5 * np.linalg.norm(matrix @ expected - y) ** 2 + 0.5 * damping**2 * np.linalg.norm(expected) ** 2
    assert np.isclose(states[-1].value, value)
    warm = list(cgls(Matrix(matrix), y, x0=drawn((8,), 5, dtype), iterations=8, damping=damping))
    assert np.allclose(warm[-1].x, expected, atol=1e-9)


def test_cgls_gives_the_smallest_solution_where_there_are_many():
    matrix, y = drawn((5, 9), 6), drawn((5,), 7)
    assert np.allclose(last(cgls(Matrix(matrix), y, iterations=5), total=5), np.linalg.pinv(matrix) @ y)


def test_cgls_stops_at_its_tolerance_and_at_zero():
    matrix, y = drawn((20, 8), 8), drawn((20,), 9)
    stopped = list(cgls(Matrix(matrix), y, iterations=8, tolerance=0.1))
    assert len(stopped) < 8
    gradient = matrix.T @ (y - matrix @ stopped[-1].x)
    assert np.linalg.norm(gradient) <= 0.1 * np.linalg.norm(matrix.T @ y)
    assert len(list(cgls(Matrix(matrix), np.zeros(20), iterations=5))) == 1


def test_sirt_reaches_the_weighted_least_squares_solution():
    matrix, y = np.abs(drawn((20, 4), 10)), drawn((20,), 11)
    rows = 1.0 / matrix.sum(axis=1)
    weighted = np.sqrt(rows)[:, None] * matrix
    expected = np.linalg.lstsq(weighted, np.sqrt(rows) * y)[0]
    states = list(sirt(Matrix(matrix), y, iterations=600, relaxation=1.5))
    assert np.allclose(states[-1].x, expected, atol=1e-6)
    assert np.isclose(states[-1].value, 0.5 * (rows * (matrix @ states[-1].x - y) ** 2).sum())
    assert np.all(np.diff([state.value for state in states]) <= 1e-12)


def test_sirt_leaves_out_empty_rows_and_columns():
    matrix = np.abs(drawn((6, 4), 12))
    matrix[2], matrix[:, 1] = 0.0, 0.0
    x = last(sirt(Matrix(matrix), np.ones(6), iterations=50), total=50)
    assert x[1] == 0.0
    assert np.all(np.isfinite(x))


def test_sirt_can_keep_values_non_negative():
    matrix, truth = np.abs(drawn((20, 4), 13)), np.array([1.0, -2.0, 0.5, 3.0])
    states = list(sirt(Matrix(matrix), matrix @ truth, iterations=300, non_negative=True))
    assert states[-1].x.min() == 0.0
    assert LeastSquares(Matrix(matrix), matrix @ truth).value(states[-1].x) > 0.0


def test_wrong_arguments_are_refused():
    one = Identity((3,), np.float64)
    with pytest.raises(InvalidInputError, match="relaxation"):
        next(sirt(one, np.ones(3), iterations=1, relaxation=2.0))
    with pytest.raises(InvalidInputError, match="y"):
        next(cgls(one, np.ones(4), iterations=1))
    with pytest.raises(InvalidInputError, match="x0"):
        next(cgls(one, np.ones(3), x0=np.ones(4), iterations=1))
    with pytest.raises(InvalidInputError, match="complex"):
        next(conjugate_gradient(one, np.ones(3) * 1j, iterations=1))
