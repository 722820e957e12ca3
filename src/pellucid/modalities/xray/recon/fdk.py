"""Feldkamp's method for a cone beam on a circle.

    f(r) = ∫ w(θ, u) (SID/l)² (h * cos κ p)(θ, u(r, θ), v(r, θ)) dθ

with κ the angle between a ray and the central one. Exact in the plane of the orbit, approximate off it.
Feldkamp, Davis & Kress, J Opt Soc Am A 1 (1984) 612, doi:10.1364/JOSAA.1.000612.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.image import Image
from pellucid.modalities.xray.acquisition import Sinogram
from pellucid.modalities.xray.geometry import Grid, ScanGeometry
from pellucid.modalities.xray.projection.backprojection import back_project_cone
from pellucid.modalities.xray.projection.symmetry import fold
from pellucid.modalities.xray.recon import options
from pellucid.modalities.xray.recon.fbp import detector_numbers, inside_field, turns_of
from pellucid.modalities.xray.recon.filters import FilterName, filtered, ramp_response
from pellucid.modalities.xray.recon.options import ImageOptions
from pellucid.modalities.xray.recon.prepare import prepare
from pellucid.modalities.xray.recon.result import image_of
from pellucid.modalities.xray.recon.weights import obliqueness, ray_weights, require_analytic, why_not_analytic, widened
from pellucid.parameters import flat
from pellucid.progress import Progress, no_progress, part

_CHUNK_BYTES = 1 << 28
_WORKING_IMAGES = 4
_VIEWS_AT_ONCE = 32
_IMAGE = ImageOptions()


def feldkamp(
    data: NDArray[np.float32],
    geometry: ScanGeometry,
    grid: Grid,
    *,
    filter_name: FilterName = "ram_lak",
    cutoff: float = 1.0,
    progress: Progress = no_progress,
) -> NDArray[np.float32]:
    """Attenuation [1/mm], `[slice, row, column]`, from line integrals `[view, row, column]` of a cone-beam scan.

    Voxels outside the measured cylinder are 0. Memory beyond data and image: the filtered views and 256 MB.
    """
    if data.shape != geometry.shape:
        raise InvalidInputError(f"is {data.shape}; expected {geometry.shape}", field="data")
    require_analytic(geometry)
    wide, added = widened(geometry)
    views = fold(wide, grid)
    folded = _filtered_views(data, geometry, added, ramp_response(wide, filter_name, cutoff))
    lanes = np.ascontiguousarray(views.fold_views(folded).swapaxes(2, 3))
    flat = lanes.reshape(*lanes.shape[:2], -1)
    turns = turns_of(views.base_angles_deg)
    _, detector, _ = detector_numbers(wide)
    rows = geometry.row_positions_mm
    heights = np.array([rows[0], 1 / (rows[1] - rows[0])], np.float32)
    x, y, z = (positions.astype(np.float32) for positions in (grid.x_mm, grid.y_mm, grid.z_mm))
    image = np.empty(grid.shape, np.float32)
    step = max(1, _CHUNK_BYTES // (4 * len(x) * len(y) * lanes.shape[3]))
    for first in range(0, len(z), step):
        chunk = slice(first, min(first + step, len(z)))
        copies = np.zeros((len(y), len(x), len(z[chunk]), lanes.shape[3]), np.float32)
        back_project_cone(flat, turns, x, y, z[chunk], detector, heights, copies)
        image[chunk] = views.gather(copies.swapaxes(2, 3)).transpose(2, 0, 1)
        progress(chunk.stop / len(z), "back-projection")
    image *= inside_field(geometry, grid)
    return image


def _filtered_views(
    data: NDArray[np.float32], geometry: ScanGeometry, added: tuple[int, int], response: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Weighted, widened and filtered views, a few at a time."""
    cosine = obliqueness(geometry).astype(np.float32)
    shares = ray_weights(geometry).astype(np.float32)
    result = np.empty((*data.shape[:2], data.shape[2] + sum(added)), np.float32)
    for first in range(0, len(data), _VIEWS_AT_ONCE):
        some = slice(first, first + _VIEWS_AT_ONCE)
        weighted = data[some] * cosine * shares[some, None, :]
        result[some] = filtered(np.pad(weighted, ((0, 0), (0, 0), added)), response)
    return result


@flat
def fdk(
    raw: Sinogram,
    *,
    progress: Progress = no_progress,
    filter: options.Filter = "hann",  # noqa: A002 (the field's word)
    cutoff: options.Cutoff = 1.0,
    image: ImageOptions = _IMAGE,
    non_negative: options.NonNegative = False,
) -> Image:
    """Volume of a circular cone-beam scan; short scans with Parker's weights, displaced detectors with Wang's.

    Raises `InvalidInputError` where the views that are kept do not cover the angles needed.
    """
    ready = prepare(raw, image, working_images=_WORKING_IMAGES)
    progress(0.1, "line integrals")
    attenuation = feldkamp(
        ready.data, ready.geometry, ready.grid, filter_name=filter, cutoff=cutoff, progress=part(progress, 0.1, 1.0)
    )
    if non_negative:
        np.maximum(attenuation, 0, out=attenuation)
    return image_of(raw, ready, attenuation, kernel=filter, method=f"FDK {filter}")


def refuses(raw: Sinogram) -> str:
    """Why this scan cannot be reconstructed so, or ""."""
    if raw.geometry.beam != "cone":
        return f"a {raw.geometry.beam} beam needs fbp"
    if raw.geometry.shape[1] < 2:
        return "it has a single detector row; call it a fan"
    return why_not_analytic(raw.geometry)
