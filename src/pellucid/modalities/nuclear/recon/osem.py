"""Maximum likelihood from all counts, or from ordered subsets of the views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pellucid.image import Image
from pellucid.modalities.nuclear.acquisition import Sinogram
from pellucid.modalities.nuclear.forward import PetModel, states_resolution
from pellucid.modalities.nuclear.recon.common import grid_of, image_of, start_image
from pellucid.parameters import About
from pellucid.progress import Progress, no_progress, part
from pellucid.solvers.expectation_maximisation import osem as ordered_subsets
from pellucid.solvers.state import last


def _why_not_resolved(raw: Sinogram, _values: Mapping[str, Any]) -> str:
    return "" if states_resolution(raw) else "this signal's scanner states no resolution; expected false, the default"


VoxelSize = Annotated[
    float | None, About("In-plane voxel; none: the central radial bin", unit="mm", minimum=0.5, maximum=20)
]
Filter = Annotated[float, About("Gaussian post-filter, FWHM", unit="mm", minimum=0, maximum=20, step=0.5)]
KeepEvery = Annotated[int, About("Use every n-th view only", minimum=1, maximum=64, step=1)]
Resolution = Annotated[bool, About("Model the detector's resolution", refuses=_why_not_resolved)]


def osem(
    raw: Sinogram,
    *,
    progress: Progress = no_progress,
    iterations: Annotated[int, About("Passes through all subsets", minimum=1, maximum=100)] = 3,
    subsets: Annotated[int, About("Ordered subsets of the views", minimum=1, maximum=500)] = 12,
    filter_mm: Filter = 4.0,
    resolution: Resolution = False,
    voxel_mm: VoxelSize = None,
    keep_every: KeepEvery = 1,
) -> Image:
    """X ← x/Aᵀ1 · Aᵀ(y/(A x + r + s)) over ordered subsets of the views, A = T S a P G: activity ≥ 0 [Bq/ml].

    Attenuation, randoms, scatter and normalisation are part of the model. Source: Hudson and Larkin, IEEE Trans
    Med Imaging 1994, doi 10.1109/42.363108.
    """
    raw = raw.every_view(keep_every)
    grid = grid_of(raw, voxel_mm)
    progress(0.0, "attenuation factors")
    model = PetModel(raw, grid, resolution=resolution)
    words = f"OSEM {iterations}i{subsets}s" + (" PSF" if model.blur is not None else "")
    image = image_of(raw, grid, words, filter_mm)
    progress(0.05, "sensitivities")
    states = ordered_subsets(model.subsets(subsets), x0=start_image(raw, model), iterations=iterations)
    return image(last(states, progress=part(progress, 0.1, 1.0), total=iterations, message=words, preview=image))


def mlem(
    raw: Sinogram,
    *,
    progress: Progress = no_progress,
    iterations: Annotated[int, About("Iterations", minimum=1, maximum=1000)] = 30,
    filter_mm: Filter = 0.0,
    resolution: Resolution = False,
    voxel_mm: VoxelSize = None,
    keep_every: KeepEvery = 1,
) -> Image:
    """X ← x/Aᵀ1 · Aᵀ(y/(A x + r + s)) with all views at once: the likelihood rises at every step.

    Source: Shepp and Vardi, IEEE Trans Med Imaging 1982, doi 10.1109/TMI.1982.4307558.
    """
    raw = raw.every_view(keep_every)
    grid = grid_of(raw, voxel_mm)
    progress(0.0, "attenuation factors")
    model = PetModel(raw, grid, resolution=resolution)
    words = f"MLEM {iterations}i" + (" PSF" if model.blur is not None else "")
    image = image_of(raw, grid, words, filter_mm)
    states = ordered_subsets([model.subset()], x0=start_image(raw, model), iterations=iterations)
    return image(last(states, progress=part(progress, 0.1, 1.0), total=iterations, message=words, preview=image))
