"""Values are shown with the unit that the file says, wherever the standard lets it be said."""

import re

import numpy as np
import pytest

from pellucid import Image, StudyContext
from pellucid.dicom import write_series
from pellucid.image import axial_affine

LEVELS = {"attenuation_coefficient": (0.2, "1/cm"), "ct_number": (350.0, "HU"), "t1": (900.0, "ms")}


@pytest.mark.parametrize(
    "quantity",
    ["attenuation_coefficient", *(pytest.param(name, marks=pytest.mark.slow) for name in ("ct_number", "t1"))],
)
def test_pixel_and_window_have_the_unit(viewer, tmp_path, quantity) -> None:
    value, unit = LEVELS[quantity]
    slices, rows, columns = shape = (3, 40, 50)
    array = np.linspace(0.5, 1.0, slices * rows * columns, dtype=np.float32).reshape(shape) * value
    array[:, 10:30, 10:40] = value
    image = Image(
        array=array,
        affine=axial_affine(shape, (4.0, 2.0, 2.0)),
        quantity=quantity,
        modality="MR" if quantity == "t1" else "CT",
        study=StudyContext(patient_name=quantity, patient_id=quantity),
    )
    viewer.open("/")
    viewer.add(*write_series(image, tmp_path))
    viewer.read_study(quantity)
    box = viewer.page.locator(".viewport[data-plane=acquired]").bounding_box()
    viewer.hover("acquired", box["width"] / 2, box["height"] / 2)
    shown = viewer.text("probe").splitlines()[0]
    number, text = re.fullmatch(r"(?:CT|MR) ([\d.,]+) (\S+)", shown).groups()
    assert text == unit
    assert float(number.replace(",", "")) == pytest.approx(value, rel=2e-3)
    assert viewer.text("window").endswith(f" {unit}")
