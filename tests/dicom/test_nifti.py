"""NIfTI: grids, units, quantities; what other programs write."""

import gzip
import re

import nibabel
import numpy as np
import pytest
from tests.dicom.conftest import make_image, oblique_affine

from pellucid.dicom import read_nifti, write_nifti
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import Channel, Image
from pellucid.testing.same_image import image_gap
from pellucid.units import Quantity


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz", "X.NII.GZ"])
def test_written_file_reads_back(kind, name, tmp_path):
    image = make_image(kind, affine=oblique_affine())
    back = read_nifti(write_nifti(image, tmp_path / name))
    assert np.array_equal(back.array, image.array)
    assert np.allclose(back.affine, image.affine, atol=1e-4)  # NIfTI-1 keeps float32
    assert (back.quantity, back.modality, back.description) == (image.quantity, image.modality, image.description)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_voxel_is_where_nibabel_says(tmp_path):
    """nibabel as peer: index (column, row, slice) → RAS mm by its own affine."""
    image = make_image("ct_hu", affine=oblique_affine())
    peer = nibabel.load(write_nifti(image, tmp_path / "x.nii"))
    index = np.array([3, 5, 7])  # slice, row, column
    ras = nibabel.affines.apply_affine(peer.affine, index[::-1])
    assert np.allclose(ras * [-1, -1, 1], image.points_lps_mm(index), atol=1e-4)
    assert peer.get_fdata()[7, 5, 3] == image.array[3, 5, 7]
    assert np.allclose(peer.get_qform(coded=True)[0], peer.affine, atol=1e-4)
    assert peer.header.get_xyzt_units()[0] == "mm"


def test_sheared_grid_has_an_sform_alone(tmp_path):
    affine = oblique_affine()
    affine[:3, 0] += affine[:3, 1]
    peer = nibabel.load(write_nifti(make_image("ct_hu", affine=affine), tmp_path / "x.nii"))
    assert peer.get_qform(coded=True)[0] is None
    assert np.allclose(read_nifti(tmp_path / "x.nii").affine, affine, atol=1e-4)


def test_channel_and_its_times_come_back(tmp_path):
    for name, channel in [
        ("even", Channel("time", "s", (0.0, 2.0, 4.0))),
        ("uneven", Channel("echo_time", "ms", (2.0, 5.0, 9.5))),
    ]:
        image = make_image("mr_signal", (2, 3, 4, 3), channels=(channel,))
        back = read_nifti(write_nifti(image, tmp_path / f"{name}.nii"))
        assert back.channels == (channel,)
        assert np.array_equal(back.array, image.array)
    header = nibabel.load(tmp_path / "even.nii").header
    assert header.get_zooms()[3] == 2
    assert header.get_xyzt_units() == ("mm", "sec")


def test_own_quantity_comes_back(tmp_path):
    flow = Quantity("Regional Cerebral Blood Flow", "ml/100ml/min", "Regional Cerebral Blood Flow")
    image = make_image("map", quantity=flow)
    assert read_nifti(write_nifti(image, tmp_path / "x.nii")).quantity == flow


def other(tmp_path, array, *, sform=2, qform=0, affine=None, units=("mm", "sec"), slope=None, kind=nibabel.Nifti1Image):
    affine = np.diag([1.0, 2.0, 3.0, 1.0]) if affine is None else affine
    image = kind(array, None)
    image.set_sform(affine, sform)
    if qform:
        image.set_qform(affine, qform)
    image.header.set_xyzt_units(*units)
    if slope:
        image.header.set_slope_inter(*slope)
    path = tmp_path / "other.nii"
    nibabel.save(image, path)
    return path


def test_files_of_other_programs(tmp_path):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    image = read_nifti(other(tmp_path, array))
    assert image.array.dtype == np.float32
    assert image.array[3, 2, 1] == array[1, 2, 3]
    assert (image.quantity.name, image.modality) == ("arbitrary", "OT")
    assert image.points_lps_mm((3, 2, 1)).tolist() == [-1, -4, 9]
    assert read_nifti(other(tmp_path, array, sform=0, qform=1)).affine.tolist() == image.affine.tolist()
    assert read_nifti(other(tmp_path, array, units=("micron", "sec"))).spacing_mm == pytest.approx(
        (0.003, 0.002, 0.001)
    )
    assert read_nifti(other(tmp_path, array, units=("meter", "sec"))).spacing_mm == pytest.approx((3000, 2000, 1000))
    assert np.array_equal(read_nifti(other(tmp_path, array, kind=nibabel.Nifti2Image)).array, image.array)
    big = array.astype(np.int32) * 2**20 + 1
    assert np.array_equal(read_nifti(other(tmp_path, big)).array, big.T)
    assert read_nifti(other(tmp_path, array.astype(">f4"))).array.dtype == np.dtype("f4")


def test_scaled_values(tmp_path):
    path = other(tmp_path, np.ones((2, 2, 2), np.int16))
    data = bytearray(path.read_bytes())
    data[112:120] = np.array([2.5, -1.0], "<f4").tobytes()  # scl_slope, scl_inter
    path.write_bytes(data)
    image = read_nifti(path)
    assert (image.array == 1.5).all()
    assert image.array.dtype == np.float32


def test_fourth_axis(tmp_path):
    array = np.zeros((2, 2, 2, 3), np.float32)
    path = other(tmp_path, array)
    assert read_nifti(path).channels[0].values == (0, 1, 2)
    nifti = nibabel.load(path)
    nifti.header["pixdim"][4] = 0
    nibabel.save(nifti, tmp_path / "still.nii")
    assert read_nifti(tmp_path / "still.nii").channels[0].name == "repetition"
    assert read_nifti(other(tmp_path, array[..., :1])).channels == ()
    assert read_nifti(other(tmp_path, np.zeros((3, 2)))).shape == (1, 2, 3)


def test_what_cannot_be_read_says_why(tmp_path):
    good = np.zeros((4, 4, 4), np.float32)
    cases = [
        ((good, ("sform", 0)), "sform_code: neither sform nor qform is set"),
        ((np.zeros((2, 2, 2, 2, 3), np.float32),), "more than four axes"),
        ((np.zeros((2, 2, 2), np.complex64),), r"datatype: is 32 \(complex64\)"),
        (
            (np.zeros((2, 2, 2), [("R", "u1"), ("G", "u1"), ("B", "u1")]),),
            r"datatype: is 128 \(RGB\); expected one real",
        ),
        ((np.full((2, 2, 2), np.nan, np.float32),), "voxels: hold 8 NaN"),
        ((good, ("affine", np.diag([0.0, 1, 1, 1]))), "expected an invertible matrix"),
    ]
    for arguments, message in cases:
        with pytest.raises(InvalidInputError, match=message):
            read_nifti(other(tmp_path, *arguments[:1], **dict(arguments[1:])))


def test_header_that_asks_for_more_than_there_is(tmp_path):
    """Refused before memory is taken: 32767^3 float32 values would be 128 TB."""
    path = other(tmp_path, np.zeros((2, 2, 2), np.float32))
    data = bytearray(path.read_bytes())
    data[40:48] = np.array([3, 32767, 32767, 32767], "<i2").tobytes()
    path.write_bytes(data)
    with pytest.raises(InvalidInputError, match=r"asks for .* Truncated file"):
        read_nifti(path)
    (tmp_path / "x.nii.gz").write_bytes(gzip.compress(bytes(data)))
    with pytest.raises(InvalidInputError, match=r"asks for .* Truncated file"):
        read_nifti(tmp_path / "x.nii.gz")


def test_what_nifti_cannot_hold_is_refused(tmp_path):
    image = make_image("mr_signal", (2, 2, 2, 2, 2), channels=(Channel("a", "1", (0, 1)), Channel("b", "1", (0, 1))))
    with pytest.raises(UnsupportedError, match="NIfTI takes one"):
        write_nifti(image, tmp_path / "x.nii")
    with pytest.raises(UnsupportedError, match="is complex"):
        write_nifti(make_image("map", array=np.zeros((2, 2, 2), complex)), tmp_path / "x.nii")
    with pytest.raises(InvalidInputError, match=r"expected \.nii or \.nii\.gz"):
        write_nifti(make_image("map"), tmp_path / "x.img")


def test_real_phantoms_and_atlases(real_data):
    """ibsi: digital phantom of the radiomics standard, 1 mm in RAS files of other programs."""
    folder = real_data("trials/ibsi")
    files = sorted(folder.rglob("*.nii*"))[:6]
    assert files
    for path in files:
        image = read_nifti(path)
        peer = nibabel.load(path)
        corner = np.array(image.shape) - 1
        ras = nibabel.affines.apply_affine(peer.affine, corner[::-1])
        assert np.allclose(image.points_lps_mm(corner), ras * [-1, -1, 1], atol=1e-3)
        assert image_gap(image, image) == (0, 0)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros((1, 1, 32768), np.uint8), "is (1, 1, 32768); NIfTI takes 1 to 32767 along each axis"),
        (np.zeros((2, 0, 3), np.float32), "is (2, 0, 3); NIfTI takes 1 to 32767 along each axis"),
        (np.zeros((2, 2, 2), "datetime64[s]"), "holds datetime64[s]; expected integers or real numbers"),
        (np.zeros((2, 2, 2), object), "holds object; expected integers or real numbers"),
    ],
)
def test_what_the_format_cannot_hold_is_refused_by_name(array, expected, tmp_path):
    image = Image(array=array, affine=np.eye(4), quantity="arbitrary")
    with pytest.raises(UnsupportedError, match=re.escape(f"array: {expected}")):
        write_nifti(image, tmp_path / "image.nii")
    assert list(tmp_path.iterdir()) == []


def test_the_longest_axis_is_written(tmp_path):
    array = np.arange(32767, dtype=np.float32).reshape(1, 1, -1)
    path = write_nifti(Image(array=array, affine=np.eye(4), quantity="arbitrary"), tmp_path / "image.nii")
    assert np.array_equal(read_nifti(path).array, array)
