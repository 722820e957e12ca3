"""What every anatomy offers: values, property images, masks, volumes, and refusals in one line."""

import numpy as np
import pytest

from pellucid import anatomy
from pellucid.anatomy import Anatomy
from pellucid.errors import InvalidInputError, UnknownOptionError


@pytest.fixture
def small() -> Anatomy:
    labels = np.zeros((3, 4, 5), np.uint8)
    labels[2, 1:3, 1:4] = 1
    labels[2, 1, 1] = 2
    affine = np.array([[0, 0, 0.5, 1.0], [0, 2.0, 0, 2.0], [4.0, 0, 0, 3.0], [0, 0, 0, 1.0]])
    return Anatomy(name="Small", labels=labels, affine=affine, tissues=anatomy.tissues("air", "muscle", "liver"))


def test_values_are_per_label(small):
    assert small.values("density").tolist() == pytest.approx([0.001205, 1.05, 1.06])
    assert small.values("t1", field_t=3.0).tolist() == pytest.approx([1, 1412, 812])
    assert small.values("uptake", tracer="fdg").shape == (3,)
    two = small.values("attenuation_coefficient", energies_kev=[60.0, 511.0])
    assert two.shape == (3, 2)
    assert two.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "given", "quantity"),
    [
        ("density", {}, "density"),
        ("attenuation_coefficient", {"energy_kev": 60.0}, "attenuation_coefficient"),
        ("t1", {"field_t": 1.5}, "t1"),
        ("t2", {"field_t": 1.5}, "t2"),
        ("t2_star", {"field_t": 1.5}, "t2_star"),
        ("proton_density", {}, "proton_density"),
        ("susceptibility", {}, "susceptibility"),
        ("uptake", {"tracer": "fdg"}, "suv_body_weight"),
    ],
)
def test_a_property_is_an_image_in_the_patient(small, name, given, quantity):
    image = small.property(name, **given)
    assert image.quantity.name == quantity
    assert image.study is small.study
    np.testing.assert_array_equal(image.affine, small.affine)
    values = small.values(name, **{{"energy_kev": "energies_kev"}.get(k, k): v for k, v in given.items()})
    assert image.array[2, 1, 1] == values.ravel()[2]
    assert image.array[0, 0, 0] == values.ravel()[0]
    assert image.provenance.parameters == given


@pytest.mark.parametrize(
    ("name", "missing"), [("attenuation_coefficient", "energies_kev"), ("t2", "field_t"), ("uptake", "tracer")]
)
def test_what_a_property_needs_is_said(small, name, missing):
    with pytest.raises(InvalidInputError, match=f"{missing}: is needed for {name}"):
        small.values(name)


def test_unknown_property_and_tissue_list_the_known_ones(small):
    with pytest.raises(UnknownOptionError, match="did you mean 't2_star'"):
        small.values("t2star")
    with pytest.raises(UnknownOptionError, match="air, liver, muscle"):
        small.label_of("bone")


def test_masks_and_volumes(small):
    assert small.label_of("liver") == 2
    assert small.mask("muscle", "liver").sum() == 6
    assert small.volume_ml("muscle") == pytest.approx(5 * 0.5 * 2 * 4 / 1000)
    assert small.spacing_mm == (4.0, 2.0, 0.5)
    assert small.at(3.0) is small


def test_labels_that_fit_no_tissue_are_refused(small):
    with pytest.raises(InvalidInputError, match="label 2, but there are 2 tissues"):
        Anatomy(name="x", labels=small.labels, affine=small.affine, tissues=small.tissues[:2])
    with pytest.raises(InvalidInputError, match="uint8"):
        Anatomy(name="x", labels=small.labels.astype(int), affine=small.affine, tissues=small.tissues)
