"""Ray transforms against exact line integrals and against a dense matrix made without their code."""

from dataclasses import replace

import numpy as np
import pytest

from pellucid.anatomy.phantoms import spheres
from pellucid.errors import InvalidInputError
from pellucid.modalities.xray import (
    ConeRayTransform,
    FanRayTransform,
    Grid,
    ParallelRayTransform,
    ScanGeometry,
    ray_transform,
)
from pellucid.modalities.xray.projection import symmetry
from validation.rays import exact_line_integrals, rays

FAN = {"source_isocentre_mm": 300.0, "source_detector_mm": 480.0}
SCANS = {
    "parallel": ScanGeometry(
        beam="parallel", angles_deg=np.arange(60) * 3.0, columns=101, column_spacing_mm=1.0, row_positions_mm=[0.0]
    ),
    "parallel offset": ScanGeometry(
        beam="parallel",
        angles_deg=np.arange(45) * 7.7 - 50,
        columns=101,
        column_spacing_mm=1.0,
        column_offset_mm=-3.3,
        row_positions_mm=[0.0],
    ),
    "fan flat": ScanGeometry(
        beam="fan", angles_deg=np.arange(72) * 5.0, columns=121, column_spacing_mm=1.5, row_positions_mm=[0.0], **FAN
    ),
    "fan curved": ScanGeometry(
        beam="fan",
        detector="curved",
        angles_deg=np.arange(72) * 5.0 + 1.0,
        columns=121,
        column_spacing_mm=1.5,
        column_offset_mm=0.4,
        row_positions_mm=[0.0],
        **FAN,
    ),
    "cone": ScanGeometry(
        beam="cone",
        angles_deg=np.arange(24) * 15.0,
        columns=121,
        column_spacing_mm=1.5,
        row_positions_mm=np.arange(31) * 4.0 - 58.0,
        **FAN,
    ),
    "cone offset": ScanGeometry(
        beam="cone",
        angles_deg=np.array([3.0, 100.0, 211.0]),
        columns=121,
        column_spacing_mm=1.5,
        column_offset_mm=7.0,
        row_positions_mm=(np.arange(31) * 4.0 - 58.0)[::-1].copy(),
        **FAN,
    ),
}


def smooth(x, y, z):
    """A Gaussian blob off the centre: smooth, so that Joseph's interpolation converges on it."""
    return np.exp(-(((x - 11) / 14) ** 2) - ((y + 7) / 9) ** 2 - ((z - 4) / 12) ** 2)


def smooth_integral(origins, directions):
    """Its line integral in closed form: a Gaussian along any line."""
    scale, centre = np.array([14.0, 9.0, 12.0]), np.array([11.0, -7.0, 4.0])
    p, d = (origins - centre) / scale, directions / np.linalg.norm(directions, axis=-1, keepdims=True) / scale
    dd, pd, pp = (d * d).sum(-1), (p * d).sum(-1), (p * p).sum(-1)
    return np.sqrt(np.pi / dd) * np.exp(-pp + pd**2 / dd)


PRECISIONS = [pytest.param(np.float32, 1e-5), pytest.param(np.float64, 1e-9, marks=pytest.mark.slow)]
"""With the difference that rounding of a sum of some dozen voxels makes."""
GRIDS = {
    "square": Grid(shape=(1, 110, 110), spacing_mm=(1.0, 1.0, 1.0)),
    "oblong, anisotropic, offset": Grid(shape=(1, 93, 130), spacing_mm=(1.0, 1.2, 0.9), centre_mm=(3.0, -2.0, 0.0)),
}


@pytest.mark.parametrize("scan", SCANS.values(), ids=SCANS.keys())
@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_projection_is_the_line_integral(scan, grid):
    if scan.beam == "cone":
        grid = replace(grid, shape=(65, *grid.shape[1:]), spacing_mm=(1.1, *grid.spacing_mm[1:]))
    else:
        scan = scan.with_row_positions(np.array([4.0]))
        grid = replace(grid, centre_mm=(*grid.centre_mm[:2], 4.0))
    image = smooth(grid.x_mm, grid.y_mm[:, None], grid.z_mm[:, None, None]).astype(np.float32)
    data = ray_transform(scan, grid)(image)
    truth = smooth_integral(*rays(scan))
    # Linear interpolation at spacing h of a Gaussian of width s is off by at most h²/4s² at its top: 0.4 % in the
    # plane (1.2 mm, 9 mm), and 0.2 % more where a cone beam interpolates in z (1.1 mm, 12 mm).
    assert np.abs(data - truth).max() < 0.006 * truth.max()


@pytest.mark.parametrize(("dtype", "limit"), PRECISIONS)
@pytest.mark.parametrize("name", ["parallel", "fan flat", "fan curved", "cone"])
def test_projection_equals_a_dense_sampling(name, dtype, limit):
    """A linear picture in a few voxels: Joseph's sum is the trapezoid along each ray, done here ray by ray."""
    scan = SCANS[name]
    scan = replace(scan, angles_deg=scan.angles_deg[:7], row_positions_mm=np.array([-9.0, 1.0, 11.0]))
    random = np.random.default_rng(3)
    shape = (3, 5, 7)
    grid = Grid(shape=shape, spacing_mm=(9.0, 11.0, 8.0), centre_mm=(1.0, 2.0, 1.5))
    image = random.standard_normal(shape).astype(dtype)
    if scan.beam != "cone":
        image = np.repeat(image[:1], 3, axis=0)
    data = ray_transform(scan, grid, dtype)(image)
    origins, directions = rays(scan)
    planar = scan.beam != "cone"
    chosen = [tuple(ray) for ray in random.permutation(list(np.ndindex(scan.shape)))[:400]]
    expected = np.array([joseph(image, grid, origins[ray], directions[ray], planar=planar) for ray in chosen])
    assert np.allclose([data[ray] for ray in chosen], expected, atol=limit * np.abs(expected).max())


def joseph(image, grid, origin, direction, *, planar):
    """The sum over lines of one ray by plain loops."""
    direction = direction / np.linalg.norm(direction)
    spacing = np.array(grid.spacing_mm[::-1])
    first = np.array([grid.x_mm[0], grid.y_mm[0], grid.z_mm[0]])
    axis = int(np.abs(direction[1]) * spacing[0] >= np.abs(direction[0]) * spacing[1])
    total = 0.0
    for line in range(image.shape[2 - axis]):
        point = origin + direction * ((first[axis] + line * spacing[axis] - origin[axis]) / direction[axis])
        index = (point - first) / spacing
        cross = index[1 - axis]
        levels = [(0, 1.0)] if planar else [(int(np.floor(index[2])) + k, abs(1 - k - index[2] % 1)) for k in (0, 1)]
        for level, share in levels:
            for k in (0, 1):
                pixel = int(np.floor(cross)) + k
                weight = share * abs(1 - k - cross % 1)
                if 0 <= pixel < image.shape[1 + axis] and 0 <= level < image.shape[0]:
                    place = (level, line, pixel) if axis == 1 else (level, pixel, line)
                    total += weight * image[place]
    return total * spacing[axis] / abs(direction[axis])


@pytest.mark.parametrize(("dtype", "limit"), PRECISIONS)
@pytest.mark.parametrize("name", ["parallel", "fan flat", "fan curved", "cone"])
def test_folding_changes_nothing(name, dtype, limit, monkeypatch):
    scan = SCANS[name]
    grid = Grid(shape=(scan.shape[1], 41, 41), spacing_mm=(4.0, 2.0, 2.0))
    image = np.random.default_rng(1).standard_normal(grid.shape).astype(dtype)
    folded = ray_transform(scan, grid, dtype)
    if name != "fan curved":  # its detector is offset and its views start at 1 degree
        assert len(folded._fold.copies) in (4, 8)
        assert len(folded._fold.base_angles_deg) < len(scan.angles_deg) / 3
    monkeypatch.setattr("pellucid.modalities.xray.forward.fold", lambda scan, grid: symmetry.no_fold(scan))
    plain = ray_transform(scan, grid, dtype)
    data = plain(image)
    # Half-way ties between row and column stepping fall either way; elsewhere the paths are the same.
    assert np.allclose(folded(image), data, atol=limit * np.abs(data).max())
    back = plain.adjoint(data)
    assert np.allclose(folded.adjoint(data), back, atol=limit * np.abs(back).max())


def test_a_stack_equals_its_slices():
    scan = SCANS["fan flat"].with_row_positions(np.arange(70) * 1.0)
    grid = Grid(shape=(70, 21, 21), spacing_mm=(1.0, 3.0, 3.0))
    image = np.random.default_rng(2).standard_normal(grid.shape).astype(np.float32)
    data = FanRayTransform(scan, grid)(image)
    one = FanRayTransform(scan.with_row_positions(np.zeros(1)), replace(grid, shape=(1, 21, 21)))
    for number in (0, 7, 8, 69):
        assert np.allclose(data[:, number], one(image[number : number + 1])[:, 0], atol=1e-3)


def test_ball_in_a_cone_beam_is_in_its_place():
    scan = SCANS["cone"]
    ball = spheres([(12.0, -9.0, 6.0)], [14.0], [0.02])
    grid = Grid(shape=(96, 96, 96), spacing_mm=(1.0, 1.0, 1.0))
    data = ConeRayTransform(scan, grid)(ball.voxels(grid.affine((0.0, 0.0, 0.0)), grid.shape))
    truth = exact_line_integrals(ball, scan)
    # Voxels of 1 mm on a ball of 14 mm: 1 % of the peak in the mean.
    assert np.abs(data - truth).mean() < 0.01 * truth.max()


def test_wrong_use_is_refused():
    with pytest.raises(InvalidInputError, match="needs 'parallel'"):
        ParallelRayTransform(SCANS["cone"], GRIDS["square"])
    with pytest.raises(InvalidInputError, match="3 slices for 1 detector rows"):
        ParallelRayTransform(SCANS["parallel"], Grid(shape=(3, 8, 8), spacing_mm=(1, 1, 1)))
    operator = ParallelRayTransform(SCANS["parallel"], GRIDS["square"])
    with pytest.raises(InvalidInputError, match="shape_in"):
        operator(np.zeros((110, 110), np.float32))
