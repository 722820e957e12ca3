"""Where an image shows the markers on the skin of a digital patient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_laplace, label, map_coordinates

from pellucid.anatomy import Anatomy, Fiducial
from pellucid.image import Image

_REACH_MM, _STEP_MM = 12.0, 0.5


def offsets_mm(image: Image, patient: Anatomy, *, above: float | None = None) -> NDArray[np.float64]:
    """From each marker's true place to where it is found, along the image's slices, rows and columns `[marker, 3]`.

    Looked for within 12 mm. `above`: what is brighter is marker, not skin (default: half the marker's brightness).
    """
    directions = image.affine[:3, :3] / image.spacing_mm
    return np.array([_found(image, marker, above) @ directions for marker in patient.fiducials])


def _found(image: Image, marker: Fiducial, above: float | None) -> NDArray[np.float64]:
    """LPS offset [mm] of the centre of mass of the marker around the strongest spot of its size."""
    line = np.arange(-_REACH_MM, _REACH_MM + _STEP_MM / 2, _STEP_MM)
    around = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)
    index = image.indices_of(around + marker.position_lps_mm)
    values = map_coordinates(image.array, np.moveaxis(index, -1, 0), order=1, mode="nearest", output=np.float64)
    # A ball of radius r answers most to the Laplacian of a Gaussian of r / √3.
    spots = -gaussian_laplace(values, marker.radius_mm / np.sqrt(3) / _STEP_MM)
    spots[np.linalg.norm(around, axis=-1) > _REACH_MM - 2] = -np.inf
    spot = np.unravel_index(int(np.argmax(spots)), spots.shape)
    distance = np.linalg.norm(around - around[spot], axis=-1)
    bright = np.percentile(values[distance < marker.radius_mm / 2], 90)
    limit = bright / 2 if above is None else above
    pieces, _ = label((values > limit) & (distance < marker.radius_mm + 2))
    own = pieces == pieces[spot]
    weights = values[own] - limit
    result: NDArray[np.float64] = weights @ around[own] / weights.sum()
    return result
