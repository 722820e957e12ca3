"""Projectors: line integrals against closed forms, each other and STIR."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import convolve1d

from pellucid.anatomy.phantoms import AnalyticPhantom, Ellipsoid
from pellucid.modalities.nuclear.projectors import Grid, LineProjector, SinogramProjector
from pellucid.modalities.nuclear.readers import interfile
from pellucid.modalities.nuclear.sampling import SinogramSampling, michelogram, sampling_of
from pellucid.modalities.nuclear.scanner import BIOGRAPH_MMR, Scanner
from pellucid.testing import adjoint_gap
from validation import check, data

HEAD = AnalyticPhantom(
    (
        Ellipsoid(centre_mm=(5.0, -12.0, 4.0), semi_axes_mm=(70.0, 90.0, 85.0)),
        Ellipsoid(centre_mm=(30.0, -35.0, 20.0), semi_axes_mm=(22.0, 22.0, 22.0)),
        Ellipsoid(centre_mm=(-28.0, 20.0, -10.0), semi_axes_mm=(30.0, 18.0, 25.0)),
    ),
    (1.0, 2.0, -0.7),
)
"""A head-sized body with a hot and a cold place; left/right, front/back and head/foot differ."""


def _exact(sampling: SinogramSampling) -> np.ndarray:
    view, radial, plane = np.indices(sampling.shape).reshape(3, -1)
    ends = sampling.end_points_mm(view, radial, plane)
    along = ends[:, 1] - ends[:, 0]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    return np.asarray(HEAD.ray_integral(ends[:, 0], along)).reshape(sampling.shape)


def _coarse() -> SinogramSampling:
    return sampling_of(BIOGRAPH_MMR, span=11, max_ring_difference=27, view_mashing=21, radial_mashing=2, radial_bins=60)


@check(
    "Sinogram of a head-sized phantom with a hot and a cold place, 1.5 mm voxels: relative L2 of line integrals",
    against="analytic truth",
    high=0.01,
    reason="blur of the rims by the voxel (2.03 mm slices); falls with the voxel",
)
def sinogram_of_ellipsoids() -> float:
    """Relative L2 difference from the exact integrals over 543 planes."""
    sampling = _coarse()
    grid = Grid((127, 165, 165), (sampling.plane_pitch_mm, 1.5, 1.5))
    voxels = HEAD.voxels(grid.affine((0.0, 0.0, 0.0)), grid.shape, oversampling=3)
    exact = _exact(sampling)
    return float(np.linalg.norm(SinogramProjector(sampling, grid)(voxels) - exact) / np.linalg.norm(exact))


@check(
    "Any lines through the same phantom: relative L2 of line integrals",
    against="analytic truth",
    high=0.01,
    reason="blur of the rims by the voxel (2.03 mm slices); falls with the voxel",
)
def lines_through_ellipsoids() -> float:
    """Relative L2 difference over 20 000 lines of every direction."""
    generator = np.random.default_rng(2)
    along = generator.standard_normal((20_000, 3))
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    middle = generator.uniform(-60, 60, (20_000, 3))
    ends = np.stack([middle - 200 * along, middle + 200 * along], axis=1)
    grid = Grid((101, 101, 101), (2.0, 2.0, 2.0))
    voxels = HEAD.voxels(grid.affine((0.0, 0.0, 0.0)), grid.shape, oversampling=3)
    exact = np.asarray(HEAD.ray_integral(ends[:, 0], along))
    return float(np.linalg.norm(LineProjector(ends, grid)(voxels) - exact) / np.linalg.norm(exact))


@check(
    "Sinogram projector and its transpose in double precision: adjoint gap",
    against="known truth",
    high=1e-12,
    reason="rounding of double precision",
    slow=True,
)
def adjoint_of_the_sinogram_projector() -> float:
    """|⟨Ax, y⟩ - ⟨x, Aᵀy⟩| over the norms."""
    return adjoint_gap(SinogramProjector(_coarse(), Grid((127, 41, 41), (2.03125, 6.0, 6.0)), dtype=np.float64))


@check(
    "The two projectors on the same lines of a random image: relative L2",
    against="known truth",
    high=1e-12,
    reason="same method, separate code: rounding of double precision",
    slow=True,
)
def both_projectors() -> float:
    """Relative L2 difference, border voxels included."""
    sampling = sampling_of(BIOGRAPH_MMR, span=11, max_ring_difference=27, view_mashing=63, radial_bins=33)
    grid = Grid((127, 21, 21), (sampling.plane_pitch_mm, 3.0, 3.0), (2.0, -3.0, 0.7))
    image = np.random.default_rng(0).standard_normal(grid.shape)
    view, radial, plane = np.indices(sampling.shape).reshape(3, -1)
    lines = LineProjector(sampling.end_points_mm(view, radial, plane), grid, dtype=np.float64)(image)
    sinogram = SinogramProjector(sampling, grid, dtype=np.float64)(image).ravel()
    return float(np.linalg.norm(sinogram - lines) / np.linalg.norm(lines))


@check(
    "Back-projection of ones against STIR's sensitivity image (recon_test_pack, PRT-1): relative L2 after one scale",
    against="peer",
    high=0.02,
    reason="STIR intersects voxels with rays, ours interpolates between them; both average over a crystal's length",
)
def stir_sensitivity() -> float:
    """Relative L2 difference within 140 mm, less the two end slices and the one voxel on the axis."""
    reference = interfile.read_image(data("nuclear/stir/RPTsens_seg4.hv")).array
    scanner = Scanner(
        name="PRT-1", rings=16, crystals_per_ring=384, ring_pitch_mm=6.75, inner_radius_mm=380.0,
        interaction_depth_mm=7.0, radial_bins=160,
    )  # fmt: skip
    sampling = SinogramSampling(
        scanner=scanner, segments=michelogram(16, 1, 4), radial_bins=128, view_mashing=2, bin_width_mm=3.1088
    )
    projector = SinogramProjector(sampling, Grid((31, 97, 97), (3.375, 3.1088, 3.1088)))
    ones = projector.adjoint(np.ones(projector.shape_out, np.float32))
    # A crystal is two slices long: what it sees of a slice grows and falls linearly.
    ours = convolve1d(ones, [0.25, 0.5, 0.25], axis=0, mode="constant")
    place = (np.arange(97) - 48) * 3.1088
    radius = np.hypot(place[:, None], place)
    used = np.zeros(reference.shape, bool)
    used[2:-2] = (radius < 140) & (radius > 1)
    ours, reference = ours[used], reference[used]
    scale = (ours * reference).sum() / (ours * ours).sum()
    return float(np.linalg.norm(scale * ours - reference) / np.linalg.norm(reference))
