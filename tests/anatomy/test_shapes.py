"""Ray integrals and Fourier transforms of shapes against sums over fine grids that share no code with them."""

import numpy as np
import pytest

from pellucid.anatomy.phantoms import AnalyticPhantom, Box, Clipped, Cylinder, Ellipsoid, rotation_2d, rotation_3d
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import axial_affine

TURN = rotation_3d(25.0) @ rotation_3d(-40.0, axis=0)
SHAPES_2D = [
    Ellipsoid(centre_mm=[3.0, -2.0], semi_axes_mm=[9.0, 4.0], rotation=rotation_2d(33.0)),
    Box(centre_mm=[-4.0, 1.0], size_mm=[7.0, 12.0], rotation=rotation_2d(-20.0)),
]
SHAPES_3D = [
    Ellipsoid(centre_mm=[3.0, -2.0, 4.0], semi_axes_mm=[9.0, 4.0, 6.0], rotation=TURN),
    Cylinder(centre_mm=[-2.0, 5.0, 1.0], semi_axes_mm=[6.0, 3.5], length_mm=11.0, rotation=TURN),
    Box(centre_mm=[-4.0, 1.0, 2.0], size_mm=[7.0, 12.0, 9.0], rotation=TURN),
]
CLIPPED = Clipped(
    centre_mm=[1.0, 2.0, -1.0],
    shape=Ellipsoid(centre_mm=[1.0, 2.0, -1.0], semi_axes_mm=[8.0, 8.0, 8.0]),
    planes=[((0.0, 1.0, 0.0), 2.0), ((1.0, 0.0, 0.0), 0.0)],
)


def names(shape):
    return f"{type(shape).__name__}{shape.dimensions}"


def rays(dimensions: int, count: int = 40):
    random = np.random.default_rng(5)
    return random.uniform(-8, 8, (count, dimensions)), random.normal(size=(count, dimensions))


@pytest.mark.parametrize("shape", [*SHAPES_2D, *SHAPES_3D, CLIPPED], ids=names)
def test_chord_is_the_length_of_the_line_inside(shape):
    origins, directions = rays(shape.dimensions)
    step = 0.002
    t = np.arange(-40, 40, step)
    unit = directions / np.linalg.norm(directions, axis=1)[:, None]
    inside = [np.count_nonzero(shape.contains(o + t[:, None] * u)) * step for o, u in zip(origins, unit, strict=True)]
    # Two ends, each known to one step.
    np.testing.assert_allclose(shape.chord_mm(origins, directions), inside, atol=2 * step)
    assert max(inside) > 5
    assert min(inside) == 0


def midpoints(shape, step: float):
    low, high = shape.bounds_mm()
    axes = [np.arange(a + step / 2, b + step / 2, step) for a, b in zip(low, high, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, shape.dimensions)


@pytest.mark.parametrize("shape", [*SHAPES_2D, *SHAPES_3D], ids=names)
def test_fourier_is_the_sum_over_a_fine_grid(shape):
    step = 0.02 if shape.dimensions == 2 else 0.12
    points = midpoints(shape, step)
    points = points[shape.contains(points)]
    k = np.random.default_rng(2).uniform(-0.12, 0.12, (6, shape.dimensions))
    k[0] = 0
    dense = np.array([np.sum(np.exp(-2j * np.pi * points @ one)) for one in k]) * step**shape.dimensions
    # The midpoint rule errs by the fraction of cells at the surface, which cancels to about 1e-3.
    np.testing.assert_allclose(shape.fourier(k), dense, atol=2e-3 * abs(dense[0]))


@pytest.mark.parametrize("shape", [*SHAPES_2D, *SHAPES_3D, CLIPPED], ids=names)
def test_bounds_hold_the_shape(shape):
    low, high = shape.bounds_mm()
    points = np.random.default_rng(1).uniform(-20, 20, (20000, shape.dimensions))
    inside = points[shape.contains(points)]
    assert len(inside) > 50
    assert np.all((inside >= low) & (inside <= high))


def test_rays_along_an_axis_and_tangent_rays():
    ball = Ellipsoid(centre_mm=[0.0, 0.0, 0.0], semi_axes_mm=[5.0, 5.0, 5.0])
    assert ball.chord_mm([0.0, 0.0, -100.0], [0.0, 0.0, 2.0]) == pytest.approx(10.0, abs=1e-12)
    assert ball.chord_mm([5.0, 0.0, -100.0], [0.0, 0.0, 1.0]) == 0
    rod = Cylinder(centre_mm=[0.0, 0.0, 0.0], semi_axes_mm=[2.0, 2.0], length_mm=30.0)
    assert rod.chord_mm([1.0, 0.0, 0.0], [0.0, 0.0, 1.0]) == pytest.approx(30.0)
    assert rod.chord_mm([3.0, 0.0, 0.0], [0.0, 0.0, 1.0]) == 0
    assert rod.chord_mm([0.0, 0.0, 15.1], [1.0, 0.0, 0.0]) == 0
    far = ball.chord_mm([1e6 + 3.0, 1e6, 0.0], [1.0, 1.0, 0.0])
    assert far == pytest.approx(2 * np.sqrt(25 - 4.5), rel=1e-9)


def test_clipped_has_no_fourier_transform_and_says_so():
    with pytest.raises(UnsupportedError, match="closed form"):
        CLIPPED.fourier([[0.0, 0.0, 0.1]])


def test_voxels_hold_the_volume_and_the_place():
    phantom = AnalyticPhantom((SHAPES_3D[0],), (2.0,))
    affine = np.array([[0, 0, 0.8, -12.3], [0, 1.1, 0, -14.0], [1.3, 0, 0, -10.0], [0, 0, 0, 1.0]])
    voxels = phantom.voxels(affine, (24, 30, 38), oversampling=5)
    volume = 0.8 * 1.1 * 1.3
    truth = 4 / 3 * np.pi * 9 * 4 * 6
    # 5³ points per edge voxel know its share to about 1 %, and the errors of ~1000 such voxels cancel.
    assert voxels.sum() * volume / 2 == pytest.approx(truth, rel=1e-3)
    index = np.stack(np.indices(voxels.shape), axis=-1)
    points = index @ affine[:3, :3].T + affine[:3, 3]
    centre = np.tensordot(voxels, points, 3) / voxels.sum()
    # An edge voxel's own mass centre is unknown to half a voxel, random over ~1000 of 900 mm3.
    np.testing.assert_allclose(centre, [3, -2, 4], atol=1e-2)


def test_thin_shape_smaller_than_a_voxel_is_not_lost():
    ball = AnalyticPhantom((Ellipsoid(centre_mm=[0.13, 0.21, -0.07], semi_axes_mm=[0.3, 0.3, 0.3]),), (1.0,))
    voxels = ball.voxels(axial_affine((7, 7, 7), (1.0, 1.0, 1.0)), (7, 7, 7), oversampling=10)
    assert voxels.sum() == pytest.approx(4 / 3 * np.pi * 0.3**3, rel=0.1)


def test_a_two_dimensional_phantom_fills_every_slice():
    phantom = AnalyticPhantom((SHAPES_2D[0],), (1.0,))
    affine = np.array([[0, 0, 1, -15.0], [0, 1, 0, -15.0], [1, 0, 0, 7.0], [0, 0, 0, 1.0]])
    voxels = phantom.voxels(affine, (3, 31, 31))
    assert np.array_equal(voxels[0], voxels[2])
    assert np.array_equal(voxels[0], phantom.pixels(31, 1.0))
    assert voxels[0].sum() == pytest.approx(np.pi * 9 * 4, rel=2e-3)


def test_shapes_must_agree():
    with pytest.raises(InvalidInputError, match="dimension"):
        AnalyticPhantom((SHAPES_2D[0], SHAPES_3D[0]), (1.0, 1.0))
    with pytest.raises(InvalidInputError, match="2 shapes, 1 values"):
        AnalyticPhantom((SHAPES_2D[0], SHAPES_2D[1]), (1.0,))
