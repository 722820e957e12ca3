"""Iterative methods: the image whose line integrals fit the measured ones, for any beam and any views.

    min ½ ‖A μ − p‖² + …

| method | adds | |
|---|---|---|
| `sirt` | weights of rays and pixels | slow and steady; positivity |
| `cgls` | nothing, or damping ‖μ‖² | fast; stop early |
| `tv` | λ TV(μ), positivity | few views, noise |

The grid must hold the whole object: what is outside it has nowhere to go. Memory: seven (TV: 16) times the
image, and four times the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from pellucid import solvers
from pellucid.image import Image
from pellucid.modalities.xray.acquisition import Sinogram
from pellucid.modalities.xray.forward import ray_transform
from pellucid.modalities.xray.recon import options
from pellucid.modalities.xray.recon.options import ImageOptions
from pellucid.modalities.xray.recon.prepare import Prepared, prepare
from pellucid.modalities.xray.recon.result import image_of
from pellucid.operators import LinearOperator
from pellucid.parameters import About, flat
from pellucid.progress import Progress, no_progress

_WORKING_IMAGES = {"sirt": 7, "cgls": 7, "tv": 16}
"""Arrays of the image's size held at once: the solver's, and the preview's."""
_NORM_ITERATIONS = 6
_NORM_SAFETY = 1.02
_IMAGE = ImageOptions()
Start = Callable[[LinearOperator, NDArray[np.float32]], Iterator[solvers.State]]
Iterations = Annotated[int, About("Iterations", minimum=1, maximum=10000, step=10)]


@flat
def sirt(
    raw: Sinogram,
    *,
    progress: Progress = no_progress,
    iterations: Iterations = 60,
    relaxation: Annotated[float, About("Step, 1 for plain SIRT", minimum=0.05, maximum=1.95, step=0.05)] = 1.5,
    non_negative: options.NonNegative = True,
    image: ImageOptions = _IMAGE,
) -> Image:
    """Simultaneous iterative reconstruction: μ ← max(0, μ + relaxation C Aᵀ R (p − A μ))."""
    ready = prepare(raw, image, working_images=_WORKING_IMAGES["sirt"])

    def begin(operator: LinearOperator, data: NDArray[np.float32]) -> Iterator[solvers.State]:
        return solvers.sirt(operator, data, iterations=iterations, relaxation=relaxation, non_negative=non_negative)

    return _run(raw, ready, begin, iterations, f"SIRT {iterations}", progress)


@flat
def cgls(
    raw: Sinogram,
    *,
    progress: Progress = no_progress,
    iterations: Iterations = 15,
    damping: Annotated[
        float, About("Damping, as part of the largest singular value", minimum=0, maximum=1, step=0.005)
    ] = 0.0,
    image: ImageOptions = _IMAGE,
) -> Image:
    """Conjugate gradients for least squares: fewer iterations are smoother, more follow the noise."""
    ready = prepare(raw, image, working_images=_WORKING_IMAGES["cgls"])

    def begin(operator: LinearOperator, data: NDArray[np.float32]) -> Iterator[solvers.State]:
        strength = damping * _norm(operator) if damping else 0.0
        return solvers.cgls(operator, data, iterations=iterations, damping=strength)

    return _run(raw, ready, begin, iterations, f"CGLS {iterations}", progress)


@flat
def tv(
    raw: Sinogram,
    *,
    progress: Progress = no_progress,
    iterations: Iterations = 120,
    regularisation: Annotated[
        float,
        About("Weight of total variation, as part of the largest value of Aᵀp", minimum=0, maximum=1, step=1e-4),
    ] = 2e-3,
    non_negative: options.NonNegative = True,
    image: ImageOptions = _IMAGE,
) -> Image:
    """Least squares with isotropic total variation in three dimensions and, by default, positivity."""
    ready = prepare(raw, image, working_images=_WORKING_IMAGES["tv"])

    def begin(operator: LinearOperator, data: NDArray[np.float32]) -> Iterator[solvers.State]:
        spacing = np.array(ready.grid.spacing_mm) / min(ready.grid.spacing_mm)
        return solvers.total_variation_pdhg(
            operator,
            data,
            weight=regularisation * float(np.abs(operator.adjoint(data)).max()),
            iterations=iterations,
            non_negative=non_negative,
            operator_norm=_norm(operator) * _NORM_SAFETY,
            spacing=(float(spacing[0]), float(spacing[1]), float(spacing[2])),
        )

    return _run(raw, ready, begin, iterations, f"TV {iterations}", progress)


def _norm(operator: LinearOperator) -> float:
    """Largest singular value by a few power iterations.

    A projector has no negative entries, so its first singular vector has one sign: from a constant image the
    iteration is there at once.
    """
    x = np.ones(operator.shape_in, operator.dtype)
    size = 0.0
    for _ in range(_NORM_ITERATIONS):
        x = operator.adjoint(operator(x / max(float(np.linalg.norm(x)), np.finfo(np.float32).tiny)))
        size = float(np.linalg.norm(x))
    return float(np.sqrt(size))


def _run(raw: Sinogram, ready: Prepared, begin: Start, iterations: int, method: str, progress: Progress) -> Image:
    """Drive a solver on the prepared line integrals."""
    progress(0.0, "line integrals")
    operator = ray_transform(ready.geometry, ready.grid)
    kernel = method.split(maxsplit=1)[0]

    def picture(attenuation: NDArray[np.float32]) -> Image:
        return image_of(raw, ready, attenuation, kernel=kernel, method=method)

    states = begin(operator, ready.data)
    return picture(solvers.last(states, progress=progress, total=iterations, message=method, preview=picture))


def refuses(raw: Sinogram) -> str:
    """Why this scan cannot be reconstructed so, or ""."""
    return "" if raw.geometry.columns > 1 else "it has a single column"
