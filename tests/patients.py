"""Digital patients that are small enough to be scanned in a test."""

from __future__ import annotations

import numpy as np

from pellucid.anatomy import Anatomy, brain
from pellucid.image import axial_affine


def block(scale: float = 1.0) -> Anatomy:
    """A soft-tissue cylinder off the origin, 150 mm wide, 176 mm deep and 72 mm high, times `scale`.

    Its insert ("grey_matter" in "white_matter") lies to the left, posterior and head of the centre, so that any
    flip of an image is seen.
    """
    like = brain()
    shape = tuple(round(length * scale) for length in (24, 100, 90))
    centre = np.array([8.0, -12.0, 20.0])
    affine = axial_affine(shape, (3.0, 2.0, 2.0), centre)
    points = affine[:3, :3] @ np.indices(shape).reshape(3, -1) + affine[:3, 3:] - centre[:, None]
    x, y, z = points.reshape(3, *shape) / scale
    labels = np.zeros(shape, np.uint8)
    labels[(x / 75) ** 2 + (y / 88) ** 2 <= 1] = like.label_of("white_matter")
    labels[(x - 30) ** 2 + (y - 36) ** 2 + ((z - 12) / 1.2) ** 2 <= 17**2] = like.label_of("grey_matter")
    return Anatomy(name="block", labels=labels, affine=affine, tissues=like.tissues, fiducials=(), study=like.study)


def few_voxels(slices: int, spacing_mm: float, fluid: tuple[slice, slice, slice]) -> Anatomy:
    """White matter with cerebrospinal fluid in some voxels, 20 rows of 18 columns 9 mm wide, off the origin."""
    like = brain()
    labels = np.zeros((slices, 20, 18), np.uint8)
    labels[:, 2:-2, 3:-2] = like.label_of("white_matter")
    labels[fluid] = like.label_of("csf")
    affine = axial_affine(labels.shape, (spacing_mm, 9.0, 9.0), (8.0, -12.0, 20.0))
    return Anatomy(name="block", labels=labels, affine=affine, tissues=like.tissues, fiducials=(), study=like.study)
