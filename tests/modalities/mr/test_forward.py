"""Encoding operators against sums written out, and their fused normal operators against the dense product."""

import numpy as np
import pytest

from pellucid.errors import InvalidInputError
from pellucid.modalities.mr import forward
from pellucid.testing import dense_matrix
from validation import mr_phantom


def test_cartesian_encoding_is_the_sum_of_its_definition():
    generator = np.random.default_rng(0)
    rows, columns, coils, maps = 5, 8, 3, 2
    sensitivities = generator.standard_normal((maps, coils, rows, columns, 2)).view(complex)[..., 0]
    mask = generator.random((rows, columns)) < 0.6
    x = generator.standard_normal((maps, rows, columns, 2)).view(complex)[..., 0]
    got = forward.SenseEncoding(sensitivities, mask)(x)
    for coil in range(coils):
        seen = np.sum(sensitivities[:, coil] * x, axis=0)
        for v in range(rows):
            for u in range(columns):
                angle = (v - 2) * (np.arange(rows) - 2)[:, None] / rows + (u - 4) * (np.arange(columns) - 4) / columns
                expected = np.sum(seen * np.exp(-2j * np.pi * angle)) / np.sqrt(rows * columns) * mask[v, u]
                assert abs(got[coil, v, u] - expected) < 1e-12


@pytest.mark.parametrize(
    ("dtype", "limit"), [(np.float32, 1e-5), pytest.param(np.float64, 1e-9, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("cls", [forward.SenseEncoding, forward.NonCartesianEncoding])
def test_normal_operator_is_the_product(cls, dtype, limit):
    for encoding in cls.examples(dtype):
        matrix = dense_matrix(encoding)
        if cls is forward.SenseEncoding:
            normal = dense_matrix(encoding.gram)
            expected = matrix.conj().T @ matrix
        else:
            weights = np.random.default_rng(1).random(encoding.shape_out[1:])
            normal = dense_matrix(encoding.normal(weights, damping=0.5))
            diagonal = np.broadcast_to(weights, encoding.shape_out).ravel()
            expected = matrix.conj().T @ (diagonal[:, None] * matrix) + 0.5 * np.eye(matrix.shape[1])
        assert np.abs(normal - expected).max() < limit * np.abs(expected).max()


def test_wrong_parts_are_refused():
    maps = np.ones((1, 2, 5, 6), np.complex64)
    with pytest.raises(InvalidInputError, match="mask"):
        forward.SenseEncoding(maps, np.ones((6, 5), np.bool_))
    with pytest.raises(InvalidInputError, match="axes"):
        forward.SenseEncoding(maps, np.ones((5, 6), np.bool_), (2,))
    with pytest.raises(InvalidInputError, match="sensitivities"):
        forward.CoilSensitivity(np.ones((2, 5), np.complex64))


def test_exact_kspace_of_coils_is_the_transform_of_the_product():
    """A finer and finer sum over the phantom times the sensitivities comes near the exact k-space."""
    receive = mr_phantom.coils()
    k = np.array([[0.0, 0.0], [0.004, -0.01], [-0.02, 0.015]])
    exact = mr_phantom.exact_kspace(receive, k, 64)
    size = 512
    pixel = mr_phantom.FIELD_OF_VIEW_MM / size
    points = mr_phantom.grid_mm(size)
    product = mr_phantom.truth(size) * receive.sensitivity(points)
    turn = np.exp(-2j * np.pi * np.einsum("yxd,kd->kyx", points, k))
    summed = np.einsum("cyx,kyx->ck", product, turn) * pixel**2 / ((mr_phantom.FIELD_OF_VIEW_MM / 64) ** 2 * 64)
    assert np.abs(summed - exact).max() < 2e-3 * np.abs(exact).max()
    line = (np.arange(6) - 3) / mr_phantom.FIELD_OF_VIEW_MM
    grid = np.stack(np.meshgrid(line, line, indexing="xy"), axis=-1)
    assert np.allclose(mr_phantom.grid_kspace(receive, 6), mr_phantom.exact_kspace(receive, grid, 6), rtol=1e-5)
