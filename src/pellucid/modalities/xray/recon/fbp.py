"""Filtered back-projection of parallel and fan scans, slice by slice.

    f(r) = ∫ w(θ, u) (h * cos γ p)(θ, u(r, θ)) dθ

with the ramp h, ray weights w (1/l² of a fan included) and u(r, θ) where the pixel r is projected. Kak & Slaney,
Principles of Computerized Tomographic Imaging (1988), chapter 3.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.image import Image
from pellucid.modalities.xray.acquisition import Sinogram
from pellucid.modalities.xray.geometry import Grid, ScanGeometry
from pellucid.modalities.xray.projection.backprojection import CURVED, FLAT, PARALLEL, back_project
from pellucid.modalities.xray.projection.symmetry import fold
from pellucid.modalities.xray.recon import options
from pellucid.modalities.xray.recon.filters import FilterName, filtered, ramp_response
from pellucid.modalities.xray.recon.options import ImageOptions
from pellucid.modalities.xray.recon.prepare import prepare
from pellucid.modalities.xray.recon.result import image_of
from pellucid.modalities.xray.recon.weights import (
    field_radius_mm,
    obliqueness,
    ray_weights,
    require_analytic,
    why_not_analytic,
    widened,
)
from pellucid.parameters import flat
from pellucid.progress import Progress, no_progress, part

_LANES = 64
_WORKING_IMAGES = 4
_ARC_TERMS = 9
_IMAGE = ImageOptions(matrix=512)


def filtered_back_projection(
    data: NDArray[np.float32],
    geometry: ScanGeometry,
    grid: Grid,
    *,
    filter_name: FilterName = "ram_lak",
    cutoff: float = 1.0,
    progress: Progress = no_progress,
) -> NDArray[np.float32]:
    """Attenuation [1/mm], `[slice, row, column]`, from line integrals `[view, row, column]` of a parallel or fan scan.

    `grid` has one slice per detector row. Pixels outside the measured field are 0. Memory beyond data and image:
    about 130 times the size of a slice plus 64 sinograms.
    """
    if data.shape != geometry.shape or grid.shape[0] != geometry.shape[1]:
        raise InvalidInputError(
            f"is {data.shape} for a grid {grid.shape}; expected {geometry.shape} and as many slices as rows",
            field="data",
        )
    require_analytic(geometry)
    weights = (ray_weights(geometry) * obliqueness(geometry)[0]).astype(np.float32)[:, None, :]
    wide, added = widened(geometry)
    views = fold(wide, grid)
    response = ramp_response(wide, filter_name, cutoff)
    turns = turns_of(views.base_angles_deg)
    shape, detector, arc = detector_numbers(wide)
    x, y = grid.x_mm.astype(np.float32), grid.y_mm.astype(np.float32)
    image = np.empty(grid.shape, np.float32)
    step = max(1, _LANES // len(views.copies))
    for first in range(0, grid.shape[0], step):
        chunk = slice(first, min(first + step, grid.shape[0]))
        weighted = np.pad(data[:, chunk] * weights, ((0, 0), (0, 0), added))
        folded = views.fold_views(filtered(weighted, response))
        lanes = np.zeros((len(y), len(x), folded.shape[2] * folded.shape[3]), np.float32)
        back_project(folded.reshape(*folded.shape[:2], -1), turns, x, y, shape, detector, arc, lanes)
        copies = lanes.reshape(len(y), len(x), *folded.shape[2:])
        image[chunk] = views.gather(copies).transpose(2, 0, 1)
        progress(chunk.stop / grid.shape[0], "filtered back-projection")
    image *= inside_field(geometry, grid)
    return image


def turns_of(angles_deg: NDArray[np.float64]) -> NDArray[np.float32]:
    """Cosine and sine of view angles, `[view, 2]`."""
    theta = np.deg2rad(angles_deg)
    return np.stack([np.cos(theta), np.sin(theta)], axis=1).astype(np.float32)


def detector_numbers(geometry: ScanGeometry) -> tuple[int, NDArray[np.float32], NDArray[np.float32]]:
    """Detector shape, its numbers and the arc polynomial, as `back_project` wants them."""
    first, spacing = geometry.column_positions_mm[0], geometry.column_spacing_mm
    no_arc = np.zeros(1, np.float32)
    numbers = [first, 1 / spacing, geometry.source_isocentre_mm, geometry.source_detector_mm]
    if geometry.beam == "parallel":
        return PARALLEL, np.array(numbers, np.float32), no_arc
    if geometry.detector == "flat":
        return FLAT, np.array(numbers, np.float32), no_arc
    distance = geometry.source_detector_mm
    numbers[:2] = first / distance, distance / spacing
    return CURVED, np.array(numbers, np.float32), arc_polynomial(geometry.half_fan_deg)


def arc_polynomial(half_fan_deg: float) -> NDArray[np.float32]:
    """Coefficients (highest power first) of atan(v)/v in v², for |v| ≤ tan of somewhat more than half the fan."""
    reach = np.tan(np.deg2rad(min(half_fan_deg + 5.0, 65.0)))
    square = np.linspace(0.0, reach, 400) ** 2
    tangent = np.sqrt(square)
    ratio = np.where(square > 0, np.arctan(tangent) / np.maximum(tangent, 1e-12), 1.0)
    fit = np.polynomial.Chebyshev.fit(square, ratio, _ARC_TERMS - 1)
    return fit.convert(kind=np.polynomial.Polynomial).coef[::-1].astype(np.float32)


def inside_field(geometry: ScanGeometry, grid: Grid) -> NDArray[np.bool_]:
    """Whether each pixel (its centre) is in the measured field, `[row, column]`."""
    radius = np.hypot(grid.x_mm[None, :], grid.y_mm[:, None])
    inside: NDArray[np.bool_] = radius <= field_radius_mm(geometry) + geometry.column_spacing_mm / 2
    return inside


@flat
def fbp(
    raw: Sinogram,
    *,
    progress: Progress = no_progress,
    filter: options.Filter = "hann",  # noqa: A002 (the field's word)
    cutoff: options.Cutoff = 1.0,
    image: ImageOptions = _IMAGE,
    non_negative: options.NonNegative = False,
) -> Image:
    """Image of a parallel or fan scan by filtered back-projection; short fan scans with Parker's weights.

    Raises `InvalidInputError` where the views that are kept do not cover the angles needed.
    """
    ready = prepare(raw, image, working_images=_WORKING_IMAGES, working_slices=2 * _LANES)
    progress(0.1, "line integrals")
    attenuation = filtered_back_projection(
        ready.data, ready.geometry, ready.grid, filter_name=filter, cutoff=cutoff, progress=part(progress, 0.1, 1.0)
    )
    if non_negative:
        np.maximum(attenuation, 0, out=attenuation)
    return image_of(raw, ready, attenuation, kernel=filter, method=f"FBP {filter}")


def refuses(raw: Sinogram) -> str:
    """Why this scan cannot be reconstructed so, or ""."""
    if raw.geometry.beam == "cone":
        return "a cone beam needs fdk"
    return why_not_analytic(raw.geometry)
