"""Whether two images are the same in the patient, however their axes are ordered and turned."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pellucid.image import Image


def image_gap(image: Image, reference: Image) -> tuple[float, float]:
    """Largest distance [mm] between corresponding voxel centres, largest difference of their values.

    Voxels correspond where they lie at the same place: slice, row and column axes may be swapped and reversed
    against each other. Both are infinite where the grids are different ones.
    """
    relative = np.linalg.inv(reference.affine) @ image.affine
    turn = np.rint(relative[:3, :3])
    if not _is_signed_permutation(turn) or image.array.shape[3:] != reference.array.shape[3:]:
        return float("inf"), float("inf")
    order = [int(np.flatnonzero(row)[0]) for row in turn]
    array = image.array.transpose(*order, *range(3, image.array.ndim))
    reversed_axes = tuple(axis for axis in range(3) if turn[axis, order[axis]] < 0)
    array = np.flip(array, reversed_axes)
    if array.shape != reference.array.shape:
        return float("inf"), float("inf")
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in image.shape], indexing="ij"), float).reshape(3, -1).T
    matching = corners @ turn.T
    for axis in reversed_axes:
        matching[:, axis] += reference.shape[axis] - 1
    apart = np.linalg.norm(image.points_lps_mm(corners) - reference.points_lps_mm(matching), axis=1)
    return float(apart.max()), float(abs(array.astype(np.float64) - reference.array).max())


def _is_signed_permutation(turn: NDArray[np.float64]) -> bool:
    size = abs(turn)
    return bool((size.sum(axis=0) == 1).all() and (size.sum(axis=1) == 1).all() and size.max() == 1)
