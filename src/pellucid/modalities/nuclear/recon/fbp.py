"""Filtered back-projection of rebinned slices: direct and linear, so it can go below zero."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from pellucid.image import Image
from pellucid.kernels import parallel_kernel, prange, thread_count
from pellucid.modalities.nuclear.acquisition import Sinogram
from pellucid.modalities.nuclear.forward import PetModel
from pellucid.modalities.nuclear.projectors import Grid
from pellucid.modalities.nuclear.recon.common import field_of_view, grid_of, image_of
from pellucid.modalities.nuclear.recon.osem import Filter, KeepEvery, VoxelSize
from pellucid.modalities.nuclear.recon.rebinning import gaps_after, parallel_views, single_slice_rebinned
from pellucid.parameters import About
from pellucid.progress import Progress, no_progress


def fbp(
    raw: Sinogram,
    *,
    progress: Progress = no_progress,
    cutoff: Annotated[
        float, About("Where the Hann window ends, in Nyquist frequencies; 0: none", minimum=0, maximum=1, step=0.1)
    ] = 0.0,
    filter_mm: Filter = 4.0,
    voxel_mm: VoxelSize = None,
    keep_every: KeepEvery = 1,
) -> Image:
    """f(x, y) = ∫₀^π (p ⊛ h)(x cos φ + y sin φ, φ) dφ of single-slice rebinned, corrected data [Bq/ml].

    h is the band-limited ramp. Linear: keeps the mean, may be negative. Sources: Ramachandran and Lakshminarayanan,
    PNAS 1971, doi 10.1073/pnas.68.9.2236; rebinning: Daube-Witherspoon and Muehllehner, J Nucl Med 1987;28:1717.
    """
    raw = raw.every_view(keep_every)
    grid = grid_of(raw, voxel_mm)
    progress(0.0, "attenuation factors")
    model = PetModel(raw, grid, resolution=False)
    progress(0.3, "rebinning")
    integrals, angles, spacing = parallel_views(single_slice_rebinned(model), raw.sampling)
    progress(0.5, "filtering")
    filtered = ramp_filtered(integrals, spacing, cutoff)
    progress(0.7, "back-projection")
    image = image_of(raw, grid, "FBP single-slice rebinning", filter_mm)
    slices = back_projected(filtered, angles, spacing, grid)
    return image(np.where(field_of_view(raw, grid), slices, np.float32(0)))


def ramp_filtered(integrals: NDArray[np.float32], spacing_mm: float, cutoff: float) -> NDArray[np.float32]:
    """P ⊛ h along the radial axis; h from its exact samples, so that the mean is right."""
    bins = integrals.shape[1]
    size = scipy.fft.next_fast_len(2 * bins, real=True)
    n = np.minimum(np.arange(size), size - np.arange(size))
    odd = n % 2 == 1
    kernel = np.where(n == 0, 0.25, np.where(odd, -1.0 / (math.pi**2 * np.maximum(n, 1) ** 2), 0.0)) / spacing_mm
    response = scipy.fft.rfft(kernel).real
    if cutoff > 0:
        share = np.arange(response.size) / (response.size - 1) / cutoff
        response *= np.where(share < 1, 0.5 + 0.5 * np.cos(math.pi * np.minimum(share, 1)), 0.0)
    spectrum = scipy.fft.rfft(integrals, size, axis=1, workers=thread_count())
    spectrum *= response.astype(np.float32)[:, None]
    filtered = scipy.fft.irfft(spectrum, size, axis=1, workers=thread_count())[:, :bins]
    return np.ascontiguousarray(filtered, np.float32)


def back_projected(
    filtered: NDArray[np.float32], angles: NDArray[np.float64], spacing_mm: float, grid: Grid
) -> NDArray[np.float32]:
    """Integral over half a turn of views, `[slice, row, column]`; slices of data and grid are the same."""
    slices, rows, columns = grid.shape
    image = np.zeros((rows, columns, slices), np.float32)
    _, y0, x0 = grid.first_mm
    place = np.array([x0, y0, grid.spacing_mm[2], grid.spacing_mm[1]])
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1) / spacing_mm
    gaps = gaps_after(angles)
    weights = (gaps + np.roll(gaps, 1)) / 2
    spread(filtered * weights.astype(np.float32)[:, None, None], directions, place, image)
    return np.ascontiguousarray(image.transpose(2, 0, 1))


@parallel_kernel
def spread(
    filtered: NDArray[Any], directions: NDArray[np.float64], place: NDArray[np.float64], image: NDArray[Any]
) -> None:
    """Each pixel sums the views at its own radial position, all slices at once."""
    rows, columns, slices = image.shape
    middle = (filtered.shape[1] - 1) / 2
    for row in prange(rows):
        y = place[1] + place[3] * row
        for column in range(columns):
            x = place[0] + place[2] * column
            out = image[row, column]
            for view in range(filtered.shape[0]):
                at = x * directions[view, 0] + y * directions[view, 1] + middle
                low = math.floor(at)
                if low >= 0 and low + 1 < filtered.shape[1]:
                    after = image.dtype.type(at - low)
                    before = image.dtype.type(1.0) - after
                    one, two = filtered[view, low], filtered[view, low + 1]
                    for z in range(slices):
                        out[z] += before * one[z] + after * two[z]
