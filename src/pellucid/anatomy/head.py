"""The head of the demonstration patient, from the label map in data/head_labels.npz (see tools/make_head_labels.py)."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy.anatomy import Anatomy, Fiducial
from pellucid.anatomy.patient import demonstration_study
from pellucid.anatomy.tissue_table import tissues

_MARKER_RADIUS_MM = 5.0
_MARKER_DIRECTIONS = {
    "vertex": (0.0, 0.1, 1.0),
    "forehead left": (0.45, -0.9, 0.35),
    "forehead right": (-0.45, -0.9, 0.35),
    "temple left": (1.0, -0.15, 0.1),
    "temple right": (-1.0, -0.15, 0.1),
    "occiput left": (0.5, 0.85, 0.3),
    "occiput right": (-0.5, 0.85, 0.3),
    "parietal left": (0.75, 0.45, 0.75),
}
"""From the head's middle, in LPS; one more marker on the left than on the right tells the sides apart."""

_TUMOUR_CENTRE_LPS_MM = (30.0, -22.0, 30.0)
"""In the left frontal white matter."""


def brain(*, tumour: bool = True) -> Anatomy:
    """The demonstration patient's head at 1 mm; `tumour`: with a tumour and oedema in the left frontal lobe."""
    with files("pellucid.anatomy").joinpath("data", "head_labels.npz").open("rb") as stream, np.load(stream) as stored:
        labels, names = stored["labels"], [str(name) for name in stored["names"]]
        spacing, origin = stored["spacing_mm"], stored["origin_lps_mm"]
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]] = spacing
    affine[:, 3] = [*origin, 1.0]
    if tumour:
        _grow_tumour(labels, affine, names)
    fiducials = _place_markers(labels, affine, names)
    return Anatomy(
        name="Head",
        labels=labels,
        affine=affine,
        tissues=tissues(*names),
        fiducials=fiducials,
        study=demonstration_study("head"),
    )


def _offsets_mm(
    shape: tuple[int, ...], affine: NDArray[np.float64], centre: tuple[float, float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Distances from a point along patient x, y and z, shaped to broadcast over the grid."""
    z, y, x = (affine[2 - i, i] * np.arange(shape[i]) + affine[2 - i, 3] - centre[2 - i] for i in range(3))
    return x[None, None, :], y[None, :, None], z[:, None, None]


def _grow_tumour(labels: NDArray[np.uint8], affine: NDArray[np.float64], names: list[str]) -> None:
    x, y, z = _offsets_mm(labels.shape, affine, _TUMOUR_CENTRE_LPS_MM)
    lobes = 1 + 0.12 * np.sin(0.35 * x + 0.5) * np.cos(0.3 * y) + 0.1 * np.sin(0.3 * z + 0.25 * x)
    distance = np.sqrt((x / 1.0) ** 2 + (y / 1.2) ** 2 + (z / 0.9) ** 2) * lobes
    white = labels == names.index("white_matter")
    grey_or_white = white | (labels == names.index("grey_matter"))
    labels[white & (distance < 24)] = names.index("oedema")
    labels[grey_or_white & (distance < 13)] = names.index("tumour")
    labels[grey_or_white & (distance < 6)] = names.index("tumour_necrosis")


def _place_markers(labels: NDArray[np.uint8], affine: NDArray[np.float64], names: list[str]) -> tuple[Fiducial, ...]:
    """Half-sunk balls would change the head: each ball's middle is one radius outside the skin."""
    return tuple(_place_marker(labels, affine, names, key) for key in _MARKER_DIRECTIONS)


def _place_marker(labels: NDArray[np.uint8], affine: NDArray[np.float64], names: list[str], key: str) -> Fiducial:
    direction = np.array(_MARKER_DIRECTIONS[key]) / np.linalg.norm(_MARKER_DIRECTIONS[key])
    path = np.array([0.0, 5.0, 10.0]) + np.arange(40.0, 160.0, 0.25)[:, None] * direction
    index = np.rint((path - affine[:3, 3]) / np.diag(affine[:3, 2::-1])).astype(int)[:, ::-1]
    within = np.all((index >= 0) & (index < labels.shape), axis=1)
    solid = np.zeros(len(path), bool)
    solid[within] = labels[tuple(index[within].T)] > 0
    x, y, z = path[np.flatnonzero(solid)[-1]] + _MARKER_RADIUS_MM * direction
    dx, dy, dz = _offsets_mm(labels.shape, affine, (x, y, z))
    ball = (dx**2 + dy**2 + dz**2 <= _MARKER_RADIUS_MM**2) & (labels == 0)
    labels[ball] = names.index("fiducial_marker")
    return Fiducial(name=key, position_lps_mm=(float(x), float(y), float(z)), radius_mm=_MARKER_RADIUS_MM)
