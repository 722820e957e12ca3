"""What every PET method shares: the voxel grid, the start image, and the image that comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.image import Image
from pellucid.modalities.nuclear.acquisition import Sinogram
from pellucid.modalities.nuclear.dicom_attributes import attributes_of
from pellucid.modalities.nuclear.forward import PetModel
from pellucid.modalities.nuclear.projectors import Grid
from pellucid.operators.convolution import GaussianBlur
from pellucid.units import quantity

Array = NDArray[Any]


def grid_of(raw: Sinogram, voxel_mm: float | None) -> Grid:
    """Slices at the planes of segment 0; `voxel_mm` in plane (default: the central radial bin) over all bins."""
    natural = raw.image_grid
    if voxel_mm is None:
        return natural
    slices, _, columns = natural.shape
    count = max(1, round(columns * natural.spacing_mm[2] / voxel_mm))
    return Grid((slices, count, count), (natural.spacing_mm[0], voxel_mm, voxel_mm))


def field_of_view(raw: Sinogram, grid: Grid) -> NDArray[np.bool_]:
    """`[row, column]`: voxels within the circle that every view sees."""
    radius = float(np.abs(raw.sampling.offsets_mm).max())
    _, y0, x0 = grid.first_mm
    y = y0 + grid.spacing_mm[1] * np.arange(grid.shape[1])
    x = x0 + grid.spacing_mm[2] * np.arange(grid.shape[2])
    return np.asarray(y[:, None] ** 2 + x**2 <= radius**2, np.bool_)


def start_image(raw: Sinogram, model: PetModel) -> NDArray[np.float32]:
    """The uniform cylinder that would give as many trues as were counted; 0 outside the field of view."""
    radius = float(np.abs(raw.sampling.offsets_mm).max())
    chord = 2 * np.sqrt(np.clip(radius**2 - raw.sampling.offsets_mm**2, 0, None))
    per_unit = float((model.factors().sum(axis=(0, 2), dtype=np.float64) * chord).sum())
    trues = float(raw.prompts.sum(dtype=np.float64)) - float(raw.background.sum(dtype=np.float64))
    value = max(trues, 1.0) / per_unit
    inside = field_of_view(raw, model.grid)
    return np.ascontiguousarray(np.broadcast_to(np.where(inside, value, 0.0), model.grid.shape), np.float32)


def post_filtered(x: Array, grid: Grid, fwhm_mm: float) -> Array:
    """The image smoothed by an isotropic Gaussian."""
    if fwhm_mm == 0:
        return x
    return GaussianBlur(grid.shape, fwhm_mm=fwhm_mm, spacing_mm=grid.spacing_mm)(x)


def image_of(raw: Sinogram, grid: Grid, method: str, filter_mm: float) -> Callable[[Array], Image]:
    """A function from voxels to the Image in patient coordinates, smoothed, with its quantity and attributes."""

    def finished(x: Array) -> Image:
        return Image(
            array=np.ascontiguousarray(post_filtered(x, grid, filter_mm), np.float32),
            affine=grid.affine(raw.isocentre_lps_mm),
            quantity=quantity("activity_concentration" if raw.calibrated else "arbitrary"),
            modality="PT",
            study=raw.study,
            description=raw.description,
            attributes=attributes_of(raw, grid, method, filter_mm),
        )

    return finished
