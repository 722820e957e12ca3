"""Broken and unusual NIfTI files."""

import gzip

import nibabel
import numpy as np
import pytest
from tests.bad_input.cases import RANDOM, case, check_file_is_refused, nifti_file

NIFTI = {}


def other_nifti(folder, array, code=1):
    image = nibabel.Nifti1Image(array, None)
    image.set_sform(np.eye(4), code)
    nibabel.save(image, folder / "x.nii")
    return folder / "x.nii"


@case(NIFTI, "empty", "x.nii: is empty")
def _(folder):
    (folder / "x.nii").write_bytes(b"")
    return folder / "x.nii"


@case(NIFTI, "text", "x.nii: is in no known format: its name says NIfTI, its content does not")
def _(folder):
    (folder / "x.nii").write_text("not NIfTI")
    return folder / "x.nii"


@case(NIFTI, "header cut off", "x.nii: cannot be read as NIfTI")
def _(folder):
    path = nifti_file(folder)
    path.write_bytes(path.read_bytes()[:200])
    return path


@case(NIFTI, "voxels cut off", "x.nii: dim: asks for (10, 9, 8) voxels = 2880 bytes")
def _(folder):
    path = nifti_file(folder)
    path.write_bytes(path.read_bytes()[:-500])
    return path


@case(NIFTI, "compressed file cut off", "x.nii.gz: cannot be read as NIfTI")
def _(folder):
    path = nifti_file(folder, "x.nii.gz")
    path.write_bytes(path.read_bytes()[:-500])
    return path


@case(NIFTI, "not compressed", "x.nii.gz: is in no known format: its name says NIfTI")
def _(folder):
    return nifti_file(folder).rename(folder / "x.nii.gz")


@case(NIFTI, "noise in gzip", "sizeof_hdr: begins with")
def _(folder):
    (folder / "x.nii.gz").write_bytes(gzip.compress(RANDOM))
    return folder / "x.nii.gz"


@case(NIFTI, "a web page", "expected a header size of 348 or 540. Is this NIfTI?")
def _(folder):
    (folder / "x.nii.gz").write_bytes(gzip.compress(b"<!DOCTYPE html>" + bytes(1000)))
    return folder / "x.nii.gz"


@case(NIFTI, "unknown kind of number", "cannot be read as NIfTI (data code 999 not recognized)")
def _(folder):
    path = nifti_file(folder)
    data = bytearray(path.read_bytes())
    data[70:72] = (999).to_bytes(2, "little")
    path.write_bytes(data)
    return path


@case(NIFTI, "NaN", "voxels: hold 24 NaN or infinite values")
def _(folder):
    return other_nifti(folder, np.full((2, 3, 4), np.nan, np.float32))


@case(NIFTI, "nowhere", "sform_code: neither sform nor qform is set")
def _(folder):
    return other_nifti(folder, np.zeros((2, 3, 4), np.float32), code=0)


@case(NIFTI, "a bomb", "asks for (32767, 32767, 32767) voxels")
def _(folder):
    path = nifti_file(folder)
    data = bytearray(path.read_bytes())
    data[40:48] = np.array([3, 32767, 32767, 32767], "<i2").tobytes()
    path.write_bytes(data)
    return path


def nifti_scaling(name, message, slope, intercept):
    def make(folder):
        path = other_nifti(folder, np.ones((2, 3, 4), np.int16))
        data = bytearray(path.read_bytes())
        data[112:120] = np.array([slope, intercept], "<f4").tobytes()
        path.write_bytes(data)
        return path

    NIFTI[name] = make, message


nifti_scaling("infinite slope", "x.nii: scl_slope: is inf; expected a finite number", np.inf, 0)
nifti_scaling("intercept of NaN", "x.nii: scl_inter: is nan; expected a finite number", 2, np.nan)


@case(NIFTI, "five axes", "dim: is (2, 2, 2, 2, 3): more than four axes")
def _(folder):
    return other_nifti(folder, np.zeros((2, 2, 2, 2, 3), np.float32))


@case(NIFTI, "complex", "voxels: are complex64; expected one real number each")
def _(folder):
    return other_nifti(folder, np.zeros((2, 2, 2), np.complex64))


@pytest.mark.parametrize("name", sorted(NIFTI))
def test_bad_file_is_refused_in_one_line(name, tmp_path, capsys):
    check_file_is_refused(NIFTI[name], tmp_path, capsys)
