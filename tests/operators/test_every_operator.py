"""One test finds every operator: exact adjoint in both precisions, and linearity against its dense matrix."""

import numpy as np
import pytest

from pellucid.testing import adjoint_gap, dense_matrix, operator_classes
from pellucid.testing.adjoint import draw

CLASSES = operator_classes()


def pairs():
    """Each operator in both precisions: in that of reconstructions, and in double with the long tests."""
    for cls in CLASSES:
        yield pytest.param(cls, np.float32, 1e-6, id=f"{cls.__name__}-float32")
        yield pytest.param(cls, np.float64, 1e-10, id=f"{cls.__name__}-float64", marks=pytest.mark.slow)


@pytest.mark.parametrize(("cls", "dtype", "limit"), list(pairs()))
def test_adjoint(cls, dtype, limit):
    operators = list(cls.examples(dtype))
    assert operators, f"{cls.__name__} shows no examples"
    for operator in operators:
        for seed in range(3):
            assert adjoint_gap(operator, seed) <= limit, operator


@pytest.mark.parametrize(("cls", "dtype", "limit"), list(pairs()))
def test_adjoint_matrix_is_the_conjugate_transpose(cls, dtype, limit):
    for operator in cls.examples(dtype):
        matrix = dense_matrix(operator)
        assert np.allclose(dense_matrix(operator.H), matrix.conj().T, atol=10 * limit * np.abs(matrix).max())
        x = draw(operator.shape_in, operator.dtype, 5)
        assert np.allclose(operator(x).ravel(), matrix @ x.ravel(), atol=10 * limit * np.abs(matrix).sum(axis=1).max())
