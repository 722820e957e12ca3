"""The torso: organs of plausible size at any resolution, breathing and beating smoothly."""

import numpy as np
import pytest
from scipy import ndimage

from pellucid import anatomy
from pellucid.anatomy import Motion, heart
from pellucid.errors import InvalidInputError


@pytest.fixture(scope="module")
def torso():
    return anatomy.torso(spacing_mm=3.0)


# Adults, ml: ICRP Publication 89 tables 2.8 and 5.x (mass over density), woman and man and the spread between people.
VOLUMES = {
    "lung": (3800, 5600),
    "liver": (1200, 1900),
    "kidney": (220, 340),
    "spleen": (90, 200),
    "myocardium": (150, 330),
    "skin": (500, 1000),
}


@pytest.mark.parametrize("name", VOLUMES)
def test_organ_volumes_are_those_of_an_adult(torso, name):
    low, high = VOLUMES[name]
    assert low < torso.volume_ml(name) < high


def test_volumes_do_not_depend_on_the_grid(torso):
    other = anatomy.torso(spacing_mm=(4.0, 2.5, 2.0))
    assert other.spacing_mm == (4.0, 2.5, 2.0)
    for name in ("lung", "liver", "kidney", "spleen", "blood"):
        # Voxel centres of a smooth body of 100 ml at 3 mm err by about a per cent.
        assert other.volume_ml(name) == pytest.approx(torso.volume_ml(name), rel=0.03), name


def test_the_right_way_round(torso):
    def centre(name):
        return torso.affine[:3, :3] @ np.array(ndimage.center_of_mass(torso.mask(name))) + torso.affine[:3, 3]

    assert centre("liver")[0] < -30
    assert centre("spleen")[0] > 60
    assert centre("myocardium")[0] > 0
    assert centre("csf")[1] > 60
    assert centre("lung")[2] > centre("liver")[2] > centre("kidney")[2]


def test_breathing_moves_the_liver_and_fills_the_lungs():
    still_heart = Motion(stroke_fraction=0.0)
    breath = anatomy.torso(spacing_mm=3.0, motion=still_heart)
    times = np.linspace(0, 4, 9)
    heights, airs = [], []
    for time in times:
        now = breath.at(float(time))
        z = np.nonzero(now.mask("liver_lesion"))[0].mean() * 3.0
        heights.append(z)
        airs.append(now.volume_ml("lung"))
    # Period 4 s, end-inspiration at 0 and 4 s.
    assert heights[0] == pytest.approx(heights[-1], abs=1e-9)
    assert max(heights) - min(heights) == pytest.approx(15.0, abs=1.5)
    assert np.argmax(heights) == 4
    # cos⁴ of an eighth of the period's half turn: a quarter of the way down is left after a second.
    assert heights[4] - heights[2] == pytest.approx(15.0 / 4, abs=1.0)
    # A quiet breath is 0.3 to 0.75 l.
    assert 300 < airs[0] - airs[4] < 750
    assert breath.at(1.0).labels.shape == breath.labels.shape
    assert np.array_equal(breath.at(0.0).labels, breath.labels)


def test_heart_beats_with_constant_muscle():
    motion = Motion(diaphragm_amplitude_mm=0.0, chest_amplitude_mm=0.0)
    period = motion.heart_period_s
    volumes, walls = [], []
    for fraction in np.linspace(0, 1, 7):
        left = heart.chambers(motion.contraction(fraction * period), motion.stroke_fraction, np.zeros(3))[-1]
        k0 = [[0.0, 0.0, 0.0]]
        volumes.append(left.blood.fourier(k0)[0].real / 1000)
        walls.append(left.wall.fourier(k0)[0].real / 1000 - volumes[-1])
    assert volumes[0] == pytest.approx(140)
    assert volumes[3] == pytest.approx(140 * 0.4)
    assert volumes[6] == pytest.approx(140)
    np.testing.assert_allclose(walls, heart.LEFT_WALL_ML, rtol=1e-9)
    body = anatomy.torso(spacing_mm=3.0, motion=motion)
    assert body.at(period / 2).volume_ml("blood") < body.volume_ml("blood") - 100
    assert np.array_equal(body.at(period).labels, body.labels)


def test_motion_is_smooth():
    motion = Motion()
    t = np.linspace(0, 8, 8001)
    for curve in (motion.diaphragm_mm, motion.chest_mm, motion.contraction):
        values = np.array([curve(float(time)) for time in t])
        acceleration = np.diff(values, 2)
        # The second difference of a smooth curve changes by its third derivative times the step, cubed.
        assert np.abs(np.diff(acceleration)).max() < 0.01 * np.abs(acceleration).max() + 1e-9


def test_markers_are_on_the_skin(torso):
    assert len(torso.fiducials) >= 6
    for now in (torso, torso.at(2.0)):
        outside = now.mask("air", "fiducial_marker")
        distance = ndimage.distance_transform_edt(outside, sampling=now.spacing_mm)
        for fiducial in now.fiducials:
            index = np.rint(np.linalg.solve(now.affine[:3, :3], np.array(fiducial.position_lps_mm) - now.affine[:3, 3]))
            assert distance[tuple(index.astype(int))] < fiducial.radius_mm + 5, fiducial.name


@pytest.mark.parametrize("spacing", [0.0, -1.0, (2.0, 2.0, 0.0), 0.05, float("nan")])
def test_a_bad_spacing_is_refused(spacing):
    with pytest.raises(InvalidInputError, match="spacing_mm"):
        anatomy.torso(spacing_mm=spacing)


def test_a_motion_out_of_range_is_refused():
    with pytest.raises(InvalidInputError, match=r"stroke_fraction: is 0\.9"):
        Motion(stroke_fraction=0.9)
    with pytest.raises(InvalidInputError, match="heart_period_s"):
        Motion(heart_period_s=0.0)
