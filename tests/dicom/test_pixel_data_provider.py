"""Instances that name where their pixels are, in the four JPIP Referenced transfer syntaxes."""

import io
import zlib

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    MPEG2MPML,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
)
from tests.archive.samples import dataset, file_bytes

from pellucid.dicom.pixel_data_provider import REFERENCED, provider_url, referenced_file, with_pixel_data_provider
from pellucid.errors import InvalidInputError, UnsupportedError

URL = "https://example.org/jpip/j2k?target=instances/1.2.3"
SIGNED = np.arange(60, dtype=np.int16).reshape(6, 10)
COLOUR = np.arange(180, dtype=np.uint8).reshape(6, 10, 3)


def made(pixels=SIGNED, syntax=ExplicitVRLittleEndian, **changes):
    source = dataset(pixels=pixels, **changes)
    if syntax.is_encapsulated:
        source.PixelData = encapsulate([b"\xff\x4f\xff\xd9"])
        source["PixelData"].VR = "OB"
    return pydicom.dcmread(io.BytesIO(file_bytes(source, syntax)))


def reread(data, folder):
    """Independent of the writer: pydicom reads the meta header, zlib inflates, pydicom reads the rest."""
    (folder / "referenced.dcm").write_bytes(data)
    meta = pydicom.filereader.read_file_meta_info(folder / "referenced.dcm")
    start = 132 + 12 + meta.FileMetaInformationGroupLength
    body = data[start:]
    if meta.TransferSyntaxUID in ("1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"):
        body = zlib.decompressobj(-15).decompress(body)
    return meta, pydicom.filereader.read_dataset(io.BytesIO(body), is_implicit_VR=False, is_little_endian=True)


@pytest.mark.parametrize("syntax", REFERENCED)
@pytest.mark.parametrize("stored", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_files(tmp_path, syntax, stored):
    source = made(syntax=stored, PatientName="Müller^Jörg", SpecificCharacterSet="ISO_IR 100")
    meta, again = reread(referenced_file(source, URL, syntax), tmp_path)
    assert meta.TransferSyntaxUID == syntax
    assert meta.MediaStorageSOPInstanceUID == source.SOPInstanceUID
    assert "PixelData" not in again
    assert again.PixelDataProviderURL == URL
    assert again["PixelDataProviderURL"].VR == "UR"
    assert again["PixelDataProviderURL"].tag == 0x00287FE0
    for element in source:
        if element.keyword != "PixelData":
            assert again[element.tag].value == element.value, element.keyword


def test_pydicom_reads_what_is_not_deflated():
    again = pydicom.dcmread(io.BytesIO(referenced_file(made(), URL, "1.2.840.10008.1.2.4.94")))
    assert (again.Rows, again.Columns, again.PixelDataProviderURL) == (6, 10, URL)


def test_the_given_data_set_stays():
    source = made()
    result = with_pixel_data_provider(source, URL, htj2k=True)
    assert result.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.204"
    assert source.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    np.testing.assert_array_equal(source.pixel_array, SIGNED)
    assert "PixelDataProviderURL" not in source


@pytest.mark.parametrize(
    ("pixels", "stored", "given", "expected"),
    [
        (COLOUR, ExplicitVRLittleEndian, "RGB", "YBR_RCT"),
        (COLOUR, JPEG2000Lossless, "RGB", "RGB"),
        (COLOUR, JPEG2000Lossless, "YBR_RCT", "YBR_RCT"),
        (COLOUR, JPEGLSLossless, "RGB", "YBR_RCT"),
        (COLOUR, ExplicitVRLittleEndian, "YBR_FULL", "YBR_FULL"),
        (SIGNED, ExplicitVRLittleEndian, "MONOCHROME1", "MONOCHROME1"),
    ],
)
def test_the_attributes_are_those_of_the_codestreams(pixels, stored, given, expected):
    source = made(pixels, stored, PhotometricInterpretation=given)
    result = with_pixel_data_provider(source, URL, htj2k=False)
    assert result.PhotometricInterpretation == expected
    assert result.get("PlanarConfiguration") == (0 if pixels is COLOUR else None)
    assert source.PhotometricInterpretation == given


def test_big_endian_values_turn(tmp_path):
    table = bytes([1, 2, 3, 4])
    source = dataset(pixels=SIGNED)
    source.add_new(0x00281201, "OW", table)
    inner = pydicom.Dataset()
    inner.add_new(0x00281202, "OW", table)
    source.add_new(0x00081140, "SQ", [inner])
    source.PixelData = SIGNED.astype(">i2").tobytes()
    data = file_bytes(source, ExplicitVRBigEndian)
    stored = pydicom.dcmread(io.BytesIO(data))
    _, again = reread(referenced_file(stored, URL, "1.2.840.10008.1.2.4.94"), tmp_path)
    assert again[0x00281201].value == bytes([2, 1, 4, 3])
    assert again[0x00081140].value[0][0x00281202].value == bytes([2, 1, 4, 3])
    assert stored[0x00281201].value == table
    assert stored[0x00081140].value[0][0x00281202].value == table


def test_what_cannot_be_provided():
    floating = made()
    del floating.PixelData
    floating.FloatPixelData = b"\0" * 240
    with pytest.raises(UnsupportedError, match="no integer pixels"):
        with_pixel_data_provider(floating, URL, htj2k=True)
    with pytest.raises(UnsupportedError):
        with_pixel_data_provider(made(COLOUR, MPEG2MPML), URL, htj2k=True)
    broken = made()
    del broken.BitsAllocated
    with pytest.raises(InvalidInputError):
        with_pixel_data_provider(broken, URL, htj2k=True)


def test_urls():
    assert provider_url("https://host/jpip", "1.2.3", "1.2.840.10008.1.2.4.94") == (
        "https://host/jpip/j2k?target=instances/1.2.3"
    )
    assert provider_url("https://host/jpip", "1.2.3", "1.2.840.10008.1.2.4.205") == (
        "https://host/jpip/htj2k?target=instances/1.2.3"
    )
