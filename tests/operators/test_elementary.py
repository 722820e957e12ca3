"""Weights, masks, differences and the algebra of operators."""

import numpy as np
import pytest

from pellucid.errors import InvalidInputError
from pellucid.operators import Diagonal, FiniteDifference, Fourier, Identity, Sampling, VerticalStack
from pellucid.testing.adjoint import draw


def test_coil_maps_multiply_and_their_adjoint_combines():
    maps = draw((3, 4, 5), np.dtype(np.complex128), 0)
    x, y = draw((4, 5), maps.dtype, 1), draw((3, 4, 5), maps.dtype, 2)
    operator = Diagonal(maps, shape_in=(4, 5))
    assert np.allclose(operator(x), maps * x)
    assert np.allclose(operator.adjoint(y), (maps.conj() * y).sum(axis=0))


def test_a_mask_is_a_projection():
    mask = np.eye(4, 5, dtype=bool)
    x = draw((2, 4, 5), np.dtype(np.complex64), 3)
    operator = Sampling(mask, shape_in=x.shape)
    assert np.array_equal(operator(x), np.where(mask, x, 0))
    assert np.array_equal(operator(operator(x)), operator(x))


def test_masks_and_weights_that_do_not_fit_are_refused():
    with pytest.raises(InvalidInputError, match="boolean"):
        Sampling(np.ones((4, 5)))
    with pytest.raises(InvalidInputError, match="mask"):
        Sampling(np.ones((3, 4, 5), bool), shape_in=(4, 5))
    with pytest.raises(InvalidInputError, match="diagonal"):
        Diagonal(np.ones((3, 4)), shape_in=(4, 5))
    with pytest.raises(InvalidInputError, match="expected real"):
        Diagonal(np.ones(4) * 1j, dtype=np.float32)


@pytest.mark.parametrize("shape", [(7,), (4, 300), (3, 50, 70), (2, 3, 4, 5)])
def test_differences_per_millimetre_with_a_flat_edge(shape):
    spacing = [0.5 + axis for axis in range(len(shape))]
    x = draw(shape, np.dtype(np.float32), 4)
    y = FiniteDifference(shape, spacing=spacing, dtype=np.float32)(x)
    for axis in range(len(shape)):
        last = np.take(x, [-1], axis)
        assert np.allclose(y[axis], np.diff(x, axis=axis, append=last) / spacing[axis])


def test_the_norm_of_differences_approaches_its_bound():
    operator = FiniteDifference((40, 40), spacing=(2.0, 1.0), dtype=np.float32)
    assert 0.98 * operator.norm_bound < operator.norm(iterations=300) <= operator.norm_bound


def test_spacing_must_be_positive():
    with pytest.raises(InvalidInputError, match="spacing"):
        FiniteDifference((4, 5), spacing=(1.0, 0.0))


def test_sums_stacks_and_products():
    x = draw((4, 5), np.dtype(np.complex128), 5)
    fourier, one = Fourier((4, 5), dtype=np.complex128), Identity((4, 5), np.complex128)
    assert np.allclose((fourier + one * 2j)(x), fourier(x) + 2j * x)
    assert np.allclose((one + one + one)(x), 3 * x)
    assert np.allclose((fourier.H @ fourier)(x), x)
    assert np.allclose(VerticalStack([one, fourier]).adjoint(np.stack([x, x])), x + fourier.adjoint(x))


def test_adding_leaves_the_argument_alone():
    x = np.ones((4, 5), np.float32)
    one = Identity((4, 5))
    (one + one + one)(x)
    assert np.array_equal(x, np.ones((4, 5)))


def test_wrong_shapes_and_kinds_are_refused_in_one_line():
    with pytest.raises(InvalidInputError, match=r"\(5, 4\); expected shape_in = \(4, 5\)"):
        Identity((4, 5))(np.ones((5, 4), np.float32))
    with pytest.raises(InvalidInputError, match="expected real"):
        Identity((4, 5))(np.ones((4, 5), np.complex64))
    with pytest.raises(InvalidInputError, match="cannot follow"):
        Identity((4, 5)) @ Identity((5, 4))
    with pytest.raises(InvalidInputError, match="cannot be added"):
        Identity((4, 5)) + Identity((5, 4))
    with pytest.raises(InvalidInputError, match="complex"):
        Identity((4, 5)) * 2j


def test_the_norm_is_the_largest_singular_value():
    assert np.isclose(Diagonal(np.array([1.0, -3.0, 2.0])).norm(), 3.0)
    assert Diagonal(np.zeros(3)).norm() == 0.0
