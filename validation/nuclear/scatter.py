"""Single scatter: the model against a Monte Carlo, and against STIR's simulation of an off-centre cylinder."""

from __future__ import annotations

from functools import cache

import numpy as np

from pellucid.modalities.nuclear import single_scatter as scattering
from pellucid.modalities.nuclear.detection import etendue_per_area2
from pellucid.modalities.nuclear.projectors import Grid, SinogramProjector
from pellucid.modalities.nuclear.readers import interfile
from pellucid.modalities.nuclear.sampling import sampling_of
from validation import check, data
from validation.nuclear.monte_carlo import (
    BALL_MM,
    EDGES,
    MU,
    SCANNER,
    SOURCE,
    SOURCE_MM,
    Array,
    MonteCarlo,
    histogram,
)


@cache
def modelled() -> tuple[Array, Array]:
    """Expected trues and scatter of the same object, binned alike."""
    sampling = sampling_of(SCANNER, span=1, max_ring_difference=15, view_mashing=10)
    grid = Grid((31, 31, 31), (6.0, 6.0, 6.0))
    axes = [a + d * np.arange(n) for a, d, n in zip(grid.first_mm, grid.spacing_mm, grid.shape, strict=True)]
    fine = np.zeros((2, *grid.shape))
    for shift in np.array(np.meshgrid([-2, 0, 2], [-2, 0, 2], [-2, 0, 2])).reshape(3, -1).T:
        z, y, x = np.ix_(*(a + s for a, s in zip(axes, shift, strict=True)))
        fine[0] += (x - SOURCE[0]) ** 2 + (y - SOURCE[1]) ** 2 + (z - SOURCE[2]) ** 2 < SOURCE_MM**2
        fine[1] += MU * (x**2 + y**2 + z**2 < BALL_MM**2)
    activity, mu = (fine / 27).astype(np.float32)
    coarse = scattering.ScatterSampling(cell_mm=12.0, crystals=56, rings=12)
    seen = scattering.observe(activity, mu, grid, SCANNER, coarse)
    scatter = scattering.equivalent_activity(seen, sampling, coarse)
    project = SinogramProjector(sampling, Grid((62, 62, 62), (3.0, 3.0, 3.0)))
    trues, integrals = (project(np.kron(image, np.ones((2, 2, 2))).astype(np.float32)) for image in (activity, mu))
    weight = etendue_per_area2(sampling)
    distance = np.broadcast_to(np.abs(sampling.offsets_mm)[:, None], weight.shape)
    trues_by_distance, scatter_by_distance = (
        np.asarray(np.histogram(distance, EDGES, weights=(part * weight).sum(axis=0))[0])
        for part in (trues * np.exp(-integrals), scatter)
    )
    return trues_by_distance, scatter_by_distance


@cache
def counted() -> tuple[Array, Array]:
    """What the Monte Carlo counts, alike."""
    simulated = MonteCarlo(600_000, 5)
    return histogram(*simulated.trues), 2 * histogram(*simulated.scatter)


@check(
    "Scatter per true coincidence of a water ball, model against a Monte Carlo: relative difference",
    against="known truth",
    high=0.03,
    reason="12 mm cells of the object and half a percent of counting noise; falls from 5 % at 18 mm cells",
    slow=True,
)
def scatter_fraction() -> float:
    """Relative difference of all scatter over all trues."""
    (trues, scatter), (counted_trues, counted_scatter) = modelled(), counted()
    return float(abs(scatter.sum() / trues.sum() / (counted_scatter.sum() / counted_trues.sum()) - 1))


@check(
    "Where the scatter of a water ball lies, model against a Monte Carlo: largest difference of a share",
    against="known truth",
    high=0.012,
    reason="linear interpolation between 56 crystals lifts the tail outside the object by this much",
    slow=True,
)
def scatter_shape() -> float:
    """Largest difference between the shares of five ranges of distance from the axis."""
    scatter, simulated = modelled()[1], counted()[1]
    return float(np.abs(scatter / scatter.sum() - simulated / simulated.sum()).max())


@check(
    "Single scatter of an off-centre cylinder against STIR's own (recon_test_pack): relative L2 after one scale",
    against="peer",
    high=0.06,
    reason="STIR draws its scatter points at random and shows noise of 2 %; its scale is in units of its own",
)
def stir_single_scatter() -> float:
    """Relative L2 difference after the best common factor; the cylinder lies left, posterior and to the head."""
    (reference,) = interfile.read(data("nuclear/stir/scatter_cylinder.hs"))
    sampling = reference.sampling  # type: ignore[attr-defined]
    grid = Grid((47, 111, 111), (3.27, 3.0, 3.0))
    z, y, x = np.ix_(
        *(a + d * np.arange(n) for a, d, n in zip(grid.first_mm, grid.spacing_mm, grid.shape, strict=True))
    )
    # STIR counts z from its first slice, the one nearest to the head: 75.21 mm is the middle, 70 mm 5.21 to the head.
    inside = ((x - 20) ** 2 + (y - 10) ** 2 <= 100**2) & (np.abs(z - 5.21) <= 55)
    image = (0.096 * inside).astype(np.float32)
    coarse = scattering.ScatterSampling(18.0, 64, 8)
    seen = scattering.observe(image, image / 10, grid, sampling.scanner, coarse)
    ours = scattering.equivalent_activity(seen, sampling, coarse)
    theirs = reference.prompts  # type: ignore[attr-defined]
    ours = ours * ((ours * theirs).sum() / (ours * ours).sum())
    return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))
