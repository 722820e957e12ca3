"""The system matrix of any list of lines of response by Joseph's method."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from pellucid.acquisition import require_finite, require_shape
from pellucid.kernels import thread_count
from pellucid.modalities.nuclear.projectors.grid import Grid
from pellucid.modalities.nuclear.projectors.line_kernels import back_project_lines, project_lines
from pellucid.operators.linear_operator import LinearOperator

Array = NDArray[Any]


class LineProjector(LinearOperator):
    """Line integrals along any lines: pᵢ = ∫ f dl [unit of f times mm] from one end of line i to the other.

    `shape_in`: image `[slice, row, column]` on `grid`; `ends_mm`: `[line, end, (x, y, z)]` in scanner
    coordinates; `shape_out`: `[line]`. The image is linear between voxel centres and falls to 0 one voxel beyond
    the outermost centres, as in `SinogramProjector`. Raises `InvalidInputError` where `ends_mm` is not finite.

    Joseph, IEEE Trans Med Imaging 1982, doi 10.1109/TMI.1982.4307572. Memory of the adjoint: one image per thread.
    """

    def __init__(self, ends_mm: NDArray[np.float64], grid: Grid, *, dtype: DTypeLike = np.float32) -> None:
        require_shape(ends_mm, (None, 2, 3), "ends_mm", "line, end, (x, y, z)")
        require_finite(ends_mm, "ends_mm")
        super().__init__(grid.shape, (len(ends_mm),), dtype)
        self.grid = grid
        # The kernels' order of axes: y (rows), x (columns), z (slices).
        order = [1, 0, 2]
        self._ends = np.ascontiguousarray(np.asarray(ends_mm, np.float64)[:, :, order])
        self._first = np.array(grid.first_mm[::-1])[order]
        self._spacing = np.array(grid.spacing_mm[::-1])[order]

    def _apply(self, x: Array) -> Array:
        slices, rows, columns = self.shape_in
        image = np.zeros((rows + 2, columns + 2, slices + 2), self.dtype)
        image[1:-1, 1:-1, 1:-1] = x.transpose(1, 2, 0)
        out = np.empty(self.shape_out, self.dtype)
        project_lines(image, self._ends, self._first, self._spacing, out)
        return out

    def _adjoint(self, y: Array) -> Array:
        slices, rows, columns = self.shape_in
        images = np.zeros((thread_count(), rows + 2, columns + 2, slices + 2), self.dtype)
        back_project_lines(np.ascontiguousarray(y), self._ends, self._first, self._spacing, images)
        return np.ascontiguousarray(images.sum(axis=0)[1:-1, 1:-1, 1:-1].transpose(2, 0, 1))

    @classmethod
    def examples(cls, dtype: DTypeLike) -> Iterator[LinearOperator]:
        """Lines of every direction through an off-centre anisotropic grid, one along each axis."""
        generator = np.random.default_rng(1)
        ends = generator.normal(0.0, 15.0, (60, 2, 3))
        for axis in range(3):
            ends[axis] = 0.3
            ends[axis, :, axis] = (-40.0, 40.0)
        yield cls(ends, Grid((5, 3, 7), (3.0, 4.0, 2.5), (1.0, -2.0, 3.0)), dtype=dtype)
