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


@case(NIFTI, "header cut off", "x.nii: has 200 bytes; its header alone takes 348. Truncated file?")
def _(folder):
    path = nifti_file(folder)
    path.write_bytes(path.read_bytes()[:200])
    return path


@case(NIFTI, "voxels cut off", "x.nii: dim: asks for (10, 9, 8) voxels = 2880 bytes")
def _(folder):
    path = nifti_file(folder)
    path.write_bytes(path.read_bytes()[:-500])
    return path


def packed_change(name, message, change):
    """A case whose packed file has its bytes changed."""

    def make(folder):
        path = nifti_file(folder, "x.nii.gz")
        path.write_bytes(change(path.read_bytes()))
        return path

    NIFTI[name] = make, message


packed_change(
    "packed file cut off",
    "x.nii.gz: cannot be read as NIfTI: its gzip data end early. Truncated file?",
    lambda data: data[:-500],
)
packed_change("packed header cut off", "x.nii.gz: cannot be read as NIfTI: its gzip data end early", lambda d: d[:60])
packed_change(
    "packed file damaged",
    "x.nii.gz: cannot be read as NIfTI: its gzip data are damaged: their codes or their checksum are wrong",
    lambda data: data[:40] + b"\xff" * 40 + data[80:],
)
packed_change(
    "cut off before it was packed",
    "its gzip data unpack to fewer voxels than the header says. Truncated before it was packed?",
    lambda data: gzip.compress(gzip.decompress(data)[:-500]),
)


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


def header_change(name, message, place, value):
    """A case whose header has these bytes at this place."""

    def make(folder):
        path = nifti_file(folder)
        data = bytearray(path.read_bytes())
        data[place : place + len(value)] = value
        path.write_bytes(data)
        return path

    NIFTI[name] = make, f"x.nii: {message}"


KNOWN = (
    "2 (uint8), 4 (int16), 8 (int32), 16 (float32), 64 (float64), 256 (int8), 512 (uint16), 768 (uint32), "
    "1024 (int64), 1280 (uint64), 1536 (float128)"
)
header_change("unknown kind of number", f"datatype: is 999; expected one of {KNOWN}", 70, b"\xe7\x03")
header_change("bits", "datatype: is 1 (bits); expected one real number for each voxel", 70, b"\x01\x00")
header_change("nine axes", "dim[0]: is 9 axes; expected 1 to 7", 40, b"\x09\x00")
header_change("no axes", "dim[0]: is 0 axes; expected 1 to 7", 40, b"\x00\x00")
header_change("unit of length 5", "xyzt_units: is 5; expected a unit of length 0 to 3 plus one of time", 123, b"\x05")
header_change("unit of time 56", "xyzt_units: is 58; expected a unit of length 0 to 3 plus one of time", 123, b"\x3a")
header_change("other magic", "magic: is b'nope'; expected b'n+1'", 344, b"nope")
header_change("voxels in the header", "vox_offset: is 16; expected at least 352 bytes", 108, np.float32(16).tobytes())
header_change("voxels nowhere", "vox_offset: is nan; expected at least 352 bytes", 108, np.float32("nan").tobytes())
header_change(
    "voxels beyond the end", "vox_offset: is 1e+09; the file has 3344 bytes. Truncated", 108, np.float32(1e9).tobytes()
)


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


@case(NIFTI, "complex", "datatype: is 32 (complex64); expected one real number for each voxel")
def _(folder):
    return other_nifti(folder, np.zeros((2, 2, 2), np.complex64))


@pytest.mark.parametrize("name", sorted(NIFTI))
def test_bad_file_is_refused_in_one_line(name, tmp_path, capsys):
    check_file_is_refused(NIFTI[name], tmp_path, capsys)
