"""Filtered back-projection, Feldkamp's method and the ray transform against exact line integrals."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy import phantoms
from pellucid.anatomy.phantoms import AnalyticPhantom
from pellucid.modalities import xray
from pellucid.modalities.xray import Grid, ScanGeometry
from pellucid.modalities.xray.recon.fbp import filtered_back_projection
from pellucid.modalities.xray.recon.fdk import feldkamp
from validation import check
from validation.rays import exact_line_integrals
from validation.xray.scans import CURVED, FAN, GRID, HEAD, PARALLEL, SHORT, SIZE, rms


def disc(radius: float) -> NDArray[np.bool_]:
    """Pixels within a radius about the middle."""
    return np.hypot(GRID.x_mm, GRID.y_mm[:, None]) < radius


def inside_skull() -> NDArray[np.bool_]:
    """Pixels inside the modified Shepp-Logan phantom's skull, a tenth away from it."""
    half = SIZE / 2
    x, y = GRID.x_mm / half, GRID.y_mm[:, None] / half
    return (x / 0.6624) ** 2 + ((y - 0.0184) / 0.874) ** 2 <= 0.9


@cache
def head_truth() -> NDArray[np.float32]:
    """Mean of the phantom over each pixel."""
    return HEAD.pixels(SIZE, 1.0, oversampling=8)


@cache
def head_picture(name: str) -> NDArray[np.float32]:
    """Filtered back-projection (Ram-Lak) of exact line integrals in one geometry."""
    scan = {"parallel": PARALLEL, "fan flat": FAN, "fan curved": CURVED, "fan curved, short": SHORT}[name]
    return filtered_back_projection(exact_line_integrals(HEAD, scan), scan, GRID)[0]


@check(
    "Modified Shepp-Logan 512², 720 parallel views, Ram-Lak: RMSE in the disc r < 255",
    against="analytic truth",
    reason="ASTRA's CPU projectors reach 0.0152 to 0.0169 on the same data",
    high=0.0153,
)
def fbp_disc() -> float:
    """Whole disc, where the skull's edge dominates."""
    return rms((head_picture("parallel") - head_truth())[disc(255)])


@check(
    "The same, inside the skull",
    against="analytic truth",
    reason="ASTRA reaches 0.0031 to 0.0035 on the same data",
    high=0.0031,
)
def fbp_inside_skull() -> float:
    """Inside, where structure dominates."""
    return rms((head_picture("parallel") - head_truth())[inside_skull()])


@check(
    "Shepp-Logan from a flat fan, 1440 views: RMSE inside the skull",
    against="analytic truth",
    reason="the parallel beam's limit: the fan's rays are as fine",
    high=0.0031,
    slow=True,
)
def fbp_fan_flat() -> float:
    """Flat detector."""
    return rms((head_picture("fan flat") - head_truth())[inside_skull()])


@check(
    "Shepp-Logan from a curved fan: RMSE inside the skull",
    against="analytic truth",
    reason="the parallel beam's limit: the fan's rays are as fine",
    high=0.0031,
    slow=True,
)
def fbp_fan_curved() -> float:
    """Equiangular detector."""
    return rms((head_picture("fan curved") - head_truth())[inside_skull()])


@check(
    "Shepp-Logan from a short scan of a curved fan (Parker): RMSE inside the skull",
    against="analytic truth",
    reason="the parallel beam's limit and a tenth: fewer rays are measured twice",
    high=0.0034,
    slow=True,
)
def fbp_short_scan() -> float:
    """242 degrees."""
    return rms((head_picture("fan curved, short") - head_truth())[inside_skull()])


@check(
    "Curved fan against flat fan: RMS difference inside the skull",
    against="analytic truth",
    reason="two samplings of the same object, each within 0.0022 of it and independent of the other",
    high=0.0031,
    slow=True,
)
def curved_is_flat() -> float:
    """Same object, same source."""
    return rms((head_picture("fan curved") - head_picture("fan flat"))[inside_skull()])


@check(
    "Forward projection of Shepp-Logan 512², 720 views: relative RMS error of the sinogram",
    against="analytic truth",
    reason="ASTRA's linear projector has 0.0074 on pixels sampled at their centres",
    high=0.0074,
    slow=True,
)
def forward_projection() -> float:
    """Joseph's method on pixel means."""
    exact = exact_line_integrals(HEAD, PARALLEL)
    found = xray.ParallelRayTransform(PARALLEL, GRID)(head_truth()[None])
    return rms(found - exact) / rms(exact)


def sphere_set_up() -> tuple[ScanGeometry, AnalyticPhantom, Grid]:
    """A ball of 90 mm radius, 180 views of 128 x 128 elements of 3 mm, 1000 and 1500 mm, 128³ voxels of 2 mm."""
    positions = (np.arange(128) - 63.5) * 3.0
    scan = ScanGeometry(
        beam="cone",
        angles_deg=np.arange(180) * 2.0,
        columns=128,
        column_spacing_mm=3.0,
        row_positions_mm=positions,
        source_isocentre_mm=1000.0,
        source_detector_mm=1500.0,
    )
    ball = phantoms.spheres([(0.0, 0.0, 0.0)], [90.0], [0.02])
    return scan, ball, Grid(shape=(128, 128, 128), spacing_mm=(2.0, 2.0, 2.0))


@check(
    "Feldkamp, ball of 0.02/mm, 128³ from 180 views: RMSE in the mid-plane inside r < 80 mm",
    against="analytic truth",
    unit="1/mm",
    reason="0.1 % of the ball, RTK's error in the mid-plane of its own sphere; RTK has 7.3e-6 of this ball",
    high=2e-5,
    slow=True,
)
def fdk_mid_plane() -> float:
    """The two slices next to the orbit's plane."""
    scan, ball, grid = sphere_set_up()
    thin = replace(grid, shape=(2, 128, 128))
    volume = feldkamp(exact_line_integrals(ball, scan), scan, thin)
    inside = np.hypot(grid.x_mm, grid.y_mm[:, None]) < 80
    return rms((volume - 0.02)[:, inside])


@check(
    "Feldkamp: value of the same ball, relative error",
    against="analytic truth",
    reason="LEAP and the published value are 0.01999 of 0.02",
    high=5e-4,
    slow=True,
)
def fdk_value() -> float:
    """Middle 50 x 50 x 16 voxels."""
    scan, ball, grid = sphere_set_up()
    thin = replace(grid, shape=(16, 50, 50))
    volume = feldkamp(exact_line_integrals(ball, scan), scan, thin)
    return abs(float(volume.mean()) / 0.02 - 1)
