"""The NEMA IEC body phantom: six spheres and a lung insert in a body-shaped vessel (NEMA NU 2, IEC 61675-1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pellucid.anatomy.patient import phantom_study
from pellucid.anatomy.phantoms.material import MaterialPhantom, Part
from pellucid.anatomy.phantoms.shapes import Box, Clipped, Cylinder, Ellipsoid, Shape
from pellucid.anatomy.tissue_table import tissue, tissues
from pellucid.errors import InvalidInputError

SPHERE_DIAMETERS_MM = (37.0, 28.0, 22.0, 17.0, 13.0, 10.0)
SPHERE_CIRCLE_RADIUS_MM = 57.2
SPHERE_WALL_MM = 1.0
INNER_RADIUS_MM = 147.0
CORNER_RADIUS_MM = 77.0
WALL_MM = 3.0
END_WALL_MM = 10.0
INNER_LENGTH_MM = 180.0
SPHERES_TO_END_MM = 68.0
CENTRE_SHIFT_MM = 35.0
"""The spheres' circle and the lung insert are this much anterior of the middle of the large arc."""

LUNG_RADIUS_MM = 25.0
LUNG_WALL_MM = 4.0


def sphere_centres_mm() -> dict[float, tuple[float, float, float]]:
    """Centre of the sphere of each diameter, 60° apart: the 37 mm one at the right, then the anterior ones."""
    angles = np.deg2rad(180.0 + 60.0 * np.arange(6))
    return {
        diameter: (float(SPHERE_CIRCLE_RADIUS_MM * np.cos(a)), float(SPHERE_CIRCLE_RADIUS_MM * np.sin(a)), 0.0)
        for diameter, a in zip(SPHERE_DIAMETERS_MM, angles, strict=True)
    }


def nema_body(*, ratio: float = 4.0, cold_mm: Sequence[float] = (), tracer: str = "fdg") -> MaterialPhantom:
    """The body phantom, lying on its flat side, with the spheres' plane at z = 0 and their circle's middle at 0.

    `ratio`: activity of hot spheres to background (background uptake 1); `cold_mm`: diameters of spheres filled with
    water without activity (28 and 37 in NU 2 before 2018). Inside 294 mm × 224 mm × 180 mm; walls, filled spheres'
    1 mm shells and the lung insert's tube are PMMA; filling tubes are left out.
    """
    if not ratio > 0:
        raise InvalidInputError(f"is {ratio}; must be > 0", field="ratio")
    unknown = set(cold_mm) - set(SPHERE_DIAMETERS_MM)
    if unknown:
        raise InvalidInputError(f"has {sorted(unknown)}; the spheres are {SPHERE_DIAMETERS_MM}", field="cold_mm")
    parts = [Part(shape, "pmma", "air") for shape in _body(WALL_MM, END_WALL_MM)]
    parts += [Part(shape, "background", "pmma") for shape in _body(0.0, 0.0)]
    parts.append(Part(_tube(LUNG_RADIUS_MM), "pmma", "background"))
    parts.append(Part(_tube(LUNG_RADIUS_MM - LUNG_WALL_MM), "lung_insert", "pmma"))
    for diameter, centre in sphere_centres_mm().items():
        shell = Ellipsoid(centre_mm=centre, semi_axes_mm=diameter / 2 + SPHERE_WALL_MM)
        parts.append(Part(shell, "pmma", "background"))
        filling = "water" if diameter in cold_mm else "hot_sphere"
        parts.append(Part(Ellipsoid(centre_mm=centre, semi_axes_mm=diameter / 2), filling, "pmma"))
    water = tissue("water")
    return MaterialPhantom(
        name="NEMA IEC body phantom",
        parts=tuple(parts),
        tissues=(
            *tissues("air", "water", "pmma", "lung_insert"),
            replace(water, name="background", uptake={**water.uptake, tracer: 1.0}),
            replace(water, name="hot_sphere", uptake={**water.uptake, tracer: float(ratio)}),
        ),
        study=phantom_study("NEMA IEC body phantom"),
    )


def _body(wall: float, end: float) -> list[Shape]:
    """The vessel's outline: half a large cylinder, a box below it, and a quarter cylinder on each side of the box."""
    length = INNER_LENGTH_MM + 2 * end
    z = SPHERES_TO_END_MM - INNER_LENGTH_MM / 2
    middle = [0.0, CENTRE_SHIFT_MM, z]
    large, corner = INNER_RADIUS_MM + wall, CORNER_RADIUS_MM + wall
    side = INNER_RADIUS_MM - CORNER_RADIUS_MM
    half = Clipped(
        centre_mm=middle,
        shape=Cylinder(centre_mm=middle, semi_axes_mm=large, length_mm=length),
        planes=[((0.0, 1.0, 0.0), 0.0)],
    )
    box = Box(centre_mm=[0.0, CENTRE_SHIFT_MM + corner / 2, z], size_mm=[2 * side, corner, length])
    quarters = [
        Clipped(
            centre_mm=[sign * side, CENTRE_SHIFT_MM, z],
            shape=Cylinder(centre_mm=[sign * side, CENTRE_SHIFT_MM, z], semi_axes_mm=corner, length_mm=length),
            planes=[((0.0, -1.0, 0.0), 0.0), ((-sign, 0.0, 0.0), 0.0)],
        )
        for sign in (-1.0, 1.0)
    ]
    return [half, box, *quarters]


def _tube(radius: float) -> Cylinder:
    z = SPHERES_TO_END_MM - INNER_LENGTH_MM / 2
    return Cylinder(centre_mm=[0.0, 0.0, z], semi_axes_mm=radius, length_mm=INNER_LENGTH_MM)
