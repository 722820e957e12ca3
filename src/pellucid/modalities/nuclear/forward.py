"""The PET model: from activity to expected counts, and the part of it each subset of views sees.

ȳ = T · S ⊙ a ⊙ P G x + r + s
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError
from pellucid.modalities.nuclear.acquisition import Sinogram
from pellucid.modalities.nuclear.attenuation import attenuation_factors
from pellucid.modalities.nuclear.projectors import Grid, SinogramProjector
from pellucid.operators.convolution import GaussianBlur
from pellucid.operators.diagonal import Diagonal
from pellucid.operators.linear_operator import LinearOperator
from pellucid.solvers.expectation_maximisation import Subset

Array = NDArray[Any]


class PetModel:
    """Expected counts of a `Sinogram` as linear operators of the activity [Bq/ml at the frame's start].

    `resolution`: whether the detector's blur G (a Gaussian in image space) is in the model. Without `sensitivity`
    or `injection` the activity is in arbitrary units.
    """

    def __init__(self, raw: Sinogram, grid: Grid, *, resolution: bool = True, attenuation: bool = True) -> None:
        self.raw, self.grid = raw, grid
        used = raw.attenuation_map if attenuation else None
        self.attenuation = attenuation_factors(used, raw.sampling, raw.isocentre_lps_mm)
        self.blur = detector_blur(raw, grid) if resolution else None

    def factors(self, views: slice | Array = slice(None)) -> NDArray[np.float32]:
        """T S a of the chosen views: counts for each Bq/ml · mm along a bin's line."""
        factors = self.attenuation[views] * np.float32(positrons(self.raw))
        return factors if self.raw.sensitivity is None else factors * self.raw.sensitivity[views]

    def operator(self, views: slice | Array = slice(None)) -> LinearOperator:
        """The chosen views' system matrix T S a P G."""
        projector: LinearOperator = SinogramProjector(self.raw.sampling, self.grid, views=views)
        if self.blur is not None:
            projector = projector @ self.blur
        return Diagonal(self.factors(views)) @ projector

    def subset(self, views: slice | Array = slice(None)) -> Subset:
        """The chosen views as a likelihood solver wants them; bins that detect nothing weigh nothing."""
        counts = np.ascontiguousarray(self.raw.prompts[views], np.float32)
        return Subset(self.operator(views), counts, np.ascontiguousarray(self.raw.background[views]))

    def subsets(self, count: int) -> list[Subset]:
        """Every `count`-th view together, in an order that keeps successive subsets far apart in angle."""
        views = self.raw.sampling.views
        if not 1 <= count <= views:
            raise InvalidInputError(f"is {count}; expected 1 to the number of views used, {views}", field="subsets")
        return [self.subset(slice(start, None, count)) for start in spread_order(count)]


def positrons(raw: Sinogram) -> float:
    """Positrons in the frame for each Bq at its start [s]."""
    fraction = 1.0 if raw.injection is None else raw.injection.positron_fraction
    return raw.seconds_at_start_activity * fraction


def states_resolution(raw: Sinogram) -> bool:
    """Whether the scanner's resolution is known."""
    return any(raw.sampling.scanner.resolution_fwhm_mm)


def detector_blur(raw: Sinogram, grid: Grid) -> LinearOperator | None:
    """The Gaussian that stands for the detector's resolution, None where the scanner states none."""
    if not states_resolution(raw):
        return None
    across, along = raw.sampling.scanner.resolution_fwhm_mm
    return GaussianBlur(grid.shape, fwhm_mm=(along, across, across), spacing_mm=grid.spacing_mm)


def spread_order(count: int) -> Sequence[int]:
    """0 … count - 1 so that each is far from those just before it, on a circle (greedy)."""
    order = [0]
    left = list(range(1, count))
    while left:

        def nearness(candidate: int) -> float:
            distances = [min((candidate - o) % count, (o - candidate) % count) for o in order]
            return sum(0.5**age / distance for age, distance in enumerate(reversed(distances)))

        order.append(min(left, key=nearness))
        left.remove(order[-1])
    return order
