"""A small asymmetric patient and k-space with an exact answer."""

import numpy as np
import pytest

from pellucid.anatomy import Anatomy, tissues
from pellucid.image import axial_affine


@pytest.fixture(scope="session")
def patient() -> Anatomy:
    """A block of white matter with one ball of cerebrospinal fluid off every symmetry axis; anisotropic, off centre."""
    shape, spacing = (40, 50, 44), (2.5, 2.0, 2.0)
    labels = np.zeros(shape, np.uint8)
    labels[4:36, 5:45, 6:38] = 1
    affine = axial_affine(shape, spacing, (12.0, -7.0, 31.0))
    index = np.stack(np.indices(shape), -1)
    points = index @ affine[:3, :3].T + affine[:3, 3]
    labels[np.linalg.norm(points - BALL, axis=-1) < 12.0] = 2
    return Anatomy(name="block", labels=labels, affine=affine, tissues=tissues("air", "white_matter", "csf"))


BALL = np.array([26.0, -25.0, 49.0])
"""Centre of the ball in LPS millimetres: left, anterior and towards the head of the block's centre."""
