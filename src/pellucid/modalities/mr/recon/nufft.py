"""Gridding: the adjoint non-uniform Fourier transform with density compensation."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np

from pellucid.errors import InvalidInputError
from pellucid.image import Image
from pellucid.modalities.mr.acquisition import KSpace
from pellucid.modalities.mr.recon.combine import Combination, adaptive, root_sum_of_squares
from pellucid.modalities.mr.recon.density import is_radial
from pellucid.modalities.mr.recon.noncartesian import Gridding
from pellucid.modalities.mr.recon.normalise import Normalisation, Normalise
from pellucid.modalities.mr.recon.output import to_image
from pellucid.modalities.mr.recon.thinning import Undersampling, thinned
from pellucid.parameters import About
from pellucid.progress import Progress, no_progress, track


def refuses(raw: KSpace) -> str:
    """Why gridding cannot be used, or ""."""
    if raw.is_cartesian:
        return "its samples stand on a grid already"
    return "its trajectory has three dimensions" if raw.is_3d else ""


def nufft(
    raw: KSpace,
    *,
    progress: Progress = no_progress,
    density: Annotated[
        Literal["automatic", "ramp", "pipe_menon"], About("Density compensation; automatic: ramp for spokes")
    ] = "automatic",
    combination: Combination = "root_sum_of_squares",
    normalise: Normalise = "automatic",
    undersampling: Undersampling = 1,
) -> Image:
    """Every coil gridded, Aᴴ W s, with weights for the density of its samples, then combined.

    Jackson 1991, doi:10.1109/42.97598. Raises `InvalidInputError` where the ramp is asked for a trajectory that is
    not made of spokes.
    """
    normalisation = Normalisation(raw, normalise)
    gridding = Gridding(thinned(raw, undersampling), density=density)
    if density == "ramp" and not is_radial(gridding.coordinates):
        raise InvalidInputError("is ramp, but the lines are not spokes through the centre", field="density")
    slices = []
    for index in track(range(raw.samples.shape[0]), progress, "gridding"):
        images = gridding.coil_images(index)
        if combination == "adaptive":
            slices.append(np.abs(adaptive(images)).astype(np.float32))
        else:
            slices.append(root_sum_of_squares(images))
    return normalisation(to_image(raw, np.stack(slices)))
