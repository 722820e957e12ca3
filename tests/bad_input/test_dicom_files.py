"""Broken and unusual DICOM files and folders."""

import shutil
import struct
import zipfile

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG2MPML, JPEG2000Lossless
from tests.bad_input.cases import RANDOM, case, check_file_is_refused, one_line
from tests.dicom.conftest import make_image

from pellucid.dicom import write_series

DICOM = {}


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
dicom_change("17 bits", "BitsAllocated: is 17; expected 1 or a multiple of 8 up to 64", BitsAllocated=17)
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


@case(
    DICOM, "codestream outside of items", "PixelData: cannot be taken apart into 1 frames: its items are not those of"
)
def _(folder):
    def change(dataset):
        dataset.PixelData = encapsulate([RANDOM[:200]])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless

    path = dicom_file(folder, change)
    data = path.read_bytes()
    place = data.rindex(b"\xfe\xff\x00\xe0")
    path.write_bytes(data[:place] + b"\x01\x02\x03\x04" + data[place + 4 :])
    return path


@case(DICOM, "pixels of another kind", "PixelData: is not of its value representation, SV. Truncated file?")
def _(folder):
    path = dicom_file(folder)
    data = path.read_bytes()
    place = data.index(b"\xe0\x7f\x10\x00OW") + 4
    path.write_bytes(data[:place] + b"SV" + data[place + 2 :])
    return path


@case(DICOM, "24 bits cut off", "PixelData: has 84 bytes; 1 x 6 x 7 values of 3 bytes need 126. Truncated file?")
def _(folder):
    def change(dataset):
        dataset.BitsAllocated = dataset.BitsStored = 24
        dataset.HighBit = 23

    return dicom_file(folder, change)


def mosaic_file(folder, csa):
    """A mosaic of four tiles whose CSA header holds these bytes."""

    def change(dataset):
        dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]
        block = dataset.private_block(0x29, "SIEMENS CSA HEADER", create=True)
        block.add_new(0x10, "OB", csa)

    return dicom_file(folder, change, kind="mr_signal", shape=(1, 4, 4))


CSA = "CSA Image Header Info: "


@case(DICOM, "mosaic of noise", f"{CSA}is not a list of tags as Siemens writes it. Damaged, or changed when identities")
def _(folder):
    return mosaic_file(folder, b"SV10\4\3\2\1" + RANDOM[:512])


@case(DICOM, "mosaic without places", f"{CSA}lacks NumberOfImagesInMosaic or SliceNormalVector")
def _(folder):
    name, item = b"NumberOfImagesInMosaic".ljust(64, b"\0"), b"four"
    tag = name + struct.pack("<i4s3i", 1, b"LO\0\0", 0, 1, 77)
    return mosaic_file(
        folder, b"SV10\4\3\2\1" + struct.pack("<2I", 1, 77) + tag + struct.pack("<4i", 0, 4, 0, 0) + item
    )


@case(DICOM, "NaN in a map", "FloatPixelData: holds 42 values that are not finite")
def _(folder):
    def change(dataset):
        dataset.FloatPixelData = np.full(42, np.nan, "<f4").tobytes()

    return dicom_file(folder, change, kind="map")


@case(DICOM, "missing slice", "1 slice(s) missing")
def _(folder):
    write_series(make_image("ct_hu", (5, 4, 4)), folder)[2].unlink()
    return folder


@case(DICOM, "two far slices", "SpacingBetweenSlices: is 2 mm, but the slices are 8 mm apart: 3 missing between")
def _(folder):
    for path in write_series(make_image("ct_hu", (5, 4, 4)), folder)[1:4]:
        path.unlink()
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


@pytest.mark.parametrize("name", sorted(DICOM))
def test_bad_file_is_refused_in_one_line(name, tmp_path, capsys):
    check_file_is_refused(DICOM[name], tmp_path, capsys)


def test_error_in_a_folder_names_the_file(tmp_path, capsys):
    """A whole folder with one file cut off: the file is named, not only the folder."""
    write_series(make_image("ct_hu", (3, 6, 7)), tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    broken = tmp_path / "b" / "001-2.dcm"
    broken.write_bytes(broken.read_bytes()[:-40])
    (tmp_path / "a" / "001-1.dcm").unlink()
    line = one_line(["info", tmp_path / "b"], capsys)
    assert f"{broken}: PixelData: has 44 bytes" in line
