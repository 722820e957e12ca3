"""Folding views onto 0 … 45°: a quarter turn or a mirror image of the object instead of another view.

The ray transform of f along the ray of view R^r M^m β equals that of f ∘ R^r M^m along the ray of view β, where R
turns by 90° about z and M mirrors x. On a square grid about the isocentre both only reorder pixels, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.modalities.xray.geometry import Grid, ScanGeometry

_ANGLE_DIGITS = 7


@dataclass(frozen=True, eq=False)
class Fold:
    """Every view v as (base view, copy of the object, detector reversed or not).

    `base_angles_deg`: `[base]`. `copies`: (quarter turns r, mirrored m) of each copy. `base`, `copy`,
    `reversed`: `[view]`.
    """

    base_angles_deg: NDArray[np.float64]
    copies: tuple[tuple[int, int], ...]
    base: NDArray[np.intp]
    copy: NDArray[np.intp]
    reversed: NDArray[np.bool_]

    @cached_property
    def _column_order(self) -> NDArray[np.intp]:
        return np.where(self.reversed, -1, 1).astype(np.intp)

    def spread(self, image: NDArray[Any]) -> NDArray[Any]:
        """Copies of `[row, column, slice]`: `[row, column, copy, slice]`."""
        return np.stack([_turn(image, *copy) for copy in self.copies], axis=2)

    def gather(self, copies: NDArray[Any]) -> NDArray[Any]:
        """The adjoint of `spread`: the copies turned back and added."""
        turned = [_turn_back(copies[:, :, number], *copy) for number, copy in enumerate(self.copies)]
        return sum(turned[1:], start=turned[0])

    def fold_views(self, data: NDArray[Any]) -> NDArray[Any]:
        """`[view, slice, column]` as `[base, column, copy, slice]`: the sum of the views there, 0 without one."""
        _, slices, columns = data.shape
        folded = np.zeros((len(self.base_angles_deg), columns, len(self.copies), slices), data.dtype)
        for view, (base, copy) in enumerate(zip(self.base, self.copy, strict=True)):
            folded[base, :, copy] += data[view, :, :: self._column_order[view]].T
        return folded

    def unfold_views(self, folded: NDArray[Any]) -> NDArray[Any]:
        """The adjoint of `fold_views`: `[view, slice, column]`."""
        _, columns, _, slices = folded.shape
        data = np.empty((len(self.base), slices, columns), folded.dtype)
        for view, (base, copy) in enumerate(zip(self.base, self.copy, strict=True)):
            data[view] = folded[base, :: self._column_order[view], copy].T
        return data


def no_fold(geometry: ScanGeometry) -> Fold:
    """All views as they are."""
    views = len(geometry.angles_deg)
    zeros = np.zeros(views, np.intp)
    return Fold(geometry.angles_deg, ((0, 0),), np.arange(views), zeros, zeros.astype(bool))


def fold(geometry: ScanGeometry, grid: Grid) -> Fold:
    """The fold that saves most for this scan and grid; one copy and all views where none does."""
    if not grid.is_turnable:
        return no_fold(geometry)
    angles = geometry.angles_deg
    centred = abs(geometry.column_offset_mm) < 1e-9 * geometry.column_spacing_mm
    base, turns, mirrored, flipped = _reduced(angles, centred=centred, parallel=geometry.beam == "parallel")
    base_angles, base_index = np.unique(base, return_inverse=True)
    copies, copy_index = np.unique(np.stack([turns, mirrored], axis=1), axis=0, return_inverse=True)
    if len(base_angles) * len(copies) > 1.5 * len(angles):
        return no_fold(geometry)
    names = tuple((int(r), int(m)) for r, m in copies)
    return Fold(base_angles, names, base_index.ravel(), copy_index.ravel(), flipped)


def _reduced(
    angles_deg: NDArray[np.float64], *, centred: bool, parallel: bool
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]]:
    """Base angle, quarter turns, mirrored (0 or 1) and detector reversed, of every view."""
    angles = np.round(np.mod(angles_deg, 360.0), _ANGLE_DIGITS)
    turns = np.floor(angles / 90.0).astype(np.intp)
    base = np.round(angles - 90.0 * turns, _ANGLE_DIGITS)
    mirrored = (base > 45.0) & centred
    base = np.where(mirrored, np.round(90.0 - base, _ANGLE_DIGITS), base)
    turns = turns + mirrored
    flipped = mirrored.copy()
    if parallel and centred:  # half a turn only reverses the detector
        flipped ^= turns % 4 >= 2
        turns = turns % 2
    return base, turns % 4, mirrored.astype(np.intp), flipped


def _turn(image: NDArray[Any], turns: int, mirrored: int) -> NDArray[Any]:
    """The image f ∘ R^r M^m of `[row, column, …]`."""
    turned = np.rot90(image, turns, axes=(0, 1))
    return turned[:, ::-1] if mirrored else turned


def _turn_back(image: NDArray[Any], turns: int, mirrored: int) -> NDArray[Any]:
    return np.rot90(image[:, ::-1] if mirrored else image, -turns, axes=(0, 1))
