"""The Shepp-Logan head phantom in two and three dimensions.

On a unit square the published y points up (to the nose); in patient coordinates it points to posterior, so y and the
ellipses' angles change sign. All lengths are scaled by half the field of view.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from pellucid.anatomy.phantoms.analytic import AnalyticPhantom
from pellucid.anatomy.phantoms.shapes import Ellipsoid, rotation_2d, rotation_3d
from pellucid.errors import UnknownOptionError

Contrast = Literal["original", "modified"]

# Shepp and Logan 1974, 10.1109/TNS.1974.6499235: x, y, semi-axis along x, along y, turn [deg].
_ELLIPSES = (
    (0.0, 0.0, 0.69, 0.92, 0.0),
    (0.0, -0.0184, 0.6624, 0.874, 0.0),
    (0.22, 0.0, 0.11, 0.31, -18.0),
    (-0.22, 0.0, 0.16, 0.41, 18.0),
    (0.0, 0.35, 0.21, 0.25, 0.0),
    (0.0, 0.1, 0.046, 0.046, 0.0),
    (0.0, -0.1, 0.046, 0.046, 0.0),
    (-0.08, -0.605, 0.046, 0.023, 0.0),
    (0.0, -0.606, 0.023, 0.023, 0.0),
    (0.06, -0.605, 0.023, 0.046, 0.0),
)
_VALUES_2D = {
    "original": (2.0, -0.98, -0.02, -0.02, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01),
    # Toft, The Radon Transform: Theory and Implementation, thesis, Technical University of Denmark (1996), p. 201.
    "modified": (1.0, -0.8, -0.2, -0.2, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1),
}

# Kak and Slaney, Principles of Computerized Tomographic Imaging (1988), table 3.1: centre, semi-axes, turn [deg].
_ELLIPSOIDS = (
    ((0.0, 0.0, 0.0), (0.69, 0.92, 0.9), 0.0),
    ((0.0, 0.0, 0.0), (0.6624, 0.874, 0.88), 0.0),
    ((-0.22, 0.0, -0.25), (0.41, 0.16, 0.21), 108.0),
    ((0.22, 0.0, -0.25), (0.31, 0.11, 0.22), 72.0),
    ((0.0, 0.35, -0.25), (0.21, 0.25, 0.5), 0.0),
    ((0.0, 0.1, -0.25), (0.046, 0.046, 0.046), 0.0),
    ((-0.08, -0.65, -0.25), (0.046, 0.023, 0.02), 0.0),
    ((0.06, -0.65, -0.25), (0.046, 0.023, 0.02), 90.0),
    ((0.06, -0.105, 0.625), (0.056, 0.04, 0.1), 90.0),
    ((0.0, 0.1, 0.625), (0.056, 0.056, 0.1), 0.0),
)
_VALUES_3D = {
    "original": (2.0, -0.98, -0.02, -0.02, 0.02, 0.02, 0.01, 0.01, 0.02, -0.02),
    # Koay, Sarlls and Ozarslan 2007, 10.1002/mrm.21292, table 1.
    "modified": (2.0, -0.8, -0.2, -0.2, 0.2, 0.2, 0.1, 0.1, 0.2, -0.2),
}


def shepp_logan(*, size_mm: float = 256.0, contrast: Contrast = "modified") -> AnalyticPhantom:
    """The two-dimensional phantom; the published square from −1 to 1 becomes `size_mm` wide.

    `contrast`: "original" (skull 2, brain 1.02; Shepp and Logan 1974) or "modified" (skull 1, brain 0.2; Toft 1996).
    """
    half = size_mm / 2
    shapes = [
        Ellipsoid(centre_mm=half * np.array([x, -y]), semi_axes_mm=half * np.array([a, b]), rotation=rotation_2d(-turn))
        for x, y, a, b, turn in _ELLIPSES
    ]
    return AnalyticPhantom(tuple(shapes), _values(_VALUES_2D, contrast))


def shepp_logan_3d(*, size_mm: float = 256.0, contrast: Contrast = "modified") -> AnalyticPhantom:
    """The three-dimensional phantom; the published cube from −1 to 1 becomes `size_mm` wide.

    `contrast`: "original" (skull 2, brain 1.02; Kak and Slaney 1988) or "modified" (skull 2, brain 1.2; Koay 2007).
    """
    half, flip = size_mm / 2, np.array([1.0, -1.0, 1.0])
    shapes = [
        Ellipsoid(centre_mm=half * flip * centre, semi_axes_mm=half * np.array(axes), rotation=rotation_3d(-turn))
        for centre, axes, turn in _ELLIPSOIDS
    ]
    return AnalyticPhantom(tuple(shapes), _values(_VALUES_3D, contrast))


def _values(table: Mapping[str, tuple[float, ...]], contrast: str) -> tuple[float, ...]:
    if contrast not in table:
        raise UnknownOptionError("contrast", contrast, table)
    return table[contrast]
