"""What all tests share: the real data in place, and Chromium and other programs where they are installed."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.archive.servers import bucket, bucket_server, cluster, new_database  # noqa: F401 (fixtures)
from tests.pydicom_decoders import register

register()
DATA = Path(os.environ.get("PELLUCID_TEST_DATA", Path(__file__).parents[1] / "../shared/data"))


@pytest.fixture(scope="session")
def real_data():
    """Call with a path below the data folder; skips by name where it is absent."""

    def find(relative: str) -> Path:
        path = DATA / relative
        if not path.exists():
            pytest.skip(f"real test data {relative} is absent")
        return path

    return find


@pytest.fixture(scope="session")
def program():
    """Call with the name of a program; skips by name where it is not installed."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"program {name} is not installed")
        return path

    return find


@pytest.fixture(scope="session")
def block_patient():
    """A small patient for quick scans: a soft-tissue cylinder off the origin.

    Its insert ("grey_matter" in "white_matter") lies to the left, posterior and head of the centre, so that any
    flip of an image is seen.
    """
    from pellucid.anatomy import Anatomy, brain
    from pellucid.image import axial_affine

    like = brain()
    shape, spacing, centre = (24, 100, 90), (3.0, 2.0, 2.0), np.array([8.0, -12.0, 20.0])
    affine = axial_affine(shape, spacing, centre)
    points = affine[:3, :3] @ np.indices(shape).reshape(3, -1) + affine[:3, 3:] - centre[:, None]
    x, y, z = points.reshape(3, *shape)
    labels = np.zeros(shape, np.uint8)
    names = [tissue.name for tissue in like.tissues]
    labels[(x / 75) ** 2 + (y / 88) ** 2 <= 1] = names.index("white_matter")
    labels[(x - 30) ** 2 + (y - 36) ** 2 + ((z - 12) / 1.2) ** 2 <= 17**2] = names.index("grey_matter")
    return Anatomy(name="block", labels=labels, affine=affine, tissues=like.tissues, fiducials=(), study=like.study)
