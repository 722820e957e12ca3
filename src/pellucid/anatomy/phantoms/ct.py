"""A CT test object like a Catphan: inserts of known materials and line pairs in a water-equivalent body."""

from __future__ import annotations

import numpy as np

from pellucid.anatomy.patient import phantom_study
from pellucid.anatomy.phantoms.material import MaterialPhantom, Part
from pellucid.anatomy.phantoms.shapes import Box, Cylinder, rotation_3d
from pellucid.anatomy.tissue_table import tissues

BODY_RADIUS_MM = 100.0
MODULE_LENGTH_MM = 40.0
INSERT_RADIUS_MM = 6.1
INSERT_DISTANCE_MM = 58.7
INSERTS = {
    "air": -90.0,
    "pmp": -120.0,
    "ldpe": 180.0,
    "polystyrene": 120.0,
    "pmma": 60.0,
    "delrin": 0.0,
    "teflon": -60.0,
}
"""Material → angle from the patient's left towards posterior [deg]; a second air hole is at 90."""

LINE_PAIRS = {1: 2, 2: 3, 3: 4, 4: 4, 5: 4, 6: 5, 7: 5, 8: 5, 9: 5, 10: 5}
"""Line pairs per cm → number of aluminium bars."""

LINE_PAIR_DISTANCE_MM = 47.0


def insert_centre_mm(material: str) -> tuple[float, float, float]:
    """Centre of an insert of the sensitometry module."""
    angle = np.deg2rad(INSERTS[material])
    x, y = INSERT_DISTANCE_MM * np.cos(angle), INSERT_DISTANCE_MM * np.sin(angle)
    return float(x), float(y), -MODULE_LENGTH_MM / 2


def catphan() -> MaterialPhantom:
    """Two modules of a Catphan-like cylinder (The Phantom Laboratory, Catphan 504 manual), 200 mm wide, along z.

    z from −40 to 0: sensitometry, rods of air, PMP, LDPE, polystyrene, acrylic (PMMA), Delrin and Teflon, 12.2 mm
    wide. z from 0 to 40: aluminium bars of 1 to 10 line pairs per cm at 10 places 36° apart, 10 mm long and thick,
    the coarsest at the patient's left. The body is water.
    """
    body = Part(
        Cylinder(centre_mm=[0, 0, 0], semi_axes_mm=BODY_RADIUS_MM, length_mm=2 * MODULE_LENGTH_MM), "water", "air"
    )
    rods = [Part(_rod(*insert_centre_mm(material)), material, "water") for material in INSERTS]
    second_air = Part(_rod(0.0, INSERT_DISTANCE_MM, -MODULE_LENGTH_MM / 2), "air", "water")
    bars = [bar for place, (pairs, count) in enumerate(LINE_PAIRS.items()) for bar in _bars(36.0 * place, pairs, count)]
    return MaterialPhantom(
        name="CT test object",
        parts=(body, *rods, second_air, *bars),
        tissues=tissues("air", "water", *(name for name in INSERTS if name != "air"), "aluminium"),
        study=phantom_study("CT test object"),
    )


def _rod(x: float, y: float, z: float) -> Cylinder:
    return Cylinder(centre_mm=[x, y, z], semi_axes_mm=INSERT_RADIUS_MM, length_mm=MODULE_LENGTH_MM)


def _bars(angle_deg: float, pairs_per_cm: int, count: int) -> list[Part]:
    """Bars that lie along the radius, side by side across it; bar and gap are each half a line pair wide."""
    width = 5.0 / pairs_per_cm
    turn = rotation_3d(angle_deg)
    parts = []
    for i in range(count):
        across = (2 * i - (count - 1)) * width
        centre = turn @ np.array([LINE_PAIR_DISTANCE_MM, across, MODULE_LENGTH_MM / 2])
        parts.append(Part(Box(centre_mm=centre, size_mm=[10.0, width, 10.0], rotation=turn), "aluminium", "water"))
    return parts
