"""Compressed sensing: least squares with an image that is sparse in wavelets or in its differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np

from pellucid.functionals import L1, TotalVariation
from pellucid.image import Image
from pellucid.modalities.mr.acquisition import KSpace
from pellucid.modalities.mr.recon.normalise import Normalisation, Normalise
from pellucid.modalities.mr.recon.problem import Calibration, Complex, Planes, Problem, Solve, solve_planes
from pellucid.modalities.mr.recon.sense import CalibrationLines, KernelWidth, Maps
from pellucid.modalities.mr.recon.thinning import Undersampling, thinned
from pellucid.operators import Wavelet
from pellucid.operators.linear_operator import LinearOperator
from pellucid.parameters import About
from pellucid.progress import Progress, no_progress
from pellucid.solvers import fista, last

_LEVELS = 4
_TV_STEPS = 10
"""Inner iterations of the total-variation proximal map."""

Iterations = Annotated[int, About("FISTA iterations per plane", minimum=1, maximum=500)]


class NormalEquations:
    """½⟨x, N x⟩ − Re⟨b, x⟩: least squares by its normal operator N = AᴴA and b = Aᴴs, up to a constant."""

    def __init__(self, normal: LinearOperator, right_side: Complex) -> None:
        self.normal, self.right_side = normal, right_side

    def value_and_gradient(self, x: Complex) -> tuple[float, Complex]:
        """Value and gradient N x − b."""
        gradient = self.normal(x)
        gradient -= self.right_side
        # ½⟨x, Nx⟩ − ⟨b, x⟩ = ½⟨x, gradient − b⟩.
        value = 0.5 * float(np.vdot(x, gradient).real - np.vdot(x, self.right_side).real)
        return value, gradient


class CycleSpunWavelet:
    """w Σ |details of W x|, W under another random shift at every proximal map (cycle spinning).

    Coifman and Donoho 1995, doi:10.1007/978-1-4612-2544-7_9: no grid of blocks is preferred.
    """

    def __init__(self, shape: tuple[int, ...], weight: float, seed: int = 0) -> None:
        self._wavelet = Wavelet(shape, axes=(1, 2), levels=_LEVELS, dtype=np.complex64)
        self._weights = self._wavelet.details() * np.float32(weight)
        self._generator = np.random.default_rng(seed)

    def proximal(self, x: Complex, step: float) -> Complex:
        """Soft thresholding of the details by w step."""
        prior = L1(self._weights, self._wavelet.randomly_shifted(self._generator))
        result: Complex = prior.proximal(x, step)
        return result

    def value(self, x: Complex) -> float:
        """Weighted sum of |details of W x|, W without shift."""
        return L1(self._weights, self._wavelet).value(x)


def l1_wavelet(
    raw: KSpace,
    *,
    progress: Progress = no_progress,
    iterations: Iterations = 25,
    regularisation: Annotated[
        float, About("Threshold of wavelet details relative to bright signal", minimum=0, maximum=1)
    ] = 3e-3,
    calibration_lines: CalibrationLines = 24,
    kernel: KernelWidth = 6,
    maps: Maps = 1,
    normalise: Normalise = "automatic",
    undersampling: Undersampling = 1,
) -> Image:
    """argmin_x ½ ‖A x − s‖² + λ ‖W x‖₁ by FISTA, W Daubechies wavelets with random shifts, sensitivities by ESPIRiT.

    Lustig 2007, doi:10.1002/mrm.21391; Beck and Teboulle 2009, doi:10.1137/080716542. λ is relative to the 99.5th
    percentile of the zero-filled image.
    """

    def make(planes: Planes) -> Solve:
        def solve(problem: Problem, step: Progress) -> Complex:
            weight = regularisation * planes.scale
            return wavelet_fista(problem, weight, iterations, progress=step, preview=planes.preview)

        return solve

    how = Calibration(calibration_lines, kernel, maps), Normalisation(raw, normalise)
    return solve_planes(thinned(raw, undersampling), *how, make, progress)


def total_variation(
    raw: KSpace,
    *,
    progress: Progress = no_progress,
    iterations: Iterations = 25,
    regularisation: Annotated[
        float, About("Weight of the total variation relative to bright signal", minimum=0, maximum=1)
    ] = 3e-3,
    calibration_lines: CalibrationLines = 24,
    kernel: KernelWidth = 6,
    maps: Maps = 1,
    normalise: Normalise = "automatic",
    undersampling: Undersampling = 1,
) -> Image:
    """argmin_x ½ ‖A x − s‖² + λ TV(x) by FISTA, sensitivities by ESPIRiT.

    Block 2007, doi:10.1002/mrm.21236. λ is relative to the 99.5th percentile of the zero-filled image.
    """

    def make(planes: Planes) -> Solve:
        def solve(problem: Problem, step: Progress) -> Complex:
            prior = TotalVariation(regularisation * planes.scale, dimensions=2, iterations=_TV_STEPS)
            return _fista(problem, prior, iterations, step, planes.preview)

        return solve

    how = Calibration(calibration_lines, kernel, maps), Normalisation(raw, normalise)
    return solve_planes(thinned(raw, undersampling), *how, make, progress)


def wavelet_fista(
    problem: Problem,
    weight: float,
    iterations: int,
    *,
    progress: Progress = no_progress,
    preview: Callable[[Complex], Image] | None = None,
) -> Complex:
    """The solution of one plane with wavelet details weighted by `weight`, in units of the signal."""
    prior = CycleSpunWavelet(problem.right_side.shape, weight)
    return _fista(problem, prior, iterations, progress, preview)


def _fista(
    problem: Problem,
    prior: CycleSpunWavelet | TotalVariation,
    iterations: int,
    progress: Progress,
    preview: Callable[[Complex], Image] | None,
) -> Complex:
    states = fista(
        NormalEquations(problem.normal(), problem.right_side),
        prior,
        x0=np.zeros_like(problem.right_side),
        iterations=iterations,
        step=1.0 / problem.lipschitz,
    )
    return last(states, progress=progress, total=iterations, message="compressed sensing", preview=preview)
