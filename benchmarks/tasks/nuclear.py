"""PET tasks: 1.02 million lines forward and back, and the demonstration's scan and reconstruction."""

from __future__ import annotations

from functools import cache

import numpy as np

from benchmarks import Accuracy, Array, Target, Task
from pellucid import anatomy
from pellucid.anatomy.phantoms import AnalyticPhantom, Ellipsoid
from pellucid.modalities import nuclear
from pellucid.modalities.nuclear.projectors import Grid, LineProjector, SinogramProjector
from pellucid.modalities.nuclear.sampling import SinogramSampling, sampling_of
from pellucid.modalities.nuclear.scanner import Scanner

GRID = Grid((32, 128, 128), (2.5, 2.5, 2.5))
BALL = AnalyticPhantom((Ellipsoid(centre_mm=(12.0, -9.0, 3.0), semi_axes_mm=(100.0, 100.0, 100.0)),), (1.0,))
"""Larger than the grid is long: no line between the rings leaves it along the axis."""
_NO_PEER = (
    "no peer in this run. parallelproj, whose projectors are the nearest, comes by conda only, and this environment "
    "is of Python packages; measured apart, on two idle cores, it took {} CPU s for as many lines."
)


def tasks() -> list[Task]:
    return [
        forward_1m_lines(),
        back_1m_lines(),
        forward_1m_any_lines(),
        back_1m_any_lines(),
        osem_demo(),
    ]


@cache
def sampling() -> SinogramSampling:
    """128 views × 111 bins × 72 planes = 1 022 976 lines."""
    scanner = Scanner(
        name="12 rings",
        rings=12,
        crystals_per_ring=256,
        ring_pitch_mm=5.0,
        inner_radius_mm=300.0,
        interaction_depth_mm=5.0,
        radial_bins=111,
    )
    return sampling_of(scanner, span=1, max_ring_difference=3)


@cache
def ends() -> Array:
    view, radial, plane = np.indices(sampling().shape).reshape(3, -1)
    return sampling().end_points_mm(view, radial, plane)


@cache
def exact() -> Array:
    along = ends()[:, 1] - ends()[:, 0]
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    return np.asarray(BALL.ray_integral(ends()[:, 0], along))


@cache
def ball() -> Array:
    return BALL.voxels(GRID.affine((0.0, 0.0, 0.0)), GRID.shape, oversampling=3)


@cache
def data() -> Array:
    return np.random.default_rng(0).standard_normal(sampling().shape).astype(np.float32)


def relative_error(projections: Array) -> float:
    """Relative L2 of line integrals against the exact ones."""
    return float(np.linalg.norm(projections.ravel() - exact()) / np.linalg.norm(exact()))


def transpose_error(projected: Array, back_projected: Array) -> float:
    """|⟨Ax, y⟩ - ⟨x, Aᵀy⟩| over the norms, for the ball x."""
    left = float(np.vdot(projected.astype(np.float64).ravel(), data().astype(np.float64).ravel()))
    right = float(np.vdot(ball().astype(np.float64), back_projected.astype(np.float64)))
    return abs(left - right) / float(np.linalg.norm(projected) * np.linalg.norm(data()))


def forward_1m_lines() -> Task:
    projector = SinogramProjector(sampling(), GRID)
    return Task(
        "forward_1m_lines",
        "1.02 million lines of a sinogram, 128 x 128 x 32: forward",
        lambda: projector(ball()),
        (Accuracy("relative error of line integrals", relative_error),),
        targets=(Target("cpu seconds", 1.0), Target("accuracy", 0.01)),
        note=_NO_PEER.format(1.59),
    )


def back_1m_lines() -> Task:
    projector = SinogramProjector(sampling(), GRID)
    return Task(
        "back_1m_lines",
        "1.02 million lines of a sinogram, 128 x 128 x 32: back",
        lambda: projector.adjoint(data()),
        (Accuracy("adjoint gap", lambda image: transpose_error(projector(ball()), image)),),
        targets=(Target("cpu seconds", 1.15), Target("accuracy", 1e-6)),
        note=_NO_PEER.format("3.30"),
    )


def forward_1m_any_lines() -> Task:
    projector = LineProjector(ends(), GRID)
    return Task(
        "forward_1m_any_lines",
        "the same lines one by one, in any order: forward",
        lambda: projector(ball()),
        (Accuracy("relative error of line integrals", relative_error),),
        targets=(Target("cpu seconds", 1.0), Target("accuracy", 0.01)),
        note=_NO_PEER.format(1.59),
    )


def back_1m_any_lines() -> Task:
    projector = LineProjector(ends(), GRID)
    return Task(
        "back_1m_any_lines",
        "the same lines one by one, in any order: back",
        lambda: projector.adjoint(data().ravel()),
        (Accuracy("adjoint gap", lambda image: transpose_error(projector(ball()), image)),),
        targets=(Target("cpu seconds", 1.15), Target("accuracy", 1e-6)),
        note=_NO_PEER.format("3.30"),
    )


def osem_demo() -> Task:
    """Scan and OSEM of the demonstration patient; the accuracy is the head's total activity."""
    head = anatomy.brain()

    def run() -> Array:
        raw = nuclear.scan(head, "brain_fdg")
        return nuclear.suv_body_weight(nuclear.reconstruct(raw, "osem")).array

    def error(suv: Array) -> float:
        truth = float(head.values("uptake", tracer="fdg")[head.labels].sum(dtype=np.float64))
        truth *= abs(float(np.linalg.det(head.affine[:3, :3])))
        voxel = 2.03125 * 2.08814826**2
        return abs(float(suv.sum(dtype=np.float64)) * voxel / truth - 1)

    return Task(
        "osem_demo",
        "FDG head: scan and OSEM, 3 iterations of 12 subsets, 127 slices of 144 x 144",
        run,
        (Accuracy("relative error of the total uptake", error),),
        targets=(Target("wall seconds", 40.0), Target("accuracy", 0.02)),
        repeats=2,
        note="no peer in this run. STIR and SIRF, which have scanner and OSEM too, come as source or containers only.",
    )
