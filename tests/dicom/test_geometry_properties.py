"""Any grid keeps its place: DICOM ⇄ Image ⇄ NIfTI ⇄ SimpleITK, whatever orientation, spacing and handedness."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pellucid.dicom import from_datasets, read_nifti, to_datasets, write_nifti
from pellucid.dicom.planes import Planes, affine_of, planes_of
from pellucid.image import Image, resample
from pellucid.testing.same_image import image_gap
from pellucid.units import quantity

ANGLE = st.floats(-180, 180)
SPACING = st.floats(0.01, 20)
PLACE = st.floats(-1500, 1500)
QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def affines(draw, *, sheared=False):
    """Rotation, spacings, a mirror or none, an origin; slices may lean by up to 40 degrees."""
    turn = Rotation.from_euler("xyz", [draw(ANGLE) for _ in range(3)], degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([draw(SPACING) for _ in range(3)])
    affine[:3, draw(st.sampled_from([0, 1, 2]))] *= draw(st.sampled_from([-1, 1]))
    affine[:3, 3] = [draw(PLACE) for _ in range(3)]
    if sheared:
        lean = np.tan(np.radians(draw(st.floats(-40, 40))))
        across = affine[:3, draw(st.sampled_from([1, 2]))]
        affine[:3, 0] += lean * np.linalg.norm(affine[:3, 0]) * across / np.linalg.norm(across)
    return affine


SHAPES = st.tuples(st.integers(1, 4), st.integers(2, 5), st.integers(2, 5))


def image_on(affine, shape, modality="MR"):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return Image(array=array, affine=affine, quantity=quantity("mr_signal"), modality=modality)


def limit(affine):
    """Decimal strings of 16 characters keep 10 digits of the largest coordinate."""
    return 1e-9 * (abs(affine[:3, 3]).max() + 100 * abs(affine[:3, :3]).max())


@QUICK
@given(affine=affines(sheared=True), shape=SHAPES)
def test_dicom_keeps_every_grid(affine, shape):
    image = image_on(affine, shape)
    (back,) = from_datasets(to_datasets(image))
    if shape[0] == 1:  # the direction beyond a single slice is its normal
        assert np.allclose(back.affine[:3, 1:], affine[:3, 1:], atol=limit(affine))
        assert back.spacing_mm[0] == pytest.approx(to_datasets(image)[0].SpacingBetweenSlices)
    else:
        apart, different = image_gap(back, image)
        assert apart <= 10 * limit(affine)
        assert different == 0


@QUICK
@given(affine=affines(sheared=True), shape=SHAPES)
def test_planes_are_the_affine_again(affine, shape):
    planes = planes_of(affine, shape[0])
    index = np.array(shape) - 1
    last = planes.positions[-1] + planes.orientation[:3] * planes.pixel_spacing[1] * index[2]
    last += planes.orientation[3:] * planes.pixel_spacing[0] * index[1]
    assert np.allclose(last, affine[:3, :3] @ index + affine[:3, 3])
    if shape[0] > 1:
        assert np.allclose(affine_of(planes), affine, atol=1e-9 * abs(affine).max())


@settings(max_examples=20, deadline=None)
@given(affine=affines(sheared=True), shape=SHAPES)
def test_nifti_keeps_every_grid(affine, shape):
    image = image_on(affine, shape)
    with tempfile.TemporaryDirectory() as folder:
        back = read_nifti(write_nifti(image, Path(folder) / "x.nii"))
    assert np.allclose(back.affine, affine, atol=2e-7 * abs(affine).max())
    assert np.array_equal(back.array, image.array)


@QUICK
@given(affine=affines(), shape=SHAPES)
def test_simpleitk_keeps_every_grid(affine, shape):
    image = image_on(affine, shape)
    back = image.like_simpleitk(image.to_simpleitk())
    assert np.allclose(back.affine, affine, atol=1e-9 * abs(affine).max())
    assert np.array_equal(back.array, image.array)


@settings(max_examples=15, deadline=None)
@given(affine=affines(), shape=SHAPES.filter(lambda s: s[0] > 1), order=st.permutations([0, 1, 2]))
def test_dicom_nifti_simpleitk_in_a_row(affine, shape, order):
    image = image_on(affine, shape)
    turned = Image(
        array=np.ascontiguousarray(image.array.transpose(order)),
        affine=affine[:, [*order, 3]],
        quantity=image.quantity,
        modality="MR",
    )
    assert image_gap(turned, image)[1] == 0
    if turned.shape[0] == 1:
        return
    (from_dicom,) = from_datasets(to_datasets(turned))
    with tempfile.TemporaryDirectory() as folder:
        from_nifti = read_nifti(write_nifti(from_dicom, Path(folder) / "x.nii.gz"))
    back = image.like_simpleitk(from_nifti.to_simpleitk())
    apart, different = image_gap(back, image)
    assert apart <= 1e-6 * (abs(affine).max() + 100)
    assert different == 0


@QUICK
@given(jitter=st.floats(0, 0.049), step=st.floats(1, 5))
def test_positions_rounded_to_a_tenth_of_a_millimetre_are_even(jitter, step):
    affine = np.diag([1.0, 1, 1, 1])[:, [2, 1, 0, 3]]
    affine[:3, 0] *= step
    planes = planes_of(affine, 9)
    moved = planes.positions.copy()
    moved[3] += [0, 0, jitter]
    assert np.allclose(affine_of(Planes(moved, planes.orientation, planes.pixel_spacing, step)), affine)


def test_resampling_onto_the_grid_read_back_changes_nothing():
    """The read-back grid is used, not only compared: interpolation at its voxels gives the same voxels."""
    affine = np.diag([2.0, 1, 1, 1])[:, [2, 1, 0, 3]]
    affine[:3, 0] = [0, 0, 3]
    image = image_on(affine, (4, 5, 5))
    (back,) = from_datasets(to_datasets(image))
    again = resample(image, back.affine, back.shape)
    assert np.allclose(again.array, back.array, atol=1e-3)
