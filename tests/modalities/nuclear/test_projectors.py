"""Line integrals against closed forms and against each other."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from pellucid.errors import InvalidInputError
from pellucid.modalities.nuclear.projectors import Grid, LineProjector, SinogramProjector
from pellucid.modalities.nuclear.sampling import sampling_of
from pellucid.modalities.nuclear.scanner import Scanner

SCANNER = Scanner(
    name="test", rings=9, crystals_per_ring=96, ring_pitch_mm=5.0, inner_radius_mm=150.0, interaction_depth_mm=5.0,
    radial_bins=61,
)  # fmt: skip
SMALL_SPHERES = (((20.0, -25.0, 4.0), 18.0, 1.0), ((-30.0, 15.0, -6.0), 14.0, 2.5))
"""Centre, radius [mm] and value: none at the isocentre, and left/right, up/down, head/foot all differ."""
HEAD_SPHERE = (((10.0, -15.0, 4.0), 60.0, 1.0),)


def sphere_integrals(spheres, ends):
    """∫ of the spheres along each line: twice the half chord √(r² - d²), d the distance from the centre."""
    start, along = ends[:, 0], ends[:, 1] - ends[:, 0]
    along = along / np.linalg.norm(along, axis=1, keepdims=True)
    total = np.zeros(len(ends))
    for centre, radius, value in spheres:
        to_centre = np.array(centre) - start
        distance2 = (to_centre**2).sum(axis=1) - (to_centre * along).sum(axis=1) ** 2
        total += value * 2 * np.sqrt(np.clip(radius**2 - distance2, 0, None))
    return total


def voxelised(spheres, grid, finer=2):
    """Each voxel's mean over finer³ points."""
    offsets = (np.arange(finer) + 0.5) / finer - 0.5
    image = np.zeros(grid.shape)
    axes = [a + d * np.arange(n) for a, d, n in zip(grid.first_mm, grid.spacing_mm, grid.shape, strict=True)]
    for shift in itertools.product(offsets, repeat=3):
        z, y, x = np.ix_(*(a + part * d for a, part, d in zip(axes, shift, grid.spacing_mm, strict=True)))
        for centre, radius, value in spheres:
            image += value * ((x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2 < radius**2)
    return (image / finer**3).astype(np.float32)


def sinogram_error(spheres, sampling, grid):
    got = SinogramProjector(sampling, grid)(voxelised(spheres, grid))
    exact = sphere_integrals(spheres, all_ends(sampling)).reshape(sampling.shape)
    return np.linalg.norm(got - exact) / np.linalg.norm(exact), got.sum() / exact.sum() - 1


def all_ends(sampling):
    view, radial, plane = np.indices(sampling.shape).reshape(3, -1)
    return sampling.end_points_mm(view, radial, plane)


def test_head_sized_sphere_within_one_percent_on_clinical_voxels():
    sampling = sampling_of(SCANNER, span=3, max_ring_difference=4)
    error, excess = sinogram_error(HEAD_SPHERE, sampling, Grid((57, 81, 81), (2.5, 1.8, 1.8), (1.3, -2.1, 0.7)))
    assert error < 0.01
    assert abs(excess) < 1e-3


@pytest.mark.parametrize("span", [1, 3])
def test_error_at_the_rim_of_small_spheres_falls_with_the_voxel(span):
    # The blur of the rim is all the error there is: with the voxel h it falls as h/r.
    sampling = sampling_of(SCANNER, span=span, max_ring_difference=4)
    coarse, _ = sinogram_error(SMALL_SPHERES, sampling, Grid((27, 71, 69), (2.5, 1.8, 1.8), (0.0, -2.1, 0.7)))
    fine, excess = sinogram_error(SMALL_SPHERES, sampling, Grid((54, 141, 139), (1.25, 0.9, 0.9), (0.0, -2.1, 0.7)))
    assert coarse < 0.06
    assert fine < 0.6 * coarse
    assert abs(excess) < 1e-3


def test_any_lines_through_a_head_sized_sphere_within_one_percent():
    generator = np.random.default_rng(3)
    directions = generator.standard_normal((3000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    middles = generator.uniform(-50, 50, (3000, 3))
    ends = np.stack([middles - 150 * directions, middles + 150 * directions], axis=1)
    grid = Grid((75, 81, 81), (1.7, 1.6, 1.6), (10.0, -15.0, 4.0))
    got = LineProjector(ends, grid)(voxelised(HEAD_SPHERE, grid))
    exact = sphere_integrals(HEAD_SPHERE, ends)
    assert np.linalg.norm(got - exact) / np.linalg.norm(exact) < 0.01


@pytest.mark.parametrize(
    ("dtype", "limit"), [(np.float32, 1e-5), pytest.param(np.float64, 1e-9, marks=pytest.mark.slow)]
)
def test_both_projectors_agree_at_the_border_too(dtype, limit):
    sampling = sampling_of(SCANNER, span=3, max_ring_difference=7, view_mashing=3)
    grid = Grid((11, 15, 13), (2.5, 3.1, 2.7), (4.0, -7.0, 3.0))
    image = np.random.default_rng(0).standard_normal(grid.shape).astype(dtype)
    sinogram = SinogramProjector(sampling, grid, dtype=dtype)(image)
    lines = LineProjector(all_ends(sampling), grid, dtype=dtype)(image)
    assert np.allclose(sinogram.ravel(), lines, atol=limit * np.abs(lines).max())


def test_subsets_are_the_views_of_the_whole():
    sampling = sampling_of(SCANNER, span=3, max_ring_difference=4)
    grid = Grid((5, 9, 9), (2.5, 5.0, 5.0))
    image = np.random.default_rng(1).standard_normal(grid.shape).astype(np.float32)
    whole = SinogramProjector(sampling, grid)(image)
    assert np.array_equal(SinogramProjector(sampling, grid, views=slice(2, None, 5))(image), whole[2::5])
    chosen = np.array([7, 3])
    assert np.array_equal(SinogramProjector(sampling, grid, views=chosen)(image), whole[chosen])


def test_planes_and_views_in_part_are_those_of_the_whole():
    whole = sampling_of(SCANNER, span=3, max_ring_difference=4)
    lengths = np.diff(whole.first_planes)
    segments = [replace(segment, measured=int(n) - 4) for segment, n in zip(whole.segments, lengths, strict=True)]
    part = replace(whole, segments=tuple(segments), view_step=3)
    grid = Grid((9, 15, 13), (2.5, 3.1, 2.7), (4.0, -7.0, 3.0))
    image = np.random.default_rng(4).standard_normal(grid.shape).astype(np.float32)
    planes = np.concatenate([np.arange(a + 2, b - 2) for a, b in itertools.pairwise(whole.first_planes)])
    expected = SinogramProjector(whole, grid)(image)[::3][:, :, planes]
    assert np.allclose(SinogramProjector(part, grid)(image), expected, atol=1e-5 * np.abs(expected).max())


def test_lines_stop_at_the_crystals():
    grid = Grid((1, 1, 41), (1.0, 1.0, 1.0))
    ends = np.array([[[-10.0, 0, 0], [5.0, 0, 0]], [[5.0, 0, 0], [5.0, 0, 0]], [[-500.0, 0.3, 0], [500.0, 0.3, 0]]])
    got = LineProjector(ends, grid)(np.ones(grid.shape, np.float32))
    # 16 voxel centres from -10 to 5; a point; all 41 voxels at 0.3 mm beside the centres of a 1 mm row.
    assert np.allclose(got, [16.0, 0.0, 41 * 0.7 * np.hypot(1, 0)])


def test_back_projection_does_not_depend_on_the_number_of_threads():
    import numba

    sampling = sampling_of(SCANNER, span=3, max_ring_difference=4)
    projector = SinogramProjector(sampling, Grid((9, 33, 31), (2.5, 4.0, 4.0)))
    data = np.random.default_rng(2).standard_normal(sampling.shape).astype(np.float32)
    threads = numba.get_num_threads()
    both = projector.adjoint(data)
    try:
        numba.set_num_threads(1)
        one = projector.adjoint(data)
    finally:
        numba.set_num_threads(threads)
    assert np.array_equal(one, both)


def test_grid_is_where_it_says():
    grid = Grid((3, 4, 5), (2.0, 3.0, 4.0), (10.0, -20.0, 30.0))
    affine = grid.affine((100.0, 200.0, 300.0))
    assert affine[:3, 3] == pytest.approx(np.add(grid.first_mm[::-1], (100.0, 200.0, 300.0)))
    assert affine @ [1, 1.5, 2, 1] == pytest.approx([110.0, 180.0, 330.0, 1.0])
    with pytest.raises(InvalidInputError, match="expected positive numbers"):
        Grid((3, 0, 5), (2.0, 3.0, 4.0))


def test_slices_that_fit_no_plane_are_refused():
    sampling = sampling_of(SCANNER, span=3, max_ring_difference=4)
    with pytest.raises(InvalidInputError, match=r"is 2 mm; expected the plane pitch 2.5 mm or a whole fraction"):
        SinogramProjector(sampling, Grid((9, 9, 9), (2.0, 4.0, 4.0)))


def test_lines_that_are_no_lines_are_refused():
    grid = Grid((3, 3, 3), (1.0, 1.0, 1.0))
    with pytest.raises(InvalidInputError, match="ends_mm"):
        LineProjector(np.zeros((4, 3)), grid)
    with pytest.raises(InvalidInputError, match="1 values that are not finite"):
        LineProjector(np.where(np.arange(24).reshape(4, 2, 3) == 7, np.nan, 1.0), grid)
