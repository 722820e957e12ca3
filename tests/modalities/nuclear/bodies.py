"""Bodies that the PET tests scan: water shapes whose truth is written down here."""

from dataclasses import replace

import numpy as np

from pellucid.anatomy import Anatomy, tissue
from pellucid.image import axial_affine
from pellucid.study import StudyContext

STUDY = StudyContext(
    patient_id="T1", patient_name="Test^Body", patient_weight_kg=70.0, study_date="20260310", study_time="003000"
)
AIR = tissue("air")


def water(name, suv):
    return replace(tissue("water"), name=name, uptake={"fdg": suv})


def coordinates(shape, spacing, centre=(0.0, 0.0, 0.0)):
    """x, y, z [mm] of every voxel, and the affine."""
    affine = axial_affine(shape, spacing, centre)
    index = np.stack(np.indices(shape), axis=-1)
    points = index @ affine[:3, :3].T + affine[:3, 3]
    return points[..., 0], points[..., 1], points[..., 2], affine


def cylinder(radius_mm=100.0, length_mm=360.0, suv=1.0, spacing=(4.0, 2.5, 2.5), centre=(0.0, 0.0, 0.0)):
    """A warm water cylinder along the axis."""
    half = int(np.ceil(radius_mm / spacing[1])) + 3
    shape = (round(length_mm / spacing[0]), 2 * half + 1, 2 * half + 1)
    x, y, _, affine = coordinates(shape, spacing, centre)
    labels = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2 <= radius_mm**2).astype(np.uint8)
    return Anatomy(name="cylinder", labels=labels, affine=affine, tissues=(AIR, water("warm", suv)), study=STUDY)


BALLS = (((52.0, -31.0, 27.0), 11.0, 6.0), ((-40.0, 12.0, -33.0), 11.0, 3.0))
"""Centre relative to the body [mm], radius, SUV: left-anterior-head and right-posterior-foot."""


def balls(centre=(0.0, 0.0, 0.0), spacing=(2.0, 2.0, 2.0)):
    """Two hot balls in a cold water ellipse wider than high; nothing is symmetric."""
    x, y, z, affine = coordinates((70, 91, 111), spacing, centre)
    labels = np.zeros(x.shape, np.uint8)
    labels[((x - centre[0]) / 100) ** 2 + ((y - centre[1]) / 80) ** 2 <= 1] = 1
    for label, (offset, radius, _) in enumerate(BALLS, start=2):
        c = np.add(centre, offset)
        labels[(x - c[0]) ** 2 + (y - c[1]) ** 2 + (z - c[2]) ** 2 <= radius**2] = label
    tissues = (AIR, water("cold", 0.0), *(water(f"ball{i}", suv) for i, (_, _, suv) in enumerate(BALLS)))
    return Anatomy(name="balls", labels=labels, affine=affine, tissues=tissues, study=STUDY)


COARSE = {"view_mashing": 9, "radial_mashing": 2, "radial_bins": 70, "max_ring_difference": 16}
"""Changes that keep test scans small: 28 views, 4.2 mm bins over 29 cm."""
