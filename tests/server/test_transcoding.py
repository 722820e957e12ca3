"""A server with a rule: what arrives by DICOMweb is transcoded after it was stored, and given as ever."""

import time

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.archive.samples import dicom, uid

from pellucid.errors import InvalidInputError
from pellucid.server import Settings, create_app

PIXELS = np.arange(35 * 40, dtype=np.uint16).reshape(35, 40)
FRAME = f"/dicom-web/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}/frames/1"


def stored_as(client):
    response = client.get(FRAME, headers={"accept": "application/octet-stream; transfer-syntax=*"})
    assert response.status_code == 200, response.text
    return response.headers["content-type"].rpartition("transfer-syntax=")[2]


def test_what_arrives_is_transcoded(tmp_path):
    rules = [{"to": "htj2k", "where": {"Modality": "CT"}}]
    app = create_app(Settings(data=tmp_path, transcode=rules))
    with TestClient(app, base_url="http://localhost") as client:
        kind = 'multipart/related; type="application/dicom"; boundary=b'
        body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + dicom(pixels=PIXELS) + b"\r\n--b--\r\n"
        assert client.post("/dicom-web/studies", content=body, headers={"content-type": kind}).status_code == 200
        until = time.monotonic() + 30
        while stored_as(client) != "1.2.840.10008.1.2.4.202":
            assert time.monotonic() < until
            time.sleep(0.1)
        plain = client.get(FRAME, headers={"accept": "application/octet-stream"}).content
        assert plain == PIXELS.tobytes()
        again = client.post("/dicom-web/studies", content=body, headers={"content-type": kind})
        assert again.status_code == 200


def test_a_rule_that_makes_no_sense_is_named(tmp_path):
    with pytest.raises(InvalidInputError, match="transcode"):
        Settings(data=tmp_path, transcode=[{"to": "htj3k"}])
