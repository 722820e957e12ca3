"""An MR test object like the NIST/ISMRM system phantom: balls of known T1 and T2, and holes for resolution."""

from __future__ import annotations

import numpy as np

from pellucid.anatomy.anatomy import Fiducial
from pellucid.anatomy.patient import phantom_study
from pellucid.anatomy.phantoms.material import MaterialPhantom, Part
from pellucid.anatomy.phantoms.shapes import Box, Cylinder, Ellipsoid
from pellucid.anatomy.tissue_table import tissues

INNER_RADIUS_MM = 97.0
SHELL_MM = 3.0
BALL_RADIUS_MM = 7.5
T1_PLANE_MM = 25.0
T2_PLANE_MM = -25.0
HOLE_DIAMETERS_MM = (2.0, 1.6, 1.25, 1.0, 0.8)
_MARKERS_MM = {
    "left": (80.0, 0.0, 0.0),
    "right": (-80.0, 0.0, 0.0),
    "posterior": (0.0, 80.0, 0.0),
    "anterior": (0.0, -80.0, 0.0),
    "head": (0.0, 0.0, 80.0),
    "feet": (0.0, 0.0, -80.0),
    "head left": (55.0, 0.0, 55.0),
}
_MARKER_RADIUS_MM = 5.0


def ball_centres_mm(z: float) -> list[tuple[float, float, float]]:
    """Centres of 14 balls in one plane: 10 on a circle of 50 mm radius, 4 at the corners of a 40 mm square."""
    angles = np.deg2rad(-90.0 + 36.0 * np.arange(10))
    ring = [(float(50 * np.cos(a)), float(50 * np.sin(a)), z) for a in angles]
    return [*ring, (-20.0, -20.0, z), (20.0, -20.0, z), (20.0, 20.0, z), (-20.0, 20.0, z)]


def relaxation() -> MaterialPhantom:
    """A ball of water, 194 mm wide in a 3 mm shell, with 14 balls of NiCl2 (T1), 14 of MnCl2 (T2) and a hole plate.

    Relaxation times are those of Stupic et al. 2021 (10.1002/mrm.28779), numbered from the longest; number 1 is the
    most anterior, then clockwise on the display, then the inner square from its anterior right. T1 balls are at
    z = 25 mm, T2 balls at −25 mm. The plate at z = 0 has 4 × 4 holes of 2, 1.6, 1.25, 1 and 0.8 mm, one diameter
    apart, from the patient's right to the left. Seven markers 5 mm in radius; the seventh tells the sides apart.
    """
    parts = [
        Part(Ellipsoid(centre_mm=[0, 0, 0], semi_axes_mm=INNER_RADIUS_MM + SHELL_MM), "pmma", "air"),
        Part(Ellipsoid(centre_mm=[0, 0, 0], semi_axes_mm=INNER_RADIUS_MM), "water", "pmma"),
    ]
    balls = []
    for salt, z in (("nickel_chloride", T1_PLANE_MM), ("manganese_chloride", T2_PLANE_MM)):
        for number, centre in enumerate(ball_centres_mm(z), start=1):
            balls.append(f"{salt}_{number}")
            parts.append(Part(Ellipsoid(centre_mm=centre, semi_axes_mm=BALL_RADIUS_MM), balls[-1], "water"))
    parts += _hole_plate()
    for centre in _MARKERS_MM.values():
        shape = Ellipsoid(centre_mm=centre, semi_axes_mm=_MARKER_RADIUS_MM)
        parts.append(Part(shape, "fiducial_marker", "water"))
    return MaterialPhantom(
        name="MR test object",
        parts=tuple(parts),
        tissues=tissues("air", "water", "pmma", *balls, "fiducial_marker"),
        fiducials=tuple(
            Fiducial(name=n, position_lps_mm=c, radius_mm=_MARKER_RADIUS_MM) for n, c in _MARKERS_MM.items()
        ),
        study=phantom_study("MR test object"),
    )


def hole_group_centres_mm() -> dict[float, float]:
    """Centre x of the holes of each diameter."""
    widths = np.array([7 * d for d in HOLE_DIAMETERS_MM])
    edges = np.concatenate([[0.0], np.cumsum(widths + 4.0)])
    centres = edges[:-1] + widths / 2 - (edges[-1] - 4.0) / 2
    return dict(zip(HOLE_DIAMETERS_MM, centres.tolist(), strict=True))


def _hole_plate() -> list[Part]:
    parts = [Part(Box(centre_mm=[0, 0, 0], size_mm=[80.0, 24.0, 10.0]), "pmma", "water")]
    for diameter, x in hole_group_centres_mm().items():
        for column in range(4):
            for row in range(4):
                centre = [x + (2 * column - 3) * diameter, (2 * row - 3) * diameter, 0.0]
                hole = Cylinder(centre_mm=centre, semi_axes_mm=diameter / 2, length_mm=10.0)
                parts.append(Part(hole, "water", "pmma"))
    return parts
