"""The torso of the demonstration patient: organs as formulas, voxelised at any resolution, breathing and beating."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.anatomy import heart
from pellucid.anatomy.anatomy import Anatomy, Fiducial
from pellucid.anatomy.motion import Motion
from pellucid.anatomy.patient import demonstration_study
from pellucid.anatomy.phantoms.analytic import centres_inside, touched
from pellucid.anatomy.phantoms.shapes import Ellipsoid, Shape, rotation_3d
from pellucid.anatomy.tissue_table import tissues
from pellucid.errors import InvalidInputError
from pellucid.image import axial_affine

Grid = NDArray[Any]

NAMES = (
    "air",
    "skin",
    "adipose",
    "muscle",
    "cortical_bone",
    "spongiosa",
    "lung",
    "blood",
    "myocardium",
    "liver",
    "liver_lesion",
    "kidney",
    "spleen",
    "csf",
    "white_matter",
    "fiducial_marker",
)
_LABEL = {name: i for i, name in enumerate(NAMES)}

SIZE_MM = (440.0, 270.0, 390.0)
"""Extent along z, y and x; the middle is at 0, on the spine's front at the height of the diaphragm."""

_BODY = np.array([172.0, 114.0])
_CHEST = np.array([150.0, 92.0])
_SPINE_Y_MM, _CANAL_Y_MM = 60.0, 84.0
_VERTEBRA_MM, _DISC_MM = 27.0, 7.0
_MARKER_RADIUS_MM = 5.0
_MARKERS = {
    "breastbone": (-90.0, 60.0),
    "belly": (-90.0, -120.0),
    "chest left": (-40.0, 90.0),
    "chest right": (-140.0, 90.0),
    "side left": (0.0, 0.0),
    "side right": (180.0, 0.0),
    "hip left": (-30.0, -150.0),
}
"""Angle from the patient's left towards posterior [deg] and z [mm]; one more on the left tells the sides apart."""

LESIONS = (((-75.0, -30.0, -35.0), 15.0), ((-40.0, 15.0, -55.0), 10.0), ((-95.0, 15.0, -20.0), 6.0))
"""Centre at end-expiration and radius of each liver lesion."""

_BOWEL = (
    ((58.0, -22.0, -62.0), (46.0, 42.0, 34.0)),
    ((-20.0, -40.0, -130.0), (70.0, 26.0, 24.0)),
    ((40.0, -36.0, -165.0), (62.0, 28.0, 22.0)),
    ((-60.0, -24.0, -185.0), (46.0, 34.0, 26.0)),
    ((14.0, -30.0, -205.0), (80.0, 30.0, 20.0)),
    ((104.0, 0.0, -150.0), (24.0, 30.0, 66.0)),
    ((-106.0, -4.0, -160.0), (26.0, 32.0, 50.0)),
)
"""Stomach and bowel, as soft tissue: centre at end-expiration and semi-axes."""

_LIMIT_VOXELS = 2**27


def torso(*, spacing_mm: float | Sequence[float] = 2.0, time_s: float = 0.0, motion: Motion | None = None) -> Anatomy:
    """The demonstration patient's torso from the lung tops to the kidneys, at a time; `.at(time_s)` gives other times.

    `spacing_mm`: one number or (slice, row, column). Organ volumes are near those of ICRP Publication 89 (adults).
    Raises `InvalidInputError` for a spacing that is not positive or too fine to hold.
    """
    spacing = np.asarray(spacing_mm, float) * np.ones(3)
    if not np.all(spacing > 0):
        raise InvalidInputError(f"is {spacing.tolist()}; must be > 0", field="spacing_mm")
    slices, rows, columns = (int(n) for n in np.ceil(np.array(SIZE_MM) / spacing))
    shape = (slices, rows, columns)
    if np.prod(shape, dtype=float) > _LIMIT_VOXELS:
        raise InvalidInputError(f"gives {shape} voxels; at most {_LIMIT_VOXELS} are allowed", field="spacing_mm")
    affine = axial_affine(shape, (spacing[0], spacing[1], spacing[2]))
    how = motion or Motion()

    def at(time: float) -> tuple[NDArray[np.uint8], tuple[Fiducial, ...]]:
        return _Painter(affine, shape, how, time).paint()

    labels, fiducials = at(time_s)
    return Anatomy(
        name="Torso",
        labels=labels,
        affine=affine,
        tissues=tissues(*NAMES),
        fiducials=fiducials,
        study=demonstration_study("torso"),
        motion=at,
    )


class _Painter:
    """Paints the organs of one moment, each over those before it."""

    def __init__(self, affine: NDArray[np.float64], shape: tuple[int, int, int], motion: Motion, time_s: float) -> None:
        self.affine, self.shape = affine, shape
        self.labels = np.zeros(shape, np.uint8)
        self.diaphragm = motion.diaphragm_mm(time_s)
        self.forward = motion.chest_mm(time_s) / _BODY[1]
        self.contraction = motion.contraction(time_s)
        self.stroke_fraction = motion.stroke_fraction
        z, y, x = (affine[2 - i, i] * np.arange(shape[i]) + affine[2 - i, 3] for i in range(3))
        self.x, self.z = x[None, None, :].astype(np.float32), z[:, None, None].astype(np.float32)
        # The chest opens forward: the front half is stretched, and shapes are asked at the place before.
        self.y = np.where(y < 0, y / (1 + self.forward), y)[None, :, None].astype(np.float32)

    def paint(self) -> tuple[NDArray[np.uint8], tuple[Fiducial, ...]]:
        """Labels and markers."""
        self._body()
        self._lungs()
        self._abdomen()
        self._heart()
        self._cage()
        self._spine()
        return self.labels, self._markers()

    def _fill(self, mask: Grid, name: str) -> None:
        self.labels[np.broadcast_to(mask, self.shape)] = _LABEL[name]

    def _shape(self, shape: Shape, name: str, over: Sequence[str] = ()) -> None:
        where = touched(shape, self.affine, self.shape)
        inside = centres_inside(shape, self.affine, where)
        if over:
            inside &= np.isin(self.labels[where], [_LABEL[item] for item in over])
        self.labels[where][inside] = _LABEL[name]

    def _ellipse(self, semi_axes: NDArray[np.float64]) -> Grid:
        """Elliptic radius about the body's axis, narrower towards the shoulders and the hips."""
        taper = _taper(self.z)
        radius: Grid = np.sqrt((self.x / semi_axes[0]) ** 2 + (self.y / semi_axes[1]) ** 2) / taper
        return radius

    def _body(self) -> None:
        for inset, name in ((0.0, "skin"), (2.0, "adipose"), (14.0, "muscle")):
            self._fill(self._ellipse(_BODY - inset) <= 1, name)
        self._fill((self._ellipse(_CHEST - 6) <= 1) & (self.z < 10 - self.diaphragm), "adipose")

    def _lungs(self) -> None:
        """Upper half ellipsoids on the domes of the diaphragm, within the chest."""
        inner = self._ellipse(_CHEST - 5) <= 1
        down = self.diaphragm
        for side, height in ((-1.0, 14.0), (1.0, 4.0)):
            x = (self.x - side * 72) / 66
            lung = x**2 + ((self.y - 2) / 90) ** 2 + ((self.z + 30) / 232) ** 2 <= 1
            dome = height - down - 62 * (x**2 + ((self.y + 8) / 80) ** 2)
            mediastinum = side * self.x < 14 + 10 * (self.y < 0)
            self._fill(lung & inner & (self.z > dome) & ~mediastinum, "lung")

    def _abdomen(self) -> None:
        down = np.array([0.0, 0.0, -self.diaphragm])
        soft = ("muscle", "adipose")
        right = Ellipsoid(centre_mm=np.array([-66.0, -6.0, -46.0]) + down, semi_axes_mm=[72.0, 76.0, 68.0])
        left = Ellipsoid(
            centre_mm=np.array([12.0, -36.0, -28.0]) + down,
            semi_axes_mm=[62.0, 36.0, 30.0],
            rotation=rotation_3d(8.0, 1),
        )
        for centre, semi_axes in _BOWEL:
            self._shape(Ellipsoid(centre_mm=np.array(centre) + 0.5 * down, semi_axes_mm=semi_axes), "muscle", soft)
        for lobe in (left, right):
            self._shape(lobe, "liver", soft)
        for centre, radius in LESIONS:
            self._shape(Ellipsoid(centre_mm=np.array(centre) + down, semi_axes_mm=radius), "liver_lesion", ("liver",))
        self._shape(
            Ellipsoid(centre_mm=np.array([98.0, 30.0, -42.0]) + down, semi_axes_mm=[22.0, 34.0, 50.0]), "spleen", soft
        )
        for side in (-1.0, 1.0):
            middle = np.array([side * 62, 46.0, -128.0 + 6 * side]) + 0.7 * down
            turn = rotation_3d(side * 12.0, 1)
            self._shape(Ellipsoid(centre_mm=middle, semi_axes_mm=[28.0, 23.0, 56.0], rotation=turn), "kidney", soft)
            hilum = middle - [side * 14, 0, 0]
            self._shape(
                Ellipsoid(centre_mm=hilum, semi_axes_mm=[12.0, 10.0, 24.0], rotation=turn), "adipose", ("kidney",)
            )

    def _heart(self) -> None:
        shift = np.array([0.0, 0.0, -0.35 * self.diaphragm])
        everything = heart.chambers(self.contraction, self.stroke_fraction, shift)
        for vessel in heart.vessels(self.contraction, self.stroke_fraction, shift):
            self._shape(vessel, "blood", ("muscle", "adipose", "lung"))
        for chamber in everything:
            self._shape(chamber.wall, "myocardium")
            self._shape(chamber.blood, "blood")

    def _cage(self) -> None:
        """Ribs as bands of the chest wall that fall towards the front, and the breastbone."""
        wall = self._ellipse(_CHEST)
        thick = (wall - 1) * float(_CHEST.mean())
        for number in range(11):
            fall = 0.30 * (self.y - 70)
            height = self.z - (185 - 29 * number) - fall
            reach = (self.y > -75 + 16 * max(0, number - 6)) | (number < 7)
            rib = (np.abs(thick) <= 4.0) & (np.abs(height) <= 6.5) & reach & (np.abs(self.x) > 12)
            marrow = (np.abs(thick) <= 2.5) & (np.abs(height) <= 5.0) & reach & (np.abs(self.x) > 12)
            self._fill(rib, "cortical_bone")
            self._fill(marrow, "spongiosa")
        for shrink, name in ((0.0, "cortical_bone"), (1.5, "spongiosa")):
            plate = (np.abs(self.x) <= 18 - shrink) & (np.abs(self.y + 88) <= 6 - shrink)
            self._fill(plate & (self.z > 0 + shrink) & (self.z < 165 - shrink), name)

    def _spine(self) -> None:
        height = np.mod(self.z + 300, _VERTEBRA_MM)
        bone = height >= _DISC_MM
        middle = (height >= _DISC_MM + 1.5) & (height <= _VERTEBRA_MM - 1.5)
        behind = self.y - _CANAL_Y_MM
        body = np.sqrt((self.x / 20) ** 2 + ((self.y - _SPINE_Y_MM) / 16) ** 2)
        arch = np.hypot(self.x, behind)
        spine = (np.abs(self.x) <= 3.5) & (behind > 8) & (behind < 24)
        wings = (np.abs(self.x) <= 34) & (np.abs(behind + 3) <= 4.5) & (height > 12) & (height < 22)
        self._fill((body <= 1) | (arch <= 12), "muscle")
        self._fill(bone & ((body <= 1) | (arch <= 12) | spine | wings), "cortical_bone")
        self._fill(middle & (body <= 0.91), "spongiosa")
        self._fill(arch <= 8.5, "csf")
        self._fill(arch <= 5.0, "white_matter")

    def _markers(self) -> tuple[Fiducial, ...]:
        found = []
        for name, (angle, z) in _MARKERS.items():
            taper = _taper(np.array(z))
            across = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
            point = _BODY * taper * across + _MARKER_RADIUS_MM * across
            point[1] *= 1 + self.forward if point[1] < 0 else 1
            place = (float(point[0]), float(point[1]), float(z))
            self._shape(Ellipsoid(centre_mm=place, semi_axes_mm=_MARKER_RADIUS_MM), "fiducial_marker", ("air",))
            found.append(Fiducial(name=name, position_lps_mm=place, radius_mm=_MARKER_RADIUS_MM))
        return tuple(found)


def _taper(z: Grid) -> Grid:
    """The body is narrower towards the shoulders and the hips."""
    width: Grid = 1 - 0.28 * np.clip((z - 120) / 100, 0, 1) ** 2 - 0.04 * np.clip(-z / 200, 0, 1)
    return width
