"""Markers are found where an image shows them, not where they should be."""

import numpy as np
import pytest

from pellucid.anatomy import Anatomy, Fiducial, tissues
from pellucid.image import Image
from pellucid.units import quantity
from validation.markers import offsets_mm


@pytest.mark.parametrize("shift", [(0.0, 0.0, 0.0), (1.4, -0.8, 2.1)])
def test_offset_of_a_ball_beside_a_wall(shift):
    """A ball of 5 mm that touches a wall half as bright, in voxels of 3 x 1 x 2 mm turned about an axis."""
    turn = np.array([[0.0, 0.6, 0.8], [0.0, 0.8, -0.6], [1.0, 0.0, 0.0]])
    spacing, shape = np.array([3.0, 1.0, 2.0]), (16, 48, 24)
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    affine[:3, 3] = -affine[:3, :3] @ (np.array(shape) - 1) / 2
    fine = np.moveaxis(np.indices(tuple(4 * n for n in shape)), 0, -1) / 4 - 0.375
    points = fine @ affine[:3, :3].T + affine[:3, 3]
    ball = np.linalg.norm(points - shift, axis=-1) <= 5.0
    wall = points[..., 2] < shift[2] - 5.0
    array = (ball + 0.4 * wall).reshape(16, 4, 48, 4, 24, 4).mean(axis=(1, 3, 5)).astype(np.float32)
    marker = Fiducial(name="one", position_lps_mm=(0.0, 0.0, 0.0), radius_mm=5.0)
    labels = np.zeros((2, 2, 2), np.uint8)
    patient = Anatomy(name="x", labels=labels, affine=np.eye(4), tissues=tissues("air"), fiducials=(marker,))
    found = offsets_mm(Image(array=array, affine=affine, quantity=quantity("mr_signal")), patient)
    assert np.allclose(found[0], np.array(shift) @ turn, atol=0.25)
