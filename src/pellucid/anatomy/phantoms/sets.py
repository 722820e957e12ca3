"""Balls and rods of one material in air: the plainest test objects."""

from __future__ import annotations

from collections.abc import Sequence

from pellucid.anatomy.phantoms.analytic import AnalyticPhantom
from pellucid.anatomy.phantoms.shapes import Array, Cylinder, Ellipsoid
from pellucid.errors import InvalidInputError


def spheres(
    centres_mm: Sequence[Sequence[float]], radii_mm: Sequence[float], values: Sequence[float]
) -> AnalyticPhantom:
    """Balls by centre (x, y, z) or discs by (x, y), each with its radius and value; where they overlap, values add."""
    _same_length(centres_mm, radii_mm, values)
    shapes = [Ellipsoid(centre_mm=c, semi_axes_mm=r) for c, r in zip(centres_mm, radii_mm, strict=True)]
    return AnalyticPhantom(tuple(shapes), tuple(float(v) for v in values))


def cylinders(
    centres_mm: Sequence[Sequence[float]],
    radii_mm: Sequence[float],
    lengths_mm: Sequence[float],
    values: Sequence[float],
    *,
    rotation: Array | None = None,
) -> AnalyticPhantom:
    """Rods along z, or along the third column of `rotation`; where they overlap, values add."""
    _same_length(centres_mm, radii_mm, lengths_mm, values)
    shapes = [
        Cylinder(centre_mm=c, semi_axes_mm=r, length_mm=length, rotation=rotation)
        for c, r, length in zip(centres_mm, radii_mm, lengths_mm, strict=True)
    ]
    return AnalyticPhantom(tuple(shapes), tuple(float(v) for v in values))


def _same_length(*lists: Sequence[object]) -> None:
    lengths = [len(items) for items in lists]
    if len(set(lengths)) != 1:
        raise InvalidInputError(f"have lengths {lengths}; expected one entry per body in each", field="bodies")
