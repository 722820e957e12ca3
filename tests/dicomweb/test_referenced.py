"""Instances without pixels for clients that ask for JPIP, through the whole way: WADO-RS, the URL, JPIP."""

import io

import numpy as np
import pydicom
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tests.archive.samples import dataset, file_bytes, uid

from pellucid import dicomweb, jpip
from pellucid.archive import Archive

ARRAY = np.random.default_rng(1).integers(-1000, 3000, (2, 90, 110)).astype(np.int16)
PLACE = f"/dicom-web/studies/{uid(1)}/series/{uid(1, 1)}"
SYNTAXES = ["1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.204"]


@pytest.fixture(scope="module")
def http(tmp_path_factory):
    with Archive(tmp_path_factory.mktemp("referenced") / "archive") as archive:
        archive.store(file_bytes(dataset(pixels=ARRAY)))
        archive.store(file_bytes(dataset(instance=2, PixelData=None)))
        mounted = Mount("/dicom-web", routes=dicomweb.routes(archive))
        with TestClient(Starlette(routes=[mounted, *jpip.routes(archive)]), base_url="http://localhost:8470") as client:
            yield client


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_pixels_are_found_where_the_instance_says(http, syntax):
    answer = http.get(
        f"{PLACE}/instances/{uid(1, 1, 1)}", headers={"accept": f"application/dicom; transfer-syntax={syntax}"}
    )
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={syntax}"
    found = pydicom.dcmread(io.BytesIO(answer.content))
    assert found.file_meta.TransferSyntaxUID == syntax
    assert "PixelData" not in found
    assert found.PixelDataProviderURL.startswith("http://localhost:8470/jpip/")
    with jpip.Client(found.PixelDataProviderURL, http=http) as client:
        for frame in range(found.NumberOfFrames):
            client.fetch(stream=frame)
            np.testing.assert_array_equal(client.decode(stream=frame), ARRAY[frame])


def test_deflated(http):
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.205'
    answer = http.get(f"{PLACE}/instances/{uid(1, 1, 1)}", headers={"accept": accept})
    assert answer.status_code == 200
    assert b"transfer-syntax=1.2.840.10008.1.2.4.205" in answer.content
    assert len(answer.content) < 3000


def test_instances_without_pixels_cannot_name_them(http):
    accept = {"accept": f"application/dicom; transfer-syntax={SYNTAXES[0]}"}
    assert http.get(f"{PLACE}/instances/{uid(1, 1, 2)}", headers=accept).status_code == 406
