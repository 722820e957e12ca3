"""Objects by which receive shading shows: a ball of one tissue, and fat beside white matter in the digital head."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from pellucid.anatomy import Anatomy, tissues
from pellucid.image import Image, axial_affine

CENTRE_LPS_MM = np.array([6.0, -15.0, 33.0])
RADIUS_MM = 75.0


def ball() -> Anatomy:
    """A ball of white matter, off the centre of its grid."""
    shape = (46, 48, 44)
    affine = axial_affine(shape, (4.0, 4.0, 4.0), (10.0, -20.0, 30.0))
    points = np.moveaxis(np.indices(shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    labels = (np.linalg.norm(points - CENTRE_LPS_MM, axis=-1) < RADIUS_MM).astype(np.uint8)
    return Anatomy(name="ball", labels=labels, affine=affine, tissues=tissues("air", "white_matter"))


def unevenness(image: Image) -> float:
    """Half the range over the mean of all but 1 % of the ball's voxels.

    Not of those nearer to its edge than two and a half, where it rings, nor of the ends, where a 3D slab does.
    """
    from_centre = image.points_lps_mm(np.moveaxis(np.indices(image.shape), 0, -1)) - CENTRE_LPS_MM
    inside = np.linalg.norm(from_centre, axis=-1) < RADIUS_MM - 2.5 * max(image.spacing_mm)
    values = image.array[inside & (np.abs(from_centre[..., 2]) < 0.6 * RADIUS_MM)]
    low, high = np.percentile(values, (0.5, 99.5))
    return float((high - low) / 2 / values.mean())


def mean_in(image: Image, patient: Anatomy, tissue: str) -> float:
    """Mean of the voxels whose centre has nothing but `tissue` within two voxels of the anatomy."""
    pure: NDArray[np.bool_] = binary_erosion(patient.mask(tissue), iterations=2)
    points = image.points_lps_mm(np.moveaxis(np.indices(image.shape), 0, -1)) - patient.affine[:3, 3]
    index = np.rint(points @ np.linalg.inv(patient.affine[:3, :3]).T).astype(int)
    inside = np.all((index >= 0) & (index < pure.shape), axis=-1)
    chosen = np.zeros(image.shape, np.bool_)
    chosen[inside] = pure[tuple(index[inside].T)]
    return float(image.array[chosen].mean())
