"""The head: right way round, closed, without specks, of plausible size, the same patient every time."""

import time

import numpy as np
import pytest
from scipy import ndimage

from pellucid import anatomy


@pytest.fixture(scope="module")
def head():
    return anatomy.brain()


def centre_lps(head, *tissues):
    index = np.array(ndimage.center_of_mass(head.mask(*tissues)))
    return head.affine[:3, :3] @ index + head.affine[:3, 3]


def test_loads_in_half_a_second():
    anatomy.brain()
    began = time.process_time()
    anatomy.brain()
    assert time.process_time() - began < 0.5


def test_axes_are_axial_lps(head):
    assert np.array_equal(head.affine[:3, :3], [[0, 0, 1], [0, 1, 0], [1, 0, 0]])


def test_eyes_are_in_front_and_the_brain_stem_below(head):
    eyes, ventricles = centre_lps(head, "vitreous_humour"), centre_lps(head, "ventricular_csf")
    assert eyes[1] < -50
    assert eyes[2] < ventricles[2] - 30
    assert abs(eyes[0]) < 2
    top = np.argwhere(head.mask("sinus_air")).max(axis=0)[0] + head.affine[2, 3]
    assert top < 10


def test_tumour_is_on_the_left_and_can_be_absent(head):
    assert centre_lps(head, "tumour", "tumour_necrosis")[0] == pytest.approx(30, abs=5)
    assert head.volume_ml("tumour") == pytest.approx(9.5, rel=0.2)
    assert head.volume_ml("oedema") > head.volume_ml("tumour") > head.volume_ml("tumour_necrosis") > 0
    healthy = anatomy.brain(tumour=False)
    assert healthy.volume_ml("tumour", "tumour_necrosis", "oedema") == 0
    changed = healthy.labels != head.labels
    assert np.all(np.isin(healthy.labels[changed], [head.label_of(n) for n in ("white_matter", "grey_matter")]))


def test_markers_touch_the_skin_and_tell_left_from_right(head):
    assert len(head.fiducials) >= 6
    marker, tissue = head.label_of("fiducial_marker"), head.tissues[head.label_of("fiducial_marker")]
    assert tissue.proton_density == 1
    assert tissue.uptake["fdg"] > 5
    assert tissue.attenuation_coefficient(70) > 1.2 * anatomy.tissue("water").attenuation_coefficient(70)
    distance = ndimage.distance_transform_edt(~head.mask("skin"))
    for fiducial in head.fiducials:
        index = np.rint((np.array(fiducial.position_lps_mm) - head.affine[:3, 3])[::-1]).astype(int)
        assert head.labels[tuple(index)] == marker, fiducial.name
        assert distance[tuple(index)] <= fiducial.radius_mm + 1.5, fiducial.name
        side = fiducial.name.rsplit(" ", 1)[-1]
        assert {"left": 1, "right": -1}.get(side, 0) == np.sign(round(fiducial.position_lps_mm[0]))
    sides = [np.sign(round(f.position_lps_mm[0])) for f in head.fiducials]
    assert sum(sides) != 0
    ball = 4 / 3 * np.pi * 5**3 / 1000
    # A ball at a slanting skin loses what would lie in the skin, at most a few per cent.
    assert head.volume_ml("fiducial_marker") == pytest.approx(len(head.fiducials) * ball, rel=0.1)


def test_skull_is_closed_above_its_base(head):
    """No way from the scalp to the brain but through bone, above the eyes."""
    low = int(np.rint(-20 - head.affine[2, 3]))
    bone = head.mask("cortical_bone", "spongiosa")[low:]
    parts, _ = ndimage.label(~bone)
    inside = set(np.unique(parts[head.mask("grey_matter", "white_matter")[low:]]))
    outside = set(np.unique(parts[head.mask("air", "skin")[low:]]))
    assert not inside & outside - {0}


def test_no_specks_outside_the_brain(head):
    for name in ("skin", "adipose", "muscle", "cortical_bone", "sinus_air"):
        parts, count = ndimage.label(head.mask(name))
        sizes = np.bincount(parts.ravel())[1:]
        assert count > 0
        assert sizes.min() >= 5, name


def test_volumes_are_those_of_an_adult(head):
    """Ranges: ICRP Publication 89 for skin and brain; the MNI152 brain is some 20 % larger than most."""
    brain = head.volume_ml(
        "grey_matter", "white_matter", "thalamus", "basal_ganglia", "tumour", "tumour_necrosis", "oedema"
    )
    assert 1300 < brain < 1900
    assert 15 < head.volume_ml("ventricular_csf") < 60
    assert 10 < head.volume_ml("thalamus") < 20
    assert 15 < head.volume_ml("basal_ganglia") < 35
    # Two balls of 24 mm with a lens in each.
    assert head.volume_ml("vitreous_humour", "eye_lens") == pytest.approx(2 * 4 / 3 * np.pi * 12**3 / 1000, rel=0.05)


def test_halves_are_alike(head):
    """The template is symmetric: mirrored brain labels agree, so the midline is at x = 0."""
    brain = np.isin(head.labels, [head.label_of("grey_matter"), head.label_of("white_matter"), head.label_of("csf")])
    middle = int(np.rint(-head.affine[0, 3]))
    reach = min(middle, brain.shape[2] - 1 - middle)
    left = brain[:, :, middle + 1 : middle + reach + 1]
    right = brain[:, :, middle - reach : middle][:, :, ::-1]
    assert 2 * (left & right).sum() / (left.sum() + right.sum()) > 0.97


def test_the_patient_is_the_same_every_time_and_fictional(head):
    again = anatomy.brain(tumour=False).study
    assert again == head.study
    assert head.study.patient_name == "Pellucid^Demonstration"
    assert head.study.patient_weight_kg == 70
    assert head.study.frame_of_reference_uid != head.study.study_instance_uid
    assert all(
        uid.startswith("2.25.") and len(uid) <= 64 for uid in (again.study_instance_uid, again.frame_of_reference_uid)
    )
