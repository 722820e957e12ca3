"""Broken files and absurd parameters: exit code 2 and one line that names file, field and expectation; no traceback.

Each case makes a file or folder and says what the line must hold; the command line is what a user meets.
"""

import gzip
import shutil
import zipfile

import h5py
import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG2MPML, JPEG2000Lossless
from tests.dicom.conftest import make_image

from pellucid import container
from pellucid.cli.app import run
from pellucid.dicom import write_nifti, write_series
from pellucid.image import axial_affine
from pellucid.modalities.mr import KSpace

RANDOM = np.random.default_rng(11).integers(0, 256, 3000, dtype=np.uint8).tobytes()
DICOM, NIFTI, SIGNAL = {}, {}, {}


def case(table, name, message):
    """Register a case: its function gets a fresh folder and returns the path to read."""

    def register(function):
        assert name not in table
        table[name] = function, message
        return function

    return register


def one_line(arguments, capsys):
    """What the command says; it must be a refusal."""
    capsys.readouterr()
    assert run([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert captured.out == ""
    assert len(lines) == 1, lines
    assert lines[0].startswith("pellucid: ")
    assert len(lines[0]) < 600
    assert "Traceback" not in lines[0]
    return lines[0]


# DICOM


def dicom_file(folder, change=None, *, kind="ct_hu", shape=(1, 6, 7)):
    """One instance, changed before or after it is written (the change gets the data set)."""
    (path,) = write_series(make_image(kind, shape), folder)
    dataset = pydicom.dcmread(path)
    if change:
        change(dataset)
        dataset.save_as(path, enforce_file_format=True)
    return path


def dicom_change(name, message, kind="ct_hu", **values):
    """A case that sets attributes (None: removes them)."""

    def make(folder):
        def change(dataset):
            for keyword, value in values.items():
                if value is None:
                    delattr(dataset, keyword)
                else:
                    vr = dataset[keyword].VR if keyword in dataset else pydicom.datadict.dictionary_VR(keyword)
                    dataset[keyword] = pydicom.DataElement(keyword, vr, value, validation_mode=pydicom.config.IGNORE)

        return dicom_file(folder, change, kind=kind)

    DICOM[name] = make, message


dicom_change("no rows", "Rows: is None; expected a positive number", Rows=None)
dicom_change("zero rows", "Rows: is 0; expected a positive number", Rows=0)
dicom_change("no pixels", "PixelData: is missing from this CT Image Storage", PixelData=None)
dicom_change("no position", "ImagePositionPatient: is missing", ImagePositionPatient=None)
dicom_change("half a position", "ImagePositionPatient: is [1.0, 2.0]; expected 3 numbers", ImagePositionPatient=[1, 2])
dicom_change("far away", "ImagePositionPatient: is [1e+300, 0.0, 0.0]; expected at most 1e+06 mm",
             ImagePositionPatient=["1e300", 0, 0])  # fmt: skip
dicom_change("representation 7", "PixelRepresentation: is 7; expected 0 to 1", PixelRepresentation=7)
dicom_change("no bits stored", "BitsStored: is 0; expected 1 to 16 (BitsAllocated is 16)", BitsStored=0)
dicom_change("20 of 16 bits", "BitsStored: is 20; expected 1 to 16 (BitsAllocated is 16)", BitsStored=20)
dicom_change("high bit 3", "HighBit: is 3; expected 11 to 15", BitsStored=12, HighBit=3)
dicom_change("high bit 16", "HighBit: is 16; expected 11 to 15", BitsStored=12, HighBit=16)
dicom_change("three samples", "SamplesPerPixel: is 3, but PhotometricInterpretation is MONOCHROME2", SamplesPerPixel=3)
dicom_change("zero pixels apart", "PixelSpacing: is [0.0, 1.0]; expected lengths > 0 mm", PixelSpacing=[0, 1])
dicom_change("skew axes", "expected two unit vectors at right angles", ImageOrientationPatient=[1, 0, 0, 1, 0, 0])
dicom_change("no axes", "expected two unit vectors", ImageOrientationPatient=[0, 0, 0, 0, 0, 0])
dicom_change("slope of zero", "RescaleSlope: is", RescaleSlope=0)
dicom_change("no class", "SOPClassUID: is missing; is this a DICOM object?", SOPClassUID=None)
dicom_change("no modality", "Modality: is missing", Modality=None)
dicom_change("colour", "PhotometricInterpretation: is RGB: a colour picture", PhotometricInterpretation="RGB")
dicom_change("palette", "is PALETTE COLOR: a colour picture", PhotometricInterpretation="PALETTE COLOR")
dicom_change("a bomb", "65535 x 65535 values of 2 bytes need", Rows=65535, Columns=65535)
dicom_change("17 bits", "PixelData", BitsAllocated=17)
dicom_change("many frames", "without functional groups", NumberOfFrames=5)
dicom_change("frames without end", "PixelData", kind="map", Rows=5000)
dicom_change("frames short of items", "PerFrameFunctionalGroupsSequence: has 1 items", kind="map", NumberOfFrames=9)


@case(DICOM, "empty", "x.dcm: is empty")
def _(folder):
    (folder / "x.dcm").write_bytes(b"")
    return folder / "x.dcm"


@case(DICOM, "text", "x.dcm: is in no known format: tried DICOM")
def _(folder):
    (folder / "x.dcm").write_text("not DICOM at all")
    return folder / "x.dcm"


@case(DICOM, "an archive", "x.dcm: is in no known format")
def _(folder):
    with zipfile.ZipFile(folder / "x.dcm", "w") as file:
        file.writestr("a", "b")
    return folder / "x.dcm"


@case(DICOM, "noise after the prefix", "x.dcm: ")
def _(folder):
    (folder / "x.dcm").write_bytes(b"\0" * 128 + b"DICM" + RANDOM)
    return folder / "x.dcm"


@case(DICOM, "header cut off", "001-1.dcm: ")
def _(folder):
    path = dicom_file(folder)
    path.write_bytes(path.read_bytes()[:700])
    return path


@case(DICOM, "pixels cut off", "PixelData: has 44 bytes; 1 x 6 x 7 values of 2 bytes need 84. Truncated file?")
def _(folder):
    path = dicom_file(folder)
    path.write_bytes(path.read_bytes()[:-40])
    return path


@case(DICOM, "text for a number", "RescaleSlope")
def _(folder):
    path = dicom_file(folder)
    data = path.read_bytes()
    place = data.index(b"\x28\x00\x53\x10DS")
    path.write_bytes(data[: place + 8] + b"ab" + data[place + 10 :])
    return path


@case(DICOM, "position of NaN", "ImagePositionPatient")
def _(folder):
    path = dicom_file(folder)
    data = path.read_bytes()
    place = data.index(b"\x20\x00\x32\x00DS")
    length = int.from_bytes(data[place + 6 : place + 8], "little")
    path.write_bytes(data[: place + 8] + b"nan\\0\\0".ljust(length) + data[place + 8 + length :])
    return path


@case(DICOM, "unknown codec", "TransferSyntaxUID: is MPEG2 Main Profile")
def _(folder):
    def change(dataset):
        dataset.PixelData = encapsulate([b"\0" * 64])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = MPEG2MPML

    return dicom_file(folder, change)


@case(DICOM, "broken codestream", "PixelData: frame 1: a frame does not begin with a JPEG 2000 header")
def _(folder):
    def change(dataset):
        dataset.PixelData = encapsulate([RANDOM[:200]])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless

    return dicom_file(folder, change)


@case(DICOM, "NaN in a map", "FloatPixelData: holds 42 values that are not finite")
def _(folder):
    def change(dataset):
        dataset.FloatPixelData = np.full(42, np.nan, "<f4").tobytes()

    return dicom_file(folder, change, kind="map")


@case(DICOM, "missing slice", "1 slice(s) missing")
def _(folder):
    write_series(make_image("ct_hu", (5, 4, 4)), folder)[2].unlink()
    return folder


@case(DICOM, "uneven slices", "slices are unevenly spaced")
def _(folder):
    path = write_series(make_image("ct_hu", (5, 4, 4)), folder)[2]
    dataset = pydicom.dcmread(path)
    dataset.ImagePositionPatient[2] += 0.9
    dataset.save_as(path)
    return folder


@case(DICOM, "all slices at one place", "ImagePositionPatient: is the same in all 5 slices of this CT series")
def _(folder):
    for path in write_series(make_image("ct_hu", (5, 4, 4)), folder):
        dataset = pydicom.dcmread(path)
        dataset.ImagePositionPatient = [0, 0, 0]
        dataset.save_as(path)
    return folder


@case(DICOM, "one slice of another size", "001-3.dcm: Rows: is 5; the series has 6")
def _(folder):
    path = write_series(make_image("ct_hu", (5, 6, 7)), folder)[2]
    dataset = pydicom.dcmread(path)
    dataset.Rows, dataset.PixelData = 5, dataset.PixelData[:70]
    dataset.save_as(path)
    return folder


@case(DICOM, "one slice twice", "slice positions have 1 to 2 images")
def _(folder):
    path = write_series(make_image("ct_hu", (5, 4, 4)), folder)[2]
    dataset = pydicom.dcmread(path)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "2.25.3"
    dataset.save_as(folder / "again.dcm")
    return folder


@case(DICOM, "folder of texts", "holds no file of a known format: tried DICOM")
def _(folder):
    (folder / "README").write_text("nothing")
    return folder


@case(DICOM, "nothing there", "nowhere: does not exist")
def _(folder):
    return folder / "nowhere"


# NIfTI


def nifti_file(folder, name="x.nii", **changes):
    return write_nifti(make_image("mr_t1", (8, 9, 10), **changes), folder / name)


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


# Our own container, with a small k-space


def kspace(**changes):
    values = {
        "samples": np.ones((1, 2, 1, 8, 8), np.complex64),
        "affine": axial_affine((1, 8, 8), (5, 2, 2)),
        "image_shape": (1, 8, 8),
        "encoded_fov_mm": (5.0, 16.0, 16.0),
        "sampled": np.ones((1, 8, 1), bool),
        "sequence": "spin_echo",
    }
    return KSpace(**(values | changes))


def signal_file(folder, change=None):
    path = folder / "x.pellucid.h5"
    container.write(kspace(), path)
    if change:
        with h5py.File(path, "r+") as file:
            change(file)
    return path


def signal_change(name, message):
    def register(change):
        SIGNAL[name] = lambda folder: signal_file(folder, change), message
        return change

    return register


@case(SIGNAL, "empty", "x.pellucid.h5: is empty")
def _(folder):
    (folder / "x.pellucid.h5").write_bytes(b"")
    return folder / "x.pellucid.h5"


@case(SIGNAL, "text", "its name says Pellucid signal, its content does not")
def _(folder):
    (folder / "x.pellucid.h5").write_text("not HDF5")
    return folder / "x.pellucid.h5"


@case(SIGNAL, "cut off", "x.pellucid.h5: cannot be read as a Pellucid acquisition")
def _(folder):
    path = signal_file(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@signal_change("other HDF5", "format: is not a Pellucid acquisition")
def _(file):
    del file.attrs["format"]


@signal_change("newer version", "version: is 99; this program reads up to")
def _(file):
    file.attrs["version"] = 99


@signal_change("no samples", "x.pellucid.h5: cannot be read as a Pellucid acquisition")
def _(file):
    del file["acquisition/samples"]


@signal_change("NaN", "samples: holds 1 values that are not finite, the first at index (0, 0, 0, 0, 0)")
def _(file):
    file["acquisition/samples"][0, 0, 0, 0, 0] = np.nan


@signal_change("mask of another size", "sampled: is (1, 7, 1); expected")
def _(file):
    del file["acquisition/sampled"]
    file["acquisition/sampled"] = np.ones((1, 7, 1), bool)


@signal_change("grid of no size", "affine: is not a finite, invertible 4 x 4 matrix")
def _(file):
    file["acquisition/affine"][...] = 0


@signal_change("foreign class", "class: is 'os:system'; expected an acquisition of a known modality")
def _(file):
    file["acquisition"].attrs["class"] = "os:system"


@signal_change("text for numbers", "x.pellucid.h5: ")
def _(file):
    del file["acquisition/samples"]
    file["acquisition/samples"] = "hello"


FILES = {f"{format_} {name}": entry for format_, table in (("DICOM", DICOM), ("NIfTI", NIFTI), ("signal", SIGNAL))
         for name, entry in table.items()}  # fmt: skip


@pytest.mark.parametrize("name", sorted(FILES))
def test_bad_file_is_refused_in_one_line(name, tmp_path, capsys):
    make, message = FILES[name]
    path = make(tmp_path)
    line = one_line(["info", path], capsys)
    assert message in line
    assert str(path) in line


def test_there_are_enough_cases():
    assert len(FILES) + len(PARAMETERS) >= 60


# Parameters and uses

PARAMETERS = {
    "no such method": (["reconstruct", "SIGNAL", "-o", "out", "--method", "fftt"], "did you mean 'fft'"),
    "no such parameter": (["reconstruct", "SIGNAL", "-o", "out", "--set", "itrations=3"], "unknown parameter of mr"),
    "no value": (["reconstruct", "SIGNAL", "-o", "out", "--set", "iterations"], "expected name=value"),
    "no name": (["reconstruct", "SIGNAL", "-o", "out", "--set", "=3"], "expected name=value"),
    "no such place": (["reconstruct", "SIGNAL", "-o", "out.dcm"], "out.dcm: is no place for an image"),
    "image for a signal": (["reconstruct", "IMAGE", "-o", "out"], "holds an image; expected a raw signal"),
    "signal for an image": (["convert", "SIGNAL", "-o", "out.nii"], "is no place for a raw signal"),
    "image into a container": (["convert", "IMAGE", "-o", "out.pellucid.h5"], "is no place for an image"),
    "file for a folder": (["convert", "IMAGE", "-o", "SIGNAL"], "is no place for an image"),
    "below a file": (["convert", "IMAGE", "-o", "x.nii/series"], "a file is where a folder must be"),
    "folder for a file": (["convert", "IMAGE", "-o", "place.nii"], "a folder is where the file must be"),
    "no such protocol": (["scan", "mr/t1_grey", "-o", "out.pellucid.h5"], "did you mean 't1_gre'"),
    "no such modality": (["scan", "mri/t1_gre", "-o", "out.pellucid.h5"], "unknown modality 'mri'"),
    "no such setting": (["scan", "mr/t1_gre", "-o", "out.pellucid.h5", "--set", "flop=3"], "unknown parameter of mr"),
    "text for a number": (
        ["scan", "mr/t1_gre", "-o", "out.pellucid.h5", "--set", "repetition_time_ms=long"],
        "repetition_time_ms: is 'long'; expected a number",
    ),
    "negative time": (
        ["scan", "mr/t1_gre", "-o", "out.pellucid.h5", "--set", "repetition_time_ms=-5"],
        "repetition_time_ms: is '-5'; expected a number >=",
    ),
    "not a number": (
        ["scan", "mr/t1_gre", "-o", "out.pellucid.h5", "--set", "echo_time_ms=nan"],
        "echo_time_ms: is 'nan'; expected a number",
    ),
    "no such patient": (["scan", "mr/t1_gre", "-o", "out.pellucid.h5", "--anatomy", "head"], "unknown anatomy 'head'"),
    "no such file": (["convert", "missing.nii", "-o", "out"], "missing.nii: does not exist"),
    "no such command": (["reconstrukt", "SIGNAL"], "No such command"),
    "no output": (["convert", "IMAGE"], "Missing option"),
}


@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_absurd_use_is_refused_in_one_line(name, tmp_path, capsys, monkeypatch):
    arguments, message = PARAMETERS[name]
    monkeypatch.chdir(tmp_path)
    places = {"SIGNAL": signal_file(tmp_path), "IMAGE": nifti_file(tmp_path)}
    (tmp_path / "place.nii").mkdir()
    before = sorted(tmp_path.rglob("*"))
    line = one_line([places.get(argument, argument) for argument in arguments], capsys)
    assert message in line
    assert sorted(tmp_path.rglob("*")) == before, "a refused command leaves nothing behind"


def test_error_in_a_folder_names_the_file(tmp_path, capsys):
    """A whole folder with one file cut off: the file is named, not only the folder."""
    write_series(make_image("ct_hu", (3, 6, 7)), tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    broken = tmp_path / "b" / "001-2.dcm"
    broken.write_bytes(broken.read_bytes()[:-40])
    (tmp_path / "a" / "001-1.dcm").unlink()
    line = one_line(["info", tmp_path / "b"], capsys)
    assert f"{broken}: PixelData: has 44 bytes" in line
