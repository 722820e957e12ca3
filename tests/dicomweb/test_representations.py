"""One thing in many forms: XML, zip, ranges, entity tags, films and documents."""

import io
import zipfile
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree as ET

import av
import numpy as np
import pydicom
import pytest
from PIL import Image
from tests.archive.samples import dataset, dicom, file_bytes, uid

from pellucid.dicomweb.dicom_xml import from_xml, to_xml

STUDY = f"studies/{uid(1)}"
SERIES = f"{STUDY}/series/{uid(1, 1)}"
INSTANCE = f"{SERIES}/instances/{uid(1, 1, 1)}"
FILM = f"studies/{uid(1)}/series/{uid(1, 2)}/instances/{uid(1, 2, 1)}"
NATIVE = "{http://dicom.nema.org/PS3.19/models/NativeDICOM}"
RANDOM = np.random.default_rng(0)
ONE = dicom(pixels=RANDOM.integers(0, 4000, (40, 50)).astype(np.uint16), PatientComments="a" * 2000)


def moving_square():
    frames = np.zeros((12, 32, 48), np.uint8)
    for number, frame in enumerate(frames):
        frame[8:24, 2 * number : 2 * number + 12] = 250
    return dicom(1, 2, 1, pixels=frames, FrameTime=50, WindowCenter=128, WindowWidth=256, RescaleIntercept=0)


@pytest.fixture(scope="module", autouse=True)
def content(archive):
    archive.store(ONE)
    archive.store(moving_square())
    archive.store(report())
    archive.store(letter())


def report():
    made = dataset(1, 3, 1)
    del made.PixelData
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.11"
    made.Modality = "SR"
    item = pydicom.Dataset()
    item.ValueType, item.TextValue = "TEXT", "No <nodule>"
    name = pydicom.Dataset()
    name.CodeValue, name.CodingSchemeDesignator, name.CodeMeaning = "121070", "DCM", "Finding"
    item.ConceptNameCodeSequence = [name]
    made.ContentSequence = [item]
    return file_bytes(made)


def letter():
    made = dataset(1, 4, 1)
    del made.PixelData
    made.SOPClassUID = "1.2.840.10008.5.1.4.1.1.104.1"
    made.EncapsulatedDocument, made.EncapsulatedDocumentLength = b"%PDF-1.4 x\0", 10
    return file_bytes(made)


def test_metadata_as_xml(client, parts_of):
    response = client.get(f"{SERIES}/metadata", headers={"accept": 'multipart/related; type="application/dicom+xml"'})
    ((part, body),) = parts_of(response)
    assert part.get_content_type() == "application/dicom+xml"
    root = ET.fromstring(body)
    assert root.tag == f"{NATIVE}NativeDicomModel"
    (name,) = root.findall(f"{NATIVE}DicomAttribute[@keyword='PatientName']")
    assert [element.text for element in name.iter() if element.text] == ["Doe", "Jane"]
    (pixels,) = root.findall(f"{NATIVE}DicomAttribute[@tag='7FE00010']/{NATIVE}BulkData")
    assert pixels.get("uri") == f"http://localhost/dicom-web/{INSTANCE}/bulkdata/7FE00010"


def test_xml_and_json_say_the_same(client):
    (found,) = client.get(f"studies/{uid(1)}/series/{uid(1, 3)}/metadata").json()
    assert found["0040A730"]["Value"][0]["0040A160"]["Value"] == ["No <nodule>"]
    assert from_xml(to_xml(found)) == found


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<x/>",
        b"<NativeDicomModel><DicomAttribute tag='1' vr='UI'/></NativeDicomModel>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]><NativeDicomModel/>",
        b"<NativeDicomModel>" + b"<DicomAttribute tag='00081140' vr='SQ'><Item number='1'>" * 100,
    ],
)
def test_xml_that_is_not_of_the_model_is_refused(document):
    from pellucid.dicomweb.problems import RequestError

    with pytest.raises(RequestError, match="the XML"):
        from_xml(document)


def test_searches_as_xml(client, parts_of):
    response = client.get(f"{STUDY}/series", headers={"accept": "multipart/related; type=application/dicom+xml"})
    assert len(parts_of(response)) == 4
    assert client.get("studies", headers={"accept": "text/plain"}).status_code == 406


def test_a_study_as_zip(client):
    response = client.get(STUDY, headers={"accept": "application/zip"})
    assert response.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["000001.dcm", "000002.dcm", "000003.dcm", "000004.dcm"]
        assert archive.read("000001.dcm") == ONE


RANGES = [
    ("bytes=0-9", slice(0, 10)),
    ("bytes=100-", slice(100, None)),
    ("bytes=-7", slice(-7, None)),
    ("bytes=5-99999999", slice(5, None)),
]


@pytest.mark.parametrize(("asked", "expected"), RANGES)
def test_ranges(client, asked, expected):
    headers = {"accept": "application/dicom; transfer-syntax=*", "range": asked}
    response = client.get(INSTANCE, headers=headers)
    assert response.status_code == 206
    assert response.content == ONE[expected]
    first, last, _ = expected.indices(len(ONE))
    assert response.headers["content-range"] == f"bytes {first}-{last - 1}/{len(ONE)}"
    for path in (f"{INSTANCE}/bulkdata/7FE00010", f"{INSTANCE}/frames/1"):
        accept = {"accept": "application/octet-stream"}
        whole = client.get(path, headers=accept)
        part = client.get(path, headers={**accept, "range": asked})
        assert (part.status_code, part.content) == (206, whole.content[expected])


@pytest.mark.parametrize("asked", ["bytes=9-1", "bytes=0-1,5-6", "lines=1-2", "bytes=-"])
def test_ranges_that_are_not_understood_give_the_whole(client, asked):
    response = client.get(INSTANCE, headers={"accept": "application/dicom", "range": asked})
    assert (response.status_code, response.content) == (200, ONE)


@pytest.mark.parametrize("asked", ["bytes=999999-", "bytes=-0"])
def test_a_range_beyond_the_end(client, asked):
    response = client.get(INSTANCE, headers={"accept": "application/dicom", "range": asked})
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{len(ONE)}"


@pytest.mark.parametrize(
    "path", [INSTANCE, f"{INSTANCE}/frames/1", f"{INSTANCE}/bulkdata/7FE00010", f"{INSTANCE}/rendered"]
)
def test_what_the_client_has_is_not_sent_again(client, path):
    accept = {"accept": "application/dicom, application/octet-stream, image/jpeg"}
    first = client.get(path, headers=accept)
    tag, modified = first.headers["etag"], first.headers["last-modified"]
    assert parsedate_to_datetime(modified).year >= 2026
    again = client.get(path, headers={**accept, "if-none-match": f'"x", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert client.get(path, headers={**accept, "if-modified-since": modified}).status_code == 304
    assert (
        client.get(path, headers={**accept, "if-none-match": '"x"', "if-modified-since": modified}).status_code == 200
    )
    changed = {"range": "bytes=0-1", "if-range": '"x"'}
    assert client.get(path, headers={**accept, **changed}).status_code == 200
    assert client.get(path, headers={**accept, **changed, "if-range": tag}).status_code == 206
    head = client.head(path, headers=accept)
    assert head.headers["content-length"] == str(len(first.content))
    assert head.headers["etag"] == tag


def test_metadata_have_a_tag(client):
    tag = client.get(f"{STUDY}/metadata").headers["etag"]
    assert client.get(f"{STUDY}/metadata", headers={"if-none-match": tag}).status_code == 304


def test_all_bulk_data_and_pixel_data(client, parts_of):
    bulk = parts_of(client.get(f"{STUDY}/bulkdata"))
    assert {part["content-location"].rpartition("/")[2] for part, _ in bulk} == {"7FE00010"}
    frames = parts_of(client.get(f"{STUDY}/pixeldata"))
    assert len(frames) == 13
    assert frames[0][0]["content-location"] == f"http://localhost/dicom-web/{INSTANCE}/frames/1"
    assert frames[0][1] == bulk[0][1]
    assert b"".join(body for _, body in frames[1:]) == bulk[1][1]
    assert client.get(f"{STUDY}/series/{uid(1, 3)}/pixeldata").status_code == 404
    assert client.get(f"{STUDY}/pixeldata", headers={"accept": "image/jp2"}).status_code == 406


def test_pictures_of_a_study(client, parts_of):
    pictures = parts_of(client.get(f"{STUDY}/rendered"))
    assert [part.get_content_type() for part, _ in pictures] == ["image/jpeg"] * 2
    assert Image.open(io.BytesIO(pictures[0][1])).size == (50, 40)
    assert client.get(f"{STUDY}/rendered", headers={"accept": "image/jpeg"}).status_code == 406
    frames = parts_of(
        client.get(f"{FILM}/frames/1,5/rendered", headers={"accept": "multipart/related; type=image/png"})
    )
    assert [np.asarray(Image.open(io.BytesIO(body)))[10].argmax() for _, body in frames] == [0, 8]


def centre_of(picture):
    grey = np.asarray(picture.convert("L"), float)
    return (grey * np.arange(grey.shape[1])).sum() / grey.sum()


def test_a_film_as_mp4(client):
    response = client.get(f"{FILM}/rendered", headers={"accept": "video/mp4"})
    assert response.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(response.content)) as container:
        frames = [frame.to_image() for frame in container.decode(video=0)]
        assert container.streams.video[0].average_rate == 20
    assert [frame.size for frame in frames] == [(48, 32)] * 12
    for number, frame in enumerate(frames):
        assert centre_of(frame) == pytest.approx(2 * number + 5.5, abs=0.7)


def test_a_film_as_gif(client):
    with Image.open(io.BytesIO(client.get(f"{FILM}/rendered", headers={"accept": "image/gif"}).content)) as animation:
        assert animation.n_frames == 12
        assert animation.info["duration"] == 50
        animation.seek(11)
        assert centre_of(animation) == pytest.approx(27.5, abs=0.7)


def test_jpeg_2000(client):
    response = client.get(f"{INSTANCE}/rendered", headers={"accept": "image/jp2"}, params={"quality": "100"})
    png = client.get(f"{INSTANCE}/rendered", headers={"accept": "image/png"})
    assert response.content[4:8] == b"jP  "
    with Image.open(io.BytesIO(response.content)) as one, Image.open(io.BytesIO(png.content)) as other:
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))


def test_documents(client):
    html = client.get(f"{STUDY}/series/{uid(1, 3)}/instances/{uid(1, 3, 1)}/rendered")
    assert html.headers["content-type"].startswith("text/html")
    assert "<dt>Finding</dt><dd>No &lt;nodule&gt;</dd>" in html.text
    pdf = client.get(
        f"{STUDY}/series/{uid(1, 4)}/instances/{uid(1, 4, 1)}/rendered", headers={"accept": "application/pdf"}
    )
    assert (pdf.headers["content-type"], pdf.content) == ("application/pdf", b"%PDF-1.4 x")


def test_texts_in_the_picture(client):
    plain, written = (
        np.asarray(Image.open(io.BytesIO(client.get(f"{INSTANCE}/rendered", params=p).content)).convert("RGB"), int)
        for p in ({"viewport": "400,320"}, {"viewport": "400,320", "annotation": "patient"})
    )
    changed = np.abs(plain - written).max(axis=2) > 60
    assert changed[:160, :200].any()
    assert not changed[160:, 200:].any()


@pytest.mark.parametrize(
    "parameters", [{"annotation": "everything"}, {"iccprofile": "adobergb"}, {"viewport": "1,2,3,4,5,6,7"}]
)
def test_malformed_parameters(client, parameters):
    assert client.get(f"{INSTANCE}/rendered", params=parameters).status_code == 400


def test_viewport_without_all_its_numbers(client):
    whole = client.get(f"{INSTANCE}/rendered", params={"viewport": "50,40"}, headers={"accept": "image/png"})
    mirrored = client.get(
        f"{INSTANCE}/rendered", params={"viewport": "50,40,,,-50,40"}, headers={"accept": "image/png"}
    )
    one, other = (np.asarray(Image.open(io.BytesIO(r.content))) for r in (whole, mirrored))
    np.testing.assert_array_equal(one, other[:, ::-1])


def test_other_methods_and_addresses(client):
    response = client.put(INSTANCE)
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/problem+json"
    assert "GET" in response.headers["allow"]
    assert client.options(INSTANCE).headers["allow"] == response.headers["allow"]
    assert client.get("nothing/here").status_code == 404
    assert client.options("nothing/here").status_code == 404
