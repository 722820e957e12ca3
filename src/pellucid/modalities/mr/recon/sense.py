"""Iterative SENSE: least squares over the sensitivities of all coils."""

from __future__ import annotations

from typing import Annotated

from pellucid.image import Image
from pellucid.modalities.mr.acquisition import KSpace
from pellucid.modalities.mr.recon.normalise import Normalisation, Normalise
from pellucid.modalities.mr.recon.problem import Calibration, Complex, Planes, Problem, Solve, solve_planes
from pellucid.modalities.mr.recon.thinning import Undersampling, thinned
from pellucid.parameters import About
from pellucid.progress import Progress, no_progress
from pellucid.solvers import conjugate_gradient, last

CalibrationLines = Annotated[int, About("Fully sampled lines used for the sensitivities", minimum=8, maximum=64)]
KernelWidth = Annotated[int, About("Width of the ESPIRiT patches", minimum=3, maximum=12)]
Maps = Annotated[
    int, About("Sets of sensitivities; 2 where the object exceeds the field of view", minimum=1, maximum=2)
]


def sense(
    raw: KSpace,
    *,
    progress: Progress = no_progress,
    iterations: Annotated[int, About("Conjugate-gradient iterations per plane", minimum=1, maximum=200)] = 12,
    regularisation: Annotated[
        float,
        About("Damping relative to a fully sampled scan; higher: less noise, more aliasing", minimum=0, maximum=10),
    ] = 1e-3,
    calibration_lines: CalibrationLines = 24,
    kernel: KernelWidth = 6,
    maps: Maps = 1,
    normalise: Normalise = "automatic",
    undersampling: Undersampling = 1,
) -> Image:
    """argmin_x ‖A x − s‖² + λ ‖x‖² by conjugate gradients, sensitivities by ESPIRiT.

    Pruessmann 2001, doi:10.1002/mrm.1241. Non-Cartesian data are weighted by their density compensation.
    """

    def make(planes: Planes) -> Solve:
        def solve(problem: Problem, step: Progress) -> Complex:
            states = conjugate_gradient(problem.normal(regularisation), problem.right_side, iterations=iterations)
            return last(states, progress=step, total=iterations, message="SENSE", preview=planes.preview)

        return solve

    how = Calibration(calibration_lines, kernel, maps), Normalisation(raw, normalise)
    return solve_planes(thinned(raw, undersampling), *how, make, progress)
