"""Test objects whose ray integrals and k-space are known exactly, and labelled volumes of them that scanners can scan.

head = phantoms.shepp_logan()                       # an AnalyticPhantom in LPS mm
head.ray_integral(origins_mm, directions)           # along any line: parallel, fan, cone
head.kspace(k_per_mm)                               # Bessel forms
head.pixels(256, 1.0)                               # voxels with partial volumes
"""

from pellucid.anatomy.phantoms.analytic import AnalyticPhantom
from pellucid.anatomy.phantoms.ct import catphan
from pellucid.anatomy.phantoms.material import MaterialPhantom, Part
from pellucid.anatomy.phantoms.mr import relaxation
from pellucid.anatomy.phantoms.nema import nema_body
from pellucid.anatomy.phantoms.sets import cylinders, spheres
from pellucid.anatomy.phantoms.shapes import Box, Clipped, Cylinder, Ellipsoid, Shape, rotation_2d, rotation_3d
from pellucid.anatomy.phantoms.shepp_logan import shepp_logan, shepp_logan_3d

__all__ = [
    "AnalyticPhantom",
    "Box",
    "Clipped",
    "Cylinder",
    "Ellipsoid",
    "MaterialPhantom",
    "Part",
    "Shape",
    "catphan",
    "cylinders",
    "nema_body",
    "relaxation",
    "rotation_2d",
    "rotation_3d",
    "shepp_logan",
    "shepp_logan_3d",
    "spheres",
]
