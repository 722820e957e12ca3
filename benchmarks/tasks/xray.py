"""X-ray CT tasks: filtered back-projection of one slice and of a stack, forward projection, Feldkamp."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from benchmarks import Accuracy, Array, Target, Task, root_mean_square
from pellucid.modalities.xray import Grid, ParallelRayTransform
from pellucid.modalities.xray.recon.fbp import filtered_back_projection
from pellucid.modalities.xray.recon.fdk import feldkamp
from validation.rays import exact_line_integrals
from validation.xray import analytic as evidence
from validation.xray.scans import GRID, HEAD, PARALLEL, SIZE

STACK = 16


@cache
def inputs(name: str) -> dict[str, Array]:
    """The arrays that a task starts from, for Pellucid and its peers alike.

    Peers count angles the other way round, in pictures whose y points up.
    """
    if name == "fdk_128":
        scan, ball, grid = evidence.sphere_set_up()
        return {
            "projections": exact_line_integrals(ball, scan),
            "angles_rad": np.deg2rad(scan.angles_deg),
            "detector_spacing_mm": np.float64(scan.column_spacing_mm),
            "voxel_mm": np.float64(grid.spacing_mm[0]),
            "size": np.int64(grid.shape[0]),
            "source_isocentre_mm": np.float64(scan.source_isocentre_mm),
            "source_detector_mm": np.float64(scan.source_detector_mm),
        }
    shared = {
        "size": np.int64(SIZE),
        "detectors": np.int64(SIZE),
        "angles_rad": -np.deg2rad(PARALLEL.angles_deg),
    }
    if name == "forward_512x720":
        return {**shared, "image": evidence.head_truth()}
    sinogram = np.ascontiguousarray(exact_line_integrals(HEAD, PARALLEL)[:, 0])
    if name == "fbp_512x720":
        return {**shared, "sinogram": sinogram, "sinogram_about_a_pixel": _about_a_pixel()}
    return {**shared, "sinograms": np.repeat(sinogram[None], STACK, axis=0)}


def _about_a_pixel() -> Array:
    """The sinogram of the same head turned about the centre of pixel (256, 256), where column 256 is.

    scikit-image turns about the pixel of index size // 2; we and the others about the middle of the picture, half a
    pixel before it. Sampled so, its picture lies on the same pixels as the truth.
    """
    half = 0.5 * GRID.spacing_mm[1]
    scan = replace(PARALLEL, column_offset_mm=-half)
    return np.ascontiguousarray(exact_line_integrals(HEAD, scan, (half, half, 0.0))[:, 0])


def _disc_error(picture: Array) -> float:
    return root_mean_square(picture - evidence.head_truth(), evidence.disc(255))


def _inside_error(picture: Array) -> float:
    return root_mean_square(picture - evidence.head_truth(), evidence.inside_skull())


def fbp_512x720() -> tuple[Callable[[], Array], Callable[[Array], float]]:
    """Filtered back-projection, Shepp-Logan 512², 720 views, Ram-Lak; RMSE in the disc r < 255."""
    data = np.ascontiguousarray(inputs("fbp_512x720")["sinogram"][:, None])

    def run() -> Array:
        return filtered_back_projection(data, PARALLEL, GRID)[0]

    return run, _disc_error


def fbp_stack_16() -> tuple[Callable[[], Array], Callable[[Array], float]]:
    """Filtered back-projection of a stack of 16 such slices, seconds per slice; RMSE of the worst slice."""
    data = np.ascontiguousarray(inputs("fbp_stack_16")["sinograms"].swapaxes(0, 1))
    scan = PARALLEL.with_row_positions(np.arange(STACK, dtype=np.float64))
    grid = Grid(shape=(STACK, SIZE, SIZE), spacing_mm=GRID.spacing_mm)

    def run() -> Array:
        return filtered_back_projection(data, scan, grid)

    return run, lambda pictures: max(_disc_error(picture) for picture in pictures)


def forward_512x720() -> tuple[Callable[[], Array], Callable[[Array], float]]:
    """Forward projection of the same slice, set-up included; relative RMS error against exact line integrals."""
    image = inputs("forward_512x720")["image"][None]
    exact = exact_line_integrals(HEAD, PARALLEL)[:, 0]

    def run() -> Array:
        return ParallelRayTransform(PARALLEL, GRID)(image)[:, 0]

    return run, lambda data: float(np.linalg.norm(data - exact) / np.linalg.norm(exact))


def fdk_128() -> tuple[Callable[[], Array], Callable[[Array], float]]:
    """Feldkamp, ball of 90 mm, 128³ voxels from 180 views of 128²; RMSE in the mid-plane inside r < 80 mm."""
    scan, _, grid = evidence.sphere_set_up()
    data = inputs("fdk_128")["projections"]
    inside = np.hypot(grid.x_mm, grid.y_mm[:, None]) < 80

    def run() -> Array:
        return feldkamp(data, scan, grid)

    def error(volume: Array) -> float:
        middle = volume if volume.shape[0] == 2 else volume[63:65]
        return root_mean_square(middle - 0.02, np.broadcast_to(inside, middle.shape))

    return run, error


def tasks() -> list[Task]:
    """All tasks with their peers and targets."""
    fbp, fbp_error = fbp_512x720()
    stack, stack_error = fbp_stack_16()
    forward, forward_error = forward_512x720()
    fdk, fdk_error = fdk_128()
    return [
        Task(
            name="fbp_512x720",
            title="Filtered back-projection, Shepp-Logan 512², 720 views, Ram-Lak",
            run=fbp,
            accuracies=(Accuracy("RMSE in the disc", fbp_error), Accuracy("RMSE inside the skull", _inside_error)),
            inputs=inputs("fbp_512x720"),
            peers=("astra", "skimage"),
            targets=(
                Target("cpu ratio", 0.6, "astra"),
                Target("cpu ratio", 0.35, "skimage"),
                Target("accuracy", 0.0153),
                Target("second accuracy", 0.0031),
            ),
        ),
        Task(
            name="fbp_stack_16",
            title="The same for a stack of 16 slices, per slice",
            run=stack,
            accuracies=(Accuracy("RMSE in the disc, worst slice", stack_error),),
            inputs=inputs("fbp_stack_16"),
            peers=("astra",),
            targets=(Target("cpu ratio", 0.2, "astra"), Target("accuracy", 0.0153)),
            per=STACK,
        ),
        Task(
            name="forward_512x720",
            title="Forward projection, Shepp-Logan 512², 720 views",
            run=forward,
            accuracies=(Accuracy("relative RMS error", forward_error),),
            inputs=inputs("forward_512x720"),
            peers=("astra",),
            targets=(Target("cpu ratio", 0.7, "astra"), Target("accuracy", 0.0074)),
        ),
        Task(
            name="fdk_128",
            title="Feldkamp, 128³ voxels from 180 views of 128² elements",
            run=fdk,
            accuracies=(Accuracy("RMSE in the mid-plane [1/mm]", fdk_error),),
            inputs=inputs("fdk_128"),
            peers=("rtk",),
            # 0.1 % of the ball's 0.02/mm, which RTK reaches in the mid-plane of its own sphere.
            targets=(Target("wall ratio", 0.25, "rtk"), Target("accuracy", 2e-5)),
        ),
    ]
