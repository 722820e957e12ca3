"""Direct reconstruction: the inverse Fourier transform and a combination of the coils."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from pellucid.image import Image
from pellucid.modalities.mr.acquisition import KSpace
from pellucid.modalities.mr.recon.cartesian import (
    on_image_grid,
    readout_transformed,
    to_image_space,
    whitened,
    whitening_matrix,
)
from pellucid.modalities.mr.recon.combine import Combination, adaptive, root_sum_of_squares
from pellucid.modalities.mr.recon.normalise import Normalisation, Normalise
from pellucid.modalities.mr.recon.output import to_image
from pellucid.modalities.mr.recon.thinning import Undersampling, thinned, thinned_mask
from pellucid.parameters import About
from pellucid.progress import Progress, no_progress, track

Complex = NDArray[np.complex64]


def refuses(raw: KSpace) -> str:
    """Why the direct transform cannot be used, or ""."""
    return "" if raw.is_cartesian else "its samples do not stand on a grid"


def _why_not_filled(raw: KSpace, values: Mapping[str, Any]) -> str:
    if raw.sampled is not None and homodyne_weights(thinned_mask(raw, values["undersampling"])) is not None:
        return ""
    return "the lines used are not those of a partial Fourier scan: none to fill; expected homodyne, the default"


def fft(
    raw: KSpace,
    *,
    progress: Progress = no_progress,
    combination: Combination = "root_sum_of_squares",
    partial_fourier: Annotated[
        Literal["homodyne", "zero_fill"],
        About("What stands for lines that partial Fourier left out", refuses=_why_not_filled),
    ] = "homodyne",
    normalise: Normalise = "automatic",
    undersampling: Undersampling = 1,
) -> Image:
    """Inverse Fourier transform of every coil; lines that were not acquired count as zero.

    Noise is whitened and readout oversampling removed. `partial_fourier` matters only where one side of k-space
    was left out: homodyne fills it by conjugate symmetry about the phase of the symmetric centre (Noll 1991,
    doi:10.1109/42.79473).
    """
    raw = thinned(raw, undersampling)
    normalisation = Normalisation(raw, normalise)
    matrix = whitening_matrix(raw)
    weights = None
    if raw.sampled is not None and partial_fourier == "homodyne":
        weights = homodyne_weights(raw.sampled)
    slices = raw.samples.shape[0]
    parts = []
    for index in track(range(slices), progress, "reconstructing", total=slices):
        if raw.sampled is not None and raw.sampled.shape[2] > 1:
            coils = _plane(raw, index, matrix)
        else:
            coils = _lines_transformed(readout_transformed(raw, index, matrix), weights)
        images = on_image_grid(raw, coils)
        parts.append(_combined(images, combination))
    return normalisation(to_image(raw, np.concatenate(parts)))


def _plane(raw: KSpace, index: int, matrix: Complex) -> Complex:
    """A plane with its own mask along the readout: both axes are phase encodings."""
    image = to_image_space(whitened(raw.samples[index], matrix), (-2, -1))
    return image


def _lines_transformed(hybrid: Complex, weights: tuple[NDArray[np.float32], NDArray[np.float32]] | None) -> Complex:
    if weights is None:
        return to_image_space(hybrid, (-3, -2))
    ramp, window = (w[:, None] for w in weights)
    smooth = to_image_space(hybrid * window, (-3, -2))
    phase = smooth / np.maximum(np.abs(smooth), np.finfo(np.float32).tiny)
    image = to_image_space(hybrid * ramp, (-3, -2))
    result: Complex = ((image * phase.conj()).real * phase).astype(np.complex64)
    return result


def homodyne_weights(sampled: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Weights per line for homodyne: those of the image (2 where the mirrored line is missing) and of its phase.

    `sampled`: `[partition, line, readout or 1]`. None where the lines are not a fully sampled partial Fourier
    acquisition.
    """
    if sampled.shape[2] > 1:
        return None
    lines = sampled[:, :, 0].all(axis=0)
    if lines.all() or not (sampled[:, :, 0] == lines).all():
        return None
    count = lines.size
    acquired = np.flatnonzero(lines)
    if acquired[-1] - acquired[0] + 1 != acquired.size:
        return None
    centre = count // 2
    reach = min(centre - acquired[0], acquired[-1] - centre)
    if reach < 2:
        return None
    distance = np.arange(count) - centre
    longer = 1.0 if acquired[-1] - centre > centre - acquired[0] else -1.0
    ramp = np.clip(1 + longer * distance / reach, 0, 2).astype(np.float32) * lines
    window = np.where(np.abs(distance) <= reach, np.cos(np.pi / 2 * np.clip(distance / (reach + 1), -1, 1)) ** 2, 0)
    return ramp.astype(np.float32), (window * lines).astype(np.float32)


def _combined(images: Complex, combination: str) -> NDArray[np.float32]:
    if combination == "root_sum_of_squares":
        return root_sum_of_squares(images)
    planes = [np.abs(adaptive(np.ascontiguousarray(images[:, plane]))) for plane in range(images.shape[1])]
    return np.stack(planes).astype(np.float32)
