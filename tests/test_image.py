"""Image: geometry and its conversions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pellucid.errors import InvalidInputError, UnknownOptionError
from pellucid.image import Channel, Image, axial_affine, resample
from pellucid.units import quantity


def affines():
    spacing = st.tuples(*[st.floats(0.2, 8.0)] * 3)
    angles = st.tuples(*[st.floats(-180, 180)] * 3)
    origin = st.tuples(*[st.floats(-500, 500)] * 3)
    flip = st.sampled_from([1.0, -1.0])
    return st.builds(_affine, spacing, angles, origin, flip)


def _affine(spacing, angles, origin, flip):
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * spacing
    affine[:3, 0] *= flip
    affine[:3, 3] = origin
    return affine


def image(affine=None, shape=(3, 4, 5)):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return Image(array=array, affine=np.eye(4) if affine is None else affine, quantity="ct_number")


@given(affines())
@settings(max_examples=50, deadline=None)
def test_points_and_indices_are_inverse(affine):
    index = np.array([[0, 0, 0], [2, 3, 4], [0.5, 1.25, 3.75]])
    subject = image(affine)
    assert np.allclose(subject.indices_of(subject.points_lps_mm(index)), index, atol=1e-6)


@given(affines())
@settings(max_examples=25, deadline=None)
def test_simpleitk_sees_every_voxel_at_the_same_place(affine):
    subject = image(affine)
    itk = subject.to_simpleitk()
    for slice_, row, column in [(0, 0, 0), (2, 3, 4), (1, 0, 3)]:
        point = itk.TransformIndexToPhysicalPoint((column, row, slice_))
        assert np.allclose(point, subject.points_lps_mm((slice_, row, column)), atol=1e-5)
        assert itk[column, row, slice_] == subject.array[slice_, row, column]
    back = subject.like_simpleitk(itk)
    assert np.allclose(back.affine, affine, atol=1e-6)
    assert np.array_equal(back.array, subject.array)


@given(affines())
@settings(max_examples=25, deadline=None)
def test_highdicom_geometry_agrees(affine):
    subject = image(affine)
    index = np.array([[1, 2, 3], [0, 3, 0]])
    assert np.allclose(subject.geometry.map_indices_to_reference(index), subject.points_lps_mm(index))


def test_axial_affine_points_to_left_posterior_and_head():
    affine = axial_affine((3, 5, 7), (4.0, 2.0, 1.0), (10.0, 20.0, 30.0))
    subject = image(affine, (3, 5, 7))
    assert np.allclose(subject.points_lps_mm((1, 2, 3)), (10, 20, 30))
    assert np.allclose(subject.points_lps_mm((2, 4, 6)), (13, 24, 34))
    assert subject.spacing_mm == (4.0, 2.0, 1.0)


def test_nifti_affine_negates_left_and_posterior():
    subject = image(axial_affine((3, 4, 5), (3.0, 2.0, 1.0)))
    column_step = subject.affine_ras_xyz() @ np.array([1, 0, 0, 0])
    assert np.allclose(column_step[:3], (-1, 0, 0))
    assert np.allclose((subject.affine_ras_xyz() @ np.array([0, 0, 1, 0]))[:3], (0, 0, 3))


def test_resampling_keeps_a_linear_function_of_position():
    fine = axial_affine((9, 11, 13), (1.0, 1.0, 1.0))
    ramp = Image(array=np.zeros((9, 11, 13), np.float32), affine=fine, quantity="arbitrary")
    points = ramp.points_lps_mm(np.moveaxis(np.indices(ramp.shape), 0, -1))
    ramp = ramp.with_array((points @ [1.0, 2.0, 3.0]).astype(np.float32))
    coarse = axial_affine((3, 4, 5), (2.0, 2.5, 1.5), (0.5, -0.25, 0.75))
    result = resample(ramp, coarse, (3, 4, 5))
    where = result.points_lps_mm(np.moveaxis(np.indices(result.shape), 0, -1))
    assert np.allclose(result.array, where @ [1.0, 2.0, 3.0], atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"affine": np.zeros((4, 4))}, "last row"),
        ({"affine": np.diag([1.0, 1.0, 0.0, 1.0])}, "singular"),
        ({"affine": np.full((4, 4), np.nan)}, "finite"),
        ({"array": np.zeros((3, 4))}, "axes"),
        ({"array": np.zeros((3, 4, 5, 2))}, "channel axes"),
        ({"channels": (Channel("echo", "ms", (1.0,)),)}, "axes"),
        ({"array": np.zeros((3, 4, 5, 2)), "channels": (Channel("echo", "ms", (1.0,)),)}, "'echo' has 1 values"),
    ],
)
def test_contradictions_are_refused(changes, words):
    fields = {"array": np.zeros((3, 4, 5)), "affine": np.eye(4), "quantity": quantity("ct_number")}
    with pytest.raises(InvalidInputError, match=words):
        Image(**{**fields, **changes})


def test_unknown_quantity_lists_the_known_ones():
    with pytest.raises(UnknownOptionError, match=r"did you mean 'ct_number'.*activity_concentration"):
        quantity("ct_numbre")
