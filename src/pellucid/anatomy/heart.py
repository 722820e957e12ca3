"""The heart: four chambers that change volume, and muscle that does not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy.phantoms.shapes import Cylinder, Ellipsoid, Shape

CENTRE_LPS_MM = np.array([18.0, -28.0, 52.0])
LEFT_DIASTOLE_ML = 140.0
LEFT_WALL_ML = 135.0
"""Left ventricle at end-diastole and its muscle: adult reference means of cine MR (Kawel-Boehm et al. 2020,
10.1186/s12968-020-00683-3, give about 125 to 155 ml and 110 to 145 g for men and women together)."""

_LENGTH_TO_WIDTH = 1.75
_RIGHT_WALL_MM = 4.0
_ATRIUM_WALL_MM = 2.0


@dataclass(frozen=True)
class Chamber:
    """A chamber: its blood and the muscle around it."""

    blood: Shape
    wall: Shape


def chambers(contraction: float, stroke_fraction: float, shift_mm: NDArray[np.float64]) -> list[Chamber]:
    """Right atrium, left atrium, right ventricle, left ventricle, in the order in which they are painted."""
    turn = _axes()
    centre = CENTRE_LPS_MM + shift_mm
    left_volume = LEFT_DIASTOLE_ML * (1 - stroke_fraction * contraction)
    scale = (left_volume / LEFT_DIASTOLE_ML) ** (1 / 3)
    filling = 1 + 0.12 * contraction  # the atria fill while the ventricles empty
    long, short = _semi_axes(left_volume)
    base = turn[:, 2] * -long
    return [
        _shell(centre + base + turn @ [-34.0, -6.0, -14.0], [25 * filling, 24 * filling, 28 * filling], turn),
        _shell(centre + base + turn @ [8.0, 14.0, -16.0], [27 * filling, 20 * filling, 24 * filling], turn),
        Chamber(*_right_ventricle(centre, turn, scale)),
        _left_ventricle(centre, turn, left_volume, long, short),
    ]


def vessels(contraction: float, stroke_fraction: float, shift_mm: NDArray[np.float64]) -> list[Shape]:
    """Aorta (root, arch, descending) and the caval veins as chains of cylinders and balls."""
    heart = CENTRE_LPS_MM + shift_mm
    long, _ = _semi_axes(LEFT_DIASTOLE_ML * (1 - stroke_fraction * contraction))
    root = heart - _axes()[:, 2] * (long - 5)
    arch = [
        (-8, -12, 110),
        (-2, 0, 132),
        (10, 18, 140),
        (20, 34, 130),
        (22, 42, 110),
        (22, 44, 0),
        (12, 42, -90),
        (10, 42, -230),
    ]
    vein = [(-38, 2, 150), (-36, 2, 100), (-34, 0, 62)]
    lower = [(-30, 8, 40), (-26, 28, 0), (-20, 40, -60), (-18, 42, -230)]
    return _tube([tuple(root), *arch], 13.0) + _tube(vein, 10.0) + _tube(lower, 11.0)


def _axes() -> NDArray[np.float64]:
    """Columns: two short axes and the long axis from the base to the apex (left, anterior, down)."""
    apex = np.array([0.66, -0.56, -0.50])
    apex /= np.linalg.norm(apex)
    left = np.cross(apex, [0.0, 0.0, 1.0])
    left = -left / np.linalg.norm(left)
    left = left if left[0] > 0 else -left
    return np.column_stack([left, np.cross(apex, left), apex])


def _semi_axes(volume_ml: float) -> tuple[float, float]:
    """Long and short semi-axis of an ellipsoid of revolution."""
    short = (3 * volume_ml * 1000 / (4 * math.pi * _LENGTH_TO_WIDTH)) ** (1 / 3)
    return _LENGTH_TO_WIDTH * short, short


def _left_ventricle(
    centre: NDArray[np.float64], turn: NDArray[np.float64], volume_ml: float, long: float, short: float
) -> Chamber:
    """The wall's thickness follows from its constant volume: (a+h)²(c+h) = 3 (V + V_wall) / 4π."""
    target = 3 * (volume_ml + LEFT_WALL_ML) * 1000 / (4 * math.pi)
    thickness = 10.0
    for _ in range(20):
        excess = (short + thickness) ** 2 * (long + thickness) - target
        slope = 2 * (short + thickness) * (long + thickness) + (short + thickness) ** 2
        thickness -= excess / slope
    blood = Ellipsoid(centre_mm=centre, semi_axes_mm=[short, short, long], rotation=turn)
    wall = Ellipsoid(
        centre_mm=centre, semi_axes_mm=[short + thickness, short + thickness, long + thickness], rotation=turn
    )
    return Chamber(blood, wall)


def _right_ventricle(
    centre: NDArray[np.float64], turn: NDArray[np.float64], scale: float
) -> tuple[Ellipsoid, Ellipsoid]:
    """An ellipsoid that the left ventricle cuts into: what is left is the crescent."""
    axes = np.array([43.0, 36.0, 52.0]) * scale
    middle = centre + turn @ [-30.0 * scale, -8.0 * scale, -4.0]
    blood = Ellipsoid(centre_mm=middle, semi_axes_mm=axes, rotation=turn)
    return blood, Ellipsoid(centre_mm=middle, semi_axes_mm=axes + _RIGHT_WALL_MM, rotation=turn)


def _shell(centre: NDArray[np.float64], axes: list[float], turn: NDArray[np.float64]) -> Chamber:
    outer = np.asarray(axes) + _ATRIUM_WALL_MM
    return Chamber(
        Ellipsoid(centre_mm=centre, semi_axes_mm=axes, rotation=turn),
        Ellipsoid(centre_mm=centre, semi_axes_mm=outer, rotation=turn),
    )


def _tube(points: Sequence[Sequence[float]], radius: float) -> list[Shape]:
    """Cylinders along a line of points with balls at its corners."""
    shapes: list[Shape] = [Ellipsoid(centre_mm=point, semi_axes_mm=radius) for point in points]
    for first, second in zip(np.asarray(points)[:-1], np.asarray(points)[1:], strict=True):
        along = second - first
        length = float(np.linalg.norm(along))
        turn = np.linalg.qr(np.column_stack([along, np.eye(3)]))[0][:, [1, 2, 0]]
        shapes.append(Cylinder(centre_mm=(first + second) / 2, semi_axes_mm=radius, length_mm=length, rotation=turn))
    return shapes
