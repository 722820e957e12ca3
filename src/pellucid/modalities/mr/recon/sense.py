"""Iterative SENSE: least squares over the sensitivities of all coils."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pellucid.image import Image
from pellucid.modalities.mr.acquisition import KSpace, centred_block
from pellucid.modalities.mr.recon.normalise import Normalisation, Normalise
from pellucid.modalities.mr.recon.problem import Calibration, Complex, Planes, Problem, Solve, solve_planes
from pellucid.modalities.mr.recon.thinning import Undersampling, thinned, thinned_mask
from pellucid.parameters import About
from pellucid.progress import Progress, no_progress
from pellucid.solvers import conjugate_gradient, last

_FEWEST_LINES = 8


def _why_not_so_many(raw: KSpace, values: Mapping[str, Any]) -> str:
    there = _calibration_lines(raw, values["undersampling"])
    if values["calibration_lines"] <= there:
        return ""
    return f"the centre of this signal's k-space has {there} fully sampled lines; expected {_FEWEST_LINES} to {there}"


def _calibration_lines(raw: KSpace, undersampling: int) -> int:
    """Lines that sensitivities can be found from, along the phase encoding with most; spokes are gridded first."""
    if raw.trajectory is not None:
        return max(raw.image_shape[1:])
    block = centred_block(thinned_mask(raw, undersampling))
    return max(int(axis.stop - axis.start) for axis in block)


CalibrationLines = Annotated[
    int,
    About(
        "Fully sampled lines used for the sensitivities, or as many as there are",
        minimum=_FEWEST_LINES,
        maximum=64,
        refuses=_why_not_so_many,
    ),
]
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
