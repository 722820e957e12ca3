"""MLEM and OSEM against exact maximum likelihood."""

import numpy as np
import pytest

from pellucid.errors import InvalidInputError
from pellucid.functionals import PoissonLikelihood
from pellucid.operators import Fourier
from pellucid.solvers import Subset, last, mlem, osem
from pellucid.testing import Matrix, draw


def drawn(shape, seed, dtype=np.float64):
    return draw(shape, np.dtype(dtype), seed)


MATRIX = np.abs(drawn((15, 4), 0))
TRUTH = np.array([3.0, 0.0, 10.0, 5.0])
COUNTS = np.random.default_rng(1).poisson(MATRIX @ TRUTH + 2.0).astype(float)


def test_one_iteration_is_the_formula():
    start = np.array([1.0, 2.0, 3.0, 4.0])
    x = next(mlem(Matrix(MATRIX), COUNTS, background=2.0, x0=start, iterations=1)).x
    expected = start / MATRIX.sum(axis=0) * (MATRIX.T @ (COUNTS / (MATRIX @ start + 2.0)))
    assert np.allclose(x, expected)


def test_the_likelihood_never_falls_and_counts_are_kept():
    likelihood = PoissonLikelihood(Matrix(MATRIX), COUNTS)
    values = []
    for state in mlem(Matrix(MATRIX), COUNTS, iterations=30):
        values.append(state.value)
        assert np.isclose((MATRIX @ state.x).sum(), COUNTS.sum())
        reached = likelihood.value(state.x)
    assert np.all(np.diff(values) <= 1e-9)
    assert reached <= values[-1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [0.0, 1e-12, 7.0])
def test_voxels_that_fade_away_leave_the_others_finite(dtype, count):
    """Below the smallest normal number 1/expectation overflows: such a bin is left out as one that expects nothing."""
    faint = np.finfo(dtype).tiny / 100
    matrix = np.tile(np.eye(3, dtype=dtype), (5, 1))
    counts = np.tile(np.array([count, count, 3.0], dtype), 5)
    start = np.array([faint, 0.0, 1.0], dtype)
    x = last(mlem(Matrix(matrix), counts, x0=start, iterations=3), total=3)
    assert x.tolist() == pytest.approx([0.0, 0.0, 3.0], abs=1e-30)


def test_one_subset_is_mlem_and_many_are_faster():
    operator = Matrix(MATRIX)
    plain = last(mlem(operator, COUNTS, background=2.0, iterations=5), total=5)
    assert np.array_equal(plain, last(osem([Subset(operator, COUNTS, 2.0)], iterations=5), total=5))
    exact = MATRIX @ TRUTH
    subsets = [Subset(Matrix(MATRIX[k::3].copy()), exact[k::3]) for k in range(3)]
    many = last(osem(subsets, iterations=5), total=5)
    single = last(mlem(operator, exact, iterations=5), total=5)
    assert np.linalg.norm(many - TRUTH) < 0.6 * np.linalg.norm(single - TRUTH)


def test_consistent_data_are_fitted_exactly():
    truth = TRUTH + 1.0  # away from 0, which is approached slowly
    exact = MATRIX @ truth
    subsets = [Subset(Matrix(MATRIX[k::3].copy()), exact[k::3]) for k in range(3)]
    x = last(osem(subsets, iterations=1000), total=1000)
    assert np.allclose(x, truth, atol=1e-6)


def test_voxels_nobody_sees_become_zero_and_others_wait_for_their_subset():
    matrix = MATRIX.copy()
    matrix[:, 3] = 0.0
    matrix[::2, 1] = 0.0
    subsets = [Subset(Matrix(matrix[k::2].copy()), COUNTS[k::2]) for k in range(2)]
    x = next(osem(subsets, iterations=1)).x
    assert x[3] == 0.0
    assert np.all(np.isfinite(x))
    alone = next(osem(subsets[:1], x0=np.full(4, 7.0), iterations=1)).x
    assert alone[1] == 0.0
    both = next(osem([subsets[0], subsets[1]], x0=np.full(4, 7.0), iterations=1)).x
    assert both[1] > 0.0


def test_no_counts_and_no_expectation():
    x = last(mlem(Matrix(MATRIX), np.zeros(15), iterations=2), total=2)
    assert np.array_equal(x, np.zeros(4))
    # Counts where nothing is expected: the bin is left out, nothing becomes infinite.
    matrix = MATRIX.copy()
    matrix[0] = 0.0
    with_counts = last(mlem(Matrix(matrix), np.maximum(COUNTS, 1.0), iterations=3), total=3)
    without = COUNTS.copy()
    without = np.maximum(without, 1.0)
    without[0] = 0.0
    assert np.allclose(with_counts, last(mlem(Matrix(matrix), without, iterations=3), total=3))


def test_a_given_sensitivity_is_used():
    x = next(mlem(Matrix(MATRIX), COUNTS, sensitivity=2.0 * MATRIX.sum(axis=0), iterations=1)).x
    assert np.allclose(2.0 * x, next(mlem(Matrix(MATRIX), COUNTS, iterations=1)).x)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"counts": -COUNTS}, "counts"),
        ({"counts": COUNTS[1:]}, "counts"),
        ({"x0": -np.ones(4)}, "x0"),
        ({"x0": np.ones(5)}, "x0"),
        ({"sensitivity": np.ones(5)}, "sensitivity"),
        ({"background": -1.0}, "background"),
    ],
)
def test_wrong_arguments_are_refused(arguments, named):
    with pytest.raises(InvalidInputError, match=named):
        next(mlem(Matrix(MATRIX), **{"counts": COUNTS, "iterations": 1, **arguments}))


def test_wrong_subsets_are_refused():
    with pytest.raises(InvalidInputError, match="subsets"):
        next(osem([], iterations=1))
    with pytest.raises(InvalidInputError, match="subset 1"):
        next(osem([Subset(Matrix(MATRIX), COUNTS), Subset(Matrix(MATRIX[:, :3].copy()), COUNTS)], iterations=1))
    with pytest.raises(InvalidInputError, match="real"):
        next(mlem(Fourier((3,)), np.ones(3), iterations=1))
