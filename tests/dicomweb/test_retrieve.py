"""WADO-RS: whole instances, metadata and bulk data."""

import io

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
)
from tests.archive.samples import dataset, dicom, file_bytes, uid

STUDY = f"studies/{uid(1)}"
SERIES = f"{STUDY}/series/{uid(1, 1)}"
INSTANCE = f"{SERIES}/instances/{uid(1, 1, 1)}"
LUT = bytes(range(256)) * 8


def with_private_values(**changes):
    item = pydicom.Dataset()
    item.add_new(0x00091010, "OB", LUT)
    made = dataset(RequestAttributesSequence=[item], **changes)
    made.add_new(0x00090010, "LO", "MINE")
    made.add_new(0x00091002, "OW", LUT)
    return made


@pytest.fixture(scope="module", autouse=True)
def content(archive):
    with archive.batch() as batch:
        batch.store(file_bytes(with_private_values()))
        batch.store(dicom(1, 1, 2))
        batch.store(dicom(1, 2, 1))
        batch.store(file_bytes(dataset(2, 1, 1), ImplicitVRLittleEndian))


def test_as_stored_is_byte_for_byte(client, archive, parts_of):
    accept = {"accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    for path, count in ((STUDY, 3), (SERIES, 2), (INSTANCE, 1)):
        parts = parts_of(client.get(path, headers=accept))
        assert len(parts) == count
        records = archive.instances(uid(1))[:count]
        assert [body for _, body in parts] == [archive.fetch(record) for record in records]
        assert parts[0][0]["content-location"] == f"http://localhost/dicom-web/{INSTANCE}"
        assert parts[0][0]["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"


def test_one_instance_as_a_single_part(client, archive):
    response = client.get(INSTANCE, headers={"accept": "application/dicom"})
    assert response.headers["content-type"] == "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"
    assert response.content == archive.fetch(archive.instances(uid(1))[0])
    assert client.get(STUDY, headers={"accept": "application/dicom"}).status_code == 406


def big_endian():
    made = with_private_values(pixels=np.arange(24, dtype=np.uint16).reshape(4, 6))
    made.PixelData = np.arange(24, dtype=">u2").tobytes()
    made[0x00091002].value = np.frombuffer(LUT, "<u2").astype(">u2").tobytes()
    return file_bytes(made, ExplicitVRBigEndian)


def plain():
    return with_private_values(pixels=np.arange(24, dtype=np.uint16).reshape(4, 6))


def jpeg_ls():
    made = plain()
    made.PixelData = encapsulate([imagecodecs.jpegls_encode(np.arange(24, dtype=np.uint16).reshape(4, 6))])
    made["PixelData"].VR = "OB"
    return file_bytes(made, JPEGLSLossless)


@pytest.mark.parametrize(
    "make",
    [
        lambda: file_bytes(plain(), ImplicitVRLittleEndian),
        lambda: file_bytes(plain(), DeflatedExplicitVRLittleEndian),
        big_endian,
        jpeg_ls,
    ],
    ids=["implicit", "deflated", "big endian", "JPEG-LS"],
)
def test_without_a_transfer_syntax_everything_is_explicit_little_endian(client, archive, make):
    changed = pydicom.dcmread(io.BytesIO(make()))
    changed.StudyInstanceUID, changed.SeriesInstanceUID, changed.SOPInstanceUID = uid(5), uid(5, 1), uid(5, 1, 1)
    buffer = io.BytesIO()
    changed.save_as(buffer, enforce_file_format=True)
    archive.store(buffer.getvalue())
    try:
        path = f"studies/{uid(5)}/series/{uid(5, 1)}/instances/{uid(5, 1, 1)}"
        response = client.get(path, headers={"accept": "application/dicom"})
        got = pydicom.dcmread(io.BytesIO(response.content))
        assert got.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        np.testing.assert_array_equal(got.pixel_array, np.arange(24).reshape(4, 6))
        assert bytes(got[0x00091002].value) == LUT
        assert got.PatientName == "Doe^Jane"
        bulk = client.get(f"{path}/bulkdata/00091002", headers={"accept": "application/octet-stream"})
        assert bulk.content == LUT
    finally:
        archive.delete(uid(5))


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"])
def test_another_transfer_syntax_without_loss(client, syntax):
    response = client.get(INSTANCE, headers={"accept": f"application/dicom; transfer-syntax={syntax}"})
    assert response.headers["content-type"] == f"application/dicom; transfer-syntax={syntax}"
    got = pydicom.dcmread(io.BytesIO(response.content))
    assert got.file_meta.TransferSyntaxUID == syntax
    stored = client.get(f"{INSTANCE}/frames/1", headers={"accept": "application/octet-stream"})
    if syntax.endswith(".202"):
        cells = imagecodecs.jpeg2k_decode(get_frame(got.PixelData, 0, number_of_frames=1))
    else:
        cells = got.pixel_array
    assert cells.tobytes() == stored.content


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.102", "1.2.3"])
def test_a_transfer_syntax_that_cannot_be_is_406(client, syntax):
    response = client.get(INSTANCE, headers={"accept": f"application/dicom; transfer-syntax={syntax}"})
    assert response.status_code == 406
    assert "transfer-syntax=*" in response.json()["detail"]


def test_metadata(client):
    for path, count in ((STUDY, 3), (SERIES, 2), (INSTANCE, 1)):
        response = client.get(f"{path}/metadata")
        assert response.headers["content-type"] == "application/dicom+json"
        assert len(response.json()) == count
    item = response.json()[0]
    assert item["00280010"]["Value"] == [5]
    assert item["7FE00010"]["BulkDataURI"] == f"http://localhost/dicom-web/{INSTANCE}/bulkdata/7FE00010"
    for accept in ("application/json", "application/dicom+json", "*/*", "multipart/related; type=x/y, application/*"):
        assert client.get(f"{INSTANCE}/metadata", headers={"accept": accept}).status_code == 200
    response = client.get(f"{INSTANCE}/metadata", headers={"accept": "application/dicom+xml"})
    assert response.status_code == 406


def test_every_bulk_data_uri_leads_to_its_value(client):
    item = client.get(f"{INSTANCE}/metadata").json()[0]
    nested = item["00400275"]["Value"][0]["00091010"]["BulkDataURI"]
    accept = {"accept": "application/octet-stream"}
    assert client.get(nested, headers=accept).content == LUT
    assert client.get(item["00091002"]["BulkDataURI"], headers=accept).content == LUT
    pixels = (np.arange(35, dtype=np.uint16) + 1).tobytes()
    assert client.get(item["7FE00010"]["BulkDataURI"], headers=accept).content == pixels


def test_bulk_pixels_as_multipart_are_the_frames(client, parts_of):
    ((part, body),) = parts_of(client.get(f"{INSTANCE}/bulkdata/7FE00010"))
    assert body == (np.arange(35, dtype=np.uint16) + 1).tobytes()
    assert part["content-location"].endswith("/frames/1")
    ((_, body),) = parts_of(client.get(f"{INSTANCE}/bulkdata/00091002"))
    assert body == LUT


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"studies/{uid(9)}", 404),
        (f"{STUDY}/series/{uid(9)}", 404),
        (f"{STUDY}/series/{uid(1, 2)}/instances/{uid(1, 1, 1)}", 404),
        (f"studies/{uid(9)}/metadata", 404),
        (f"{INSTANCE}/bulkdata/00091099", 404),
        (f"{INSTANCE}/bulkdata/00400275/7/00091010", 404),
        (f"{INSTANCE}/bulkdata/PixelData", 400),
        (f"{INSTANCE}/bulkdata/../../x", 404),
        (f"{STUDY}/frames/1", 404),
    ],
)
def test_what_is_not_there(client, path, status):
    assert client.get(path).status_code == status


def test_accept_that_is_no_media_type(client):
    response = client.get(STUDY, headers={"accept": "dicom"})
    assert response.status_code == 400
    assert "is not a media type" in response.json()["detail"]


def test_a_missing_object_is_noticed_before_the_response_begins(client, archive):
    archive.store(dicom(7))
    (record,) = archive.instances(uid(7))
    frame = f"studies/{uid(7)}/series/{uid(7, 1)}/instances/{uid(7, 1, 1)}/frames/1"
    archive.objects.path(record.object_sha256).write_bytes(b"short")
    assert client.get(frame).status_code == 500
    archive.objects.path(record.object_sha256).unlink()
    assert client.get(frame).status_code == 500
    response = client.get(f"studies/{uid(7)}")
    assert response.status_code == 500
    assert "is missing" in response.json()["detail"]
    archive.delete(uid(7))


def test_real_studies_come_back(client, archive, real_data):
    """PET, CT and MR of one patient (TCIA Soft-tissue-Sarcoma through oncoray/mirp): every byte, and every pixel."""
    files = sorted(real_data("dicom/petct_mr_sts001").rglob("*.dcm"))[::30]
    with archive.batch() as batch:
        stored = [batch.store(file) for file in files]
    for file, result in zip(files, stored, strict=True):
        path = f"studies/{result.study_instance_uid}/series/{result.series_instance_uid}"
        path = f"{path}/instances/{result.sop_instance_uid}"
        accept = {"accept": "application/dicom; transfer-syntax=*"}
        assert client.get(path, headers=accept).content == file.read_bytes()
        truth = pydicom.dcmread(file)
        if "PixelData" in truth:
            frame = client.get(f"{path}/frames/1", headers={"accept": "application/octet-stream"}).content
            np.testing.assert_array_equal(np.frombuffer(frame, truth.pixel_array.dtype), truth.pixel_array.ravel())
            explicit = client.get(path, headers={"accept": "application/dicom"}).content
            again = pydicom.dcmread(io.BytesIO(explicit))
            np.testing.assert_array_equal(again.pixel_array, truth.pixel_array)
    archive.delete(stored[0].study_instance_uid)
