"""The head of the demonstration patient, from the label map in data/head_labels.npz (see tools/make_head_labels.py)."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy.anatomy import Anatomy, Fiducial
from pellucid.anatomy.patient import demonstration_study
from pellucid.anatomy.tissue_table import tissues

_Point = tuple[float, float, float]

_MIDDLE_LPS_MM = (0.0, 5.0, 10.0)
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
    """The demonstration patient's head at 1 mm: an average adult, in the coordinates of MNI152 (LPS).

    `tumour`: with an enhancing tumour, its dead core and oedema in the left frontal lobe. The neck ends at the grid's
    lower edge. Eight markers on the skin.
    """
    with files("pellucid.anatomy").joinpath("data", "head_labels.npz").open("rb") as stream, np.load(stream) as stored:
        labels, names = stored["labels"], [str(name) for name in stored["names"]]
        spacing, origin = stored["spacing_mm"], stored["origin_lps_mm"]
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]] = spacing
    affine[:, 3] = [*origin, 1.0]
    if tumour:
        _grow_tumour(labels, affine, names)
    fiducials = tuple(_place_marker(labels, affine, names, key) for key in _MARKER_DIRECTIONS)
    return Anatomy(
        name="Head",
        labels=labels,
        affine=affine,
        tissues=tissues(*names),
        fiducials=fiducials,
        study=demonstration_study("head"),
    )


class _Near:
    """The part of the grid within a distance of a point, and patient offsets from that point that broadcast over it."""

    def __init__(self, labels: NDArray[np.uint8], affine: NDArray[np.float64], centre: _Point, reach_mm: float) -> None:
        parts, offsets = [], []
        for axis in range(3):
            step, origin, middle = affine[2 - axis, axis], affine[2 - axis, 3], centre[2 - axis]
            first = max(0, int(np.ceil((middle - reach_mm - origin) / step)))
            last = min(labels.shape[axis], int(np.floor((middle + reach_mm - origin) / step)) + 1)
            parts.append(slice(first, last))
            offsets.append(origin + step * np.arange(first, last) - middle)
        self.labels = labels[tuple(parts)]
        self.x, self.y, self.z = offsets[2][None, None, :], offsets[1][None, :, None], offsets[0][:, None, None]


def _grow_tumour(labels: NDArray[np.uint8], affine: NDArray[np.float64], names: list[str]) -> None:
    """An uneven ball with a dead core where brain was, and oedema in the white matter around."""
    near = _Near(labels, affine, _TUMOUR_CENTRE_LPS_MM, 36.0)
    x, y, z = near.x, near.y, near.z
    lobes = 1 + 0.12 * np.sin(0.35 * x + 0.5) * np.cos(0.3 * y) + 0.1 * np.sin(0.3 * z + 0.25 * x)
    distance = np.sqrt(x**2 + (y / 1.2) ** 2 + (z / 0.9) ** 2) * lobes
    white = near.labels == names.index("white_matter")
    brain = white | (near.labels == names.index("grey_matter"))
    near.labels[white & (distance < 24)] = names.index("oedema")
    near.labels[brain & (distance < 13)] = names.index("tumour")
    near.labels[brain & (distance < 6)] = names.index("tumour_necrosis")


def _place_marker(labels: NDArray[np.uint8], affine: NDArray[np.float64], names: list[str], key: str) -> Fiducial:
    """A ball that touches the skin, outside it so that the head stays as it is."""
    direction = np.array(_MARKER_DIRECTIONS[key]) / np.linalg.norm(_MARKER_DIRECTIONS[key])
    path = np.array(_MIDDLE_LPS_MM) + np.arange(40.0, 160.0, 0.25)[:, None] * direction
    index = np.rint((path - affine[:3, 3]) / np.diag(affine[:3, 2::-1])).astype(int)[:, ::-1]
    within = np.all((index >= 0) & (index < labels.shape), axis=1)
    solid = np.zeros(len(path), bool)
    solid[within] = labels[tuple(index[within].T)] > 0
    x, y, z = (float(v) for v in path[np.flatnonzero(solid)[-1]] + _MARKER_RADIUS_MM * direction)
    near = _Near(labels, affine, (x, y, z), _MARKER_RADIUS_MM + 1)
    ball = (near.x**2 + near.y**2 + near.z**2 <= _MARKER_RADIUS_MM**2) & (near.labels == 0)
    near.labels[ball] = names.index("fiducial_marker")
    return Fiducial(name=key, position_lps_mm=(x, y, z), radius_mm=_MARKER_RADIUS_MM)
