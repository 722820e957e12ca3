"""Attenuation: CT numbers to 511 keV, and factors of lines, against tables and closed forms."""

from dataclasses import replace

import numpy as np
import pytest

from pellucid.anatomy import all_tissues, mass_attenuation
from pellucid.errors import InvalidInputError
from pellucid.image import Image, axial_affine
from pellucid.modalities.nuclear import attenuation_map_from_ct
from pellucid.modalities.nuclear.attenuation import attenuation_factors, covering_grid, on_grid
from pellucid.modalities.nuclear.projectors import Grid
from pellucid.modalities.nuclear.sampling import sampling_of
from pellucid.modalities.nuclear.scanner import Scanner
from pellucid.units import quantity

SCANNER = Scanner(
    name="test", rings=9, crystals_per_ring=96, ring_pitch_mm=5.0, inner_radius_mm=250.0, interaction_depth_mm=5.0,
    radial_bins=41,
)  # fmt: skip


def image(array, name, spacing=(5.0, 2.0, 2.0), centre=(0, 0, 0), **kwargs):
    return Image(
        array=np.asarray(array, np.float32),
        affine=axial_affine(np.shape(array), spacing, centre),
        quantity=quantity(name),
        **kwargs,
    )


def ct(values, kvp=120):
    return image(np.reshape(values, (1, 1, -1)), "ct_number", attributes={} if kvp is None else {"KVP": kvp})


@pytest.mark.parametrize("kvp", [80, 100, 110, 120, 130, 140, 125])
def test_air_water_and_continuity(kvp):
    mu = attenuation_map_from_ct(ct([-1024, -1000, 0], kvp)).array.ravel()
    assert mu == pytest.approx([0, 0, 0.096], abs=1e-6)
    line = attenuation_map_from_ct(ct(np.arange(-1000, 3000), kvp)).array.ravel()
    assert np.all(np.diff(line) > 0)
    assert np.diff(line).max() == pytest.approx(9.6e-5, rel=1e-2)


def test_bone_by_voltage():
    # 1000 CT numbers: slope · 2000 + intercept of the published table.
    for kvp, expected in ((80, 0.1354), (120, 0.1491), (140, 0.1536)):
        assert attenuation_map_from_ct(ct([1000], kvp)).array.item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("name", ["water", "muscle", "adipose", "cortical_bone", "grey_matter"])
def test_tissues_come_out_as_their_own_attenuation(name):
    # CT number at 75 keV, the mean energy of a 120 kV beam behind a body; the published fit is for such beams.
    tissue = all_tissues()[name]
    water = 0.998 * mass_attenuation({"H": 0.111894, "O": 0.888106}, 75.0)[0]
    number = 1000 * (tissue.attenuation_coefficient(75.0)[0] / water - 1)
    got = attenuation_map_from_ct(ct([number])).array.item()
    # Patients' tissues scatter by this much about the two lines (the paper's own figure 3).
    assert got == pytest.approx(tissue.attenuation_coefficient(511.0)[0], rel=0.04)


@pytest.mark.parametrize(
    ("given", "kwargs", "message"),
    [
        (ct([0], None), {}, "KVP: is not in the image's attributes"),
        (ct([0], 60), {}, "KVP: is 60 kV; expected 80 to 140 kV"),
        (image(np.zeros((1, 1, 1)), "arbitrary"), {"kvp": 120.0}, "ct: is an image of arbitrary; expected CT numbers"),
    ],
)
def test_what_is_no_ct_is_refused(given, kwargs, message):
    with pytest.raises(InvalidInputError, match=message):
        attenuation_map_from_ct(given, **kwargs)


def test_map_keeps_place_and_patient():
    given = image(np.zeros((3, 4, 5)), "ct_number", centre=(7, 8, 9), attributes={"KVP": 120})
    mu = attenuation_map_from_ct(given)
    assert np.array_equal(mu.affine, given.affine)
    assert mu.study is given.study
    assert mu.quantity.unit == "cm-1"


def test_factors_of_an_off_centre_cylinder():
    sampling = sampling_of(SCANNER, span=3, max_ring_difference=4)
    centre, radius, isocentre = np.array([25.0, -40.0]), 70.0, (100.0, 50.0, -300.0)
    x = np.arange(-110, 111) * 1.0
    inside = (x[None, None, :] - centre[0]) ** 2 + (x[None, :, None] - centre[1]) ** 2 <= radius**2
    mu = image(np.repeat(0.096 * inside, 41, axis=0), "attenuation_coefficient", (2.5, 1.0, 1.0), isocentre)
    grid = covering_grid(mu, sampling, isocentre, spacing_mm=(2.5, 1.0, 1.0))
    factors = attenuation_factors(mu, sampling, isocentre, grid)
    angle, s = sampling.angles_rad, sampling.offsets_mm
    distance = s - (centre[0] * np.cos(angle) + centre[1] * np.sin(angle))
    chord = 2 * np.sqrt(np.clip(radius**2 - distance**2, 0, None))
    lean = np.hypot(1, sampling.plane_ring_difference * 2.5 / sampling.half_chords_mm[:, None])
    exact = np.exp(-0.0096 * chord[:, :, None] * lean[None])
    inner = (np.abs(distance) < radius - 5) | (np.abs(distance) > radius + 5)
    # The voxels are in or out: a chord is right to a voxel, 1 mm, at either end.
    assert np.abs(factors / exact - 1)[inner].max() < 2 * 0.0096
    assert factors.mean() == pytest.approx(exact.mean(), rel=2e-3)


def test_large_voxels_keep_the_mean():
    fine = image(np.random.default_rng(0).uniform(0, 0.2, (40, 60, 60)), "attenuation_coefficient", (1.0, 1.0, 1.0))
    coarse = on_grid(fine, Grid((5, 7, 7), (5.0, 5.0, 5.0)), (0.0, 0.0, 0.0))
    assert coarse.mean() == pytest.approx(0.1, rel=0.02)
    assert coarse.std() < 0.02


def test_an_axis_that_is_as_coarse_as_the_grid_is_not_smoothed():
    """One slice, as thick as the grid's, of fine pixels: smoothed within itself it keeps its value."""
    slice_ = image(np.full((1, 60, 60), 0.096), "attenuation_coefficient", (7.0, 1.0, 1.0))
    found = on_grid(slice_, Grid((3, 5, 5), (7.0, 7.0, 7.0)), (0.0, 0.0, 0.0))
    assert found[1] == pytest.approx(0.096, rel=1e-3)
    assert not found[[0, 2]].any()
    turned = replace(slice_, array=slice_.array.transpose(1, 0, 2), affine=slice_.affine[:, [1, 0, 2, 3]])
    assert on_grid(turned, Grid((3, 5, 5), (7.0, 7.0, 7.0)), (0.0, 0.0, 0.0)) == pytest.approx(found)


def test_maps_of_another_frame_are_refused():
    far = image(np.zeros((4, 4, 4)), "attenuation_coefficient", centre=(0, 0, 5000))
    with pytest.raises(InvalidInputError, match="does not overlap the scanner's field of view"):
        on_grid(far, Grid((5, 7, 7), (5.0, 5.0, 5.0)), (0.0, 0.0, 0.0))
