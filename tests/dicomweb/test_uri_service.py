"""WADO-URI (PS3.18 chapter 9), deletion, and the description of the service."""

import io
from xml.etree import ElementTree as ET

import numpy as np
import pydicom
import pytest
from PIL import Image
from tests.archive.samples import dicom, uid

CELLS = np.random.default_rng(0).integers(0, 2000, (40, 60)).astype(np.uint16)
FRAMES = np.random.default_rng(1).integers(0, 250, (3, 20, 20)).astype(np.uint8)
WADL = "{http://wadl.dev.java.net/2009/02}"


@pytest.fixture(autouse=True)
def content(archive):
    archive.store(dicom(1, 1, 1, pixels=CELLS, RescaleIntercept=0))
    archive.store(dicom(1, 1, 2, pixels=FRAMES, RescaleIntercept=0))
    yield
    archive.delete(uid(1))


def wado(client, instance=1, **parameters):
    identified = {"requestType": "WADO", "studyUID": uid(1), "seriesUID": uid(1, 1), "objectUID": uid(1, 1, instance)}
    return client.get("wado", params={**identified, **parameters})


def picture(response):
    assert response.status_code == 200, response.text
    return np.asarray(Image.open(io.BytesIO(response.content)), int)


def test_a_single_frame_is_jpeg_unless_asked_otherwise(client):
    response = wado(client)
    assert response.headers["content-type"] == "image/jpeg"
    assert picture(response).shape == (40, 60)
    assert wado(client, contentType="image/png,image/jpeg").headers["content-type"] == "image/png"


def test_many_frames_are_dicom_unless_asked_otherwise(client):
    assert wado(client, 2).headers["content-type"].startswith("application/dicom")
    assert wado(client, 2, contentType="video/*").headers["content-type"] == "video/mp4"
    window = {"windowCenter": 125.5, "windowWidth": 252, "contentType": "image/png"}
    for number in (1, 3):
        shown = picture(wado(client, 2, frameNumber=number, **window))
        assert np.abs(shown - FRAMES[number - 1]).max() <= 5


def test_dicom(client):
    for syntax in ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.90"):
        got = pydicom.dcmread(io.BytesIO(wado(client, contentType="application/dicom", transferSyntax=syntax).content))
        assert got.file_meta.TransferSyntaxUID == syntax
        np.testing.assert_array_equal(got.pixel_array, CELLS)


def test_window_size_and_region(client):
    shown = picture(wado(client, windowCenter=1000, windowWidth=1, contentType="image/png"))
    np.testing.assert_array_equal(shown > 0, CELLS > 999)
    assert picture(wado(client, rows=20)).shape == (20, 30)
    assert picture(wado(client, columns=30, rows=500)).shape == (20, 30)
    part = picture(wado(client, region="0.5,0.25,1,1", contentType="image/png", windowCenter=1000, windowWidth=2000))
    whole = picture(wado(client, contentType="image/png", windowCenter=1000, windowWidth=2000))
    np.testing.assert_array_equal(part, whole[10:, 30:])


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"requestType": "OTHER"}, 400),
        ({"studyUID": ""}, 400),
        ({"objectUID": "../x"}, 400),
        ({"objectUID": "1.2.3"}, 404),
        ({"contentType": "text/html"}, 406),
        ({"contentType": "nonsense"}, 400),
        ({"anonymize": "yes"}, 406),
        ({"presentationUID": "1.2"}, 406),
        ({"charset": "latin1"}, 406),
        ({"transferSyntax": "1.2.840.10008.1.2.1"}, 400),
        ({"contentType": "application/dicom", "transferSyntax": "1.2.840.10008.1.2.4.102"}, 406),
        ({"contentType": "application/dicom", "rows": "5"}, 400),
        ({"windowCenter": "5"}, 400),
        ({"region": "0,0,2,1"}, 400),
        ({"region": "a"}, 400),
        ({"rows": "0"}, 400),
        ({"imageQuality": "101"}, 400),
        ({"frameNumber": "0"}, 400),
        ({"frameNumber": "2"}, 404),
        ({"annotation": "all"}, 400),
    ],
)
def test_what_cannot_be(client, parameters, status):
    assert wado(client, **parameters).status_code == status


def test_deletion(client, archive):
    series = f"studies/{uid(1)}/series/{uid(1, 1)}"
    assert client.delete(f"{series}/instances/{uid(1, 1, 2)}").status_code == 204
    assert client.get(f"{series}/instances/{uid(1, 1, 2)}").status_code == 404
    assert client.delete(f"{series}/instances/{uid(1, 1, 2)}").status_code == 404
    assert len(client.get("instances").json()) == 1
    assert client.delete(f"studies/{uid(1)}").status_code == 204
    assert client.get("studies").status_code == 204
    assert list(archive.objects.names()) == []


def test_the_service_describes_itself(client):
    response = client.options("")
    assert response.headers["content-type"] == "application/vnd.sun.wadl+xml"
    root = ET.fromstring(response.content)
    (resources,) = root
    assert resources.get("base") == "http://localhost/dicom-web"
    paths = {resource.get("path"): resource for resource in resources}
    methods = {method.get("name") for method in paths["studies/{study}"].findall(f"{WADL}method")}
    assert methods == {"GET", "POST", "DELETE"}
    openapi = client.get("", headers={"accept": "application/json"}).json()
    assert set(openapi["paths"]["/studies/{study}"]) == {"get", "post", "delete"}
    assert {path.lstrip("/") for path in openapi["paths"]} == set(paths)
    assert client.get("", headers={"accept": "image/png"}).status_code == 406
