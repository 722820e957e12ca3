"""A test object made of materials: exact for every modality, and a labelled volume that scanners can scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pellucid.anatomy.anatomy import Anatomy, Fiducial
from pellucid.anatomy.phantoms.analytic import AnalyticPhantom, centres_inside, touched
from pellucid.anatomy.phantoms.shapes import Shape
from pellucid.anatomy.tissue import Tissue
from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.image import axial_affine
from pellucid.study import StudyContext

_LIMIT_VOXELS = 2**27
"""More than this is refused before memory is taken."""


@dataclass(frozen=True, eq=False)
class Part:
    """A body of one material that takes the place of another: it must lie wholly within that one."""

    shape: Shape
    tissue: str
    within: str


@dataclass(frozen=True, kw_only=True, eq=False)
class MaterialPhantom:
    """Parts of materials in patient LPS millimetres, later parts inside earlier ones; the middle is at 0.

    `tissues[0]` is the air around it.
    """

    name: str
    parts: tuple[Part, ...]
    tissues: tuple[Tissue, ...]
    fiducials: tuple[Fiducial, ...] = ()
    study: StudyContext = field(default_factory=StudyContext)

    def __post_init__(self) -> None:
        names = [tissue.name for tissue in self.tissues]
        for part in self.parts:
            for name in (part.tissue, part.within):
                if name not in names:
                    raise UnknownOptionError("tissue", name, names)

    def analytic(self, values: ArrayLike) -> AnalyticPhantom:
        """The exact phantom of one property, from its value for each of `tissues`, less that of the air around."""
        given = np.asarray(values, float)
        if given.shape != (len(self.tissues),):
            raise InvalidInputError(f"is {given.shape}; expected ({len(self.tissues)},)", field="values")
        of = {tissue.name: float(value) for tissue, value in zip(self.tissues, given, strict=True)}
        amplitudes = tuple(of[part.tissue] - of[part.within] for part in self.parts)
        return AnalyticPhantom(tuple(part.shape for part in self.parts), amplitudes)

    def bounds_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lowest and highest corner of a box that holds all parts."""
        lows, highs = zip(*(part.shape.bounds_mm() for part in self.parts), strict=True)
        return np.min(lows, axis=0), np.max(highs, axis=0)

    def anatomy(self, spacing_mm: float | Sequence[float] = 1.0, *, margin_mm: float = 10.0) -> Anatomy:
        """The phantom as a labelled volume; each voxel is of the last part that its centre is in.

        `spacing_mm`: one number or (slice, row, column). `margin_mm`: air around.
        """
        spacing = np.asarray(spacing_mm, float) * np.ones(3)
        if not np.all(spacing > 0):
            raise InvalidInputError(f"is {spacing.tolist()}; must be > 0", field="spacing_mm")
        low, high = self.bounds_mm()
        size = (high - low)[::-1] + 2 * margin_mm
        slices, rows, columns = (int(n) for n in np.ceil(size / spacing))
        shape = (slices, rows, columns)
        if np.prod(shape, dtype=float) > _LIMIT_VOXELS:
            raise InvalidInputError(f"gives {shape} voxels; at most {_LIMIT_VOXELS} are allowed", field="spacing_mm")
        affine = axial_affine(shape, (spacing[0], spacing[1], spacing[2]), (low + high) / 2)
        return Anatomy(
            name=self.name,
            labels=self._labels(affine, shape),
            affine=affine,
            tissues=self.tissues,
            fiducials=self.fiducials,
            study=self.study,
        )

    def _labels(self, affine: NDArray[np.float64], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        labels = np.zeros(shape, np.uint8)
        index = {tissue.name: i for i, tissue in enumerate(self.tissues)}
        for part in self.parts:
            where = touched(part.shape, affine, shape)
            labels[where][centres_inside(part.shape, affine, where)] = index[part.tissue]
        return labels
