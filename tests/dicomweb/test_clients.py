"""Other people's clients against the service, over a real connection."""

import json
import socket
import threading
import time

import httpx
import numpy as np
import pydicom
import pytest
import uvicorn
from dicomweb_client import DICOMwebClient
from requests.exceptions import HTTPError
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.archive.samples import dataset, dicom, file_bytes, uid
from websockets.sync.client import connect

from pellucid import dicomweb

CELLS = np.random.default_rng(0).integers(0, 4000, (3, 24, 20)).astype(np.uint16)


@pytest.fixture(scope="module")
def address(archive):
    app = Starlette(routes=[Mount("/dicom-web", routes=dicomweb.routes(archive))])
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False, ws="websockets-sansio"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/dicom-web"
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def client(address):
    return DICOMwebClient(address)


def read(data):
    import io

    return pydicom.dcmread(io.BytesIO(data))


@pytest.fixture(scope="module", autouse=True)
def stored(client):
    answer = client.store_instances([read(dicom(1, 1, 1, pixels=CELLS)), read(dicom(1, 1, 2)), read(dicom(1, 2, 1))])
    assert len(answer.ReferencedSOPSequence) == 3


def test_dicomweb_client_searches(client):
    (study,) = client.search_for_studies(search_filters={"PatientID": "P1"}, fields=["PatientComments"])
    assert study["0020000D"]["Value"] == [uid(1)]
    assert len(client.search_for_series(uid(1))) == 2
    assert len(client.search_for_instances(uid(1), uid(1, 1), limit=1, get_remaining=True)) == 2
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []
    with pytest.raises(HTTPError, match="400"):
        client.search_for_studies(search_filters={"StudyDate": "today"})


def test_dicomweb_client_retrieves(client):
    assert len(client.retrieve_study(uid(1))) == 3
    instance = client.retrieve_instance(uid(1), uid(1, 1), uid(1, 1, 1))
    np.testing.assert_array_equal(instance.pixel_array, CELLS)
    frames = client.retrieve_instance_frames(uid(1), uid(1, 1), uid(1, 1, 1), [1, 3])
    assert frames == [CELLS[0].tobytes(), CELLS[2].tobytes()]
    coded = client.retrieve_instance_frames(
        uid(1), uid(1, 1), uid(1, 1, 1), [2], media_types=(("image/jls", "1.2.840.10008.1.2.4.80"),)
    )
    import imagecodecs

    np.testing.assert_array_equal(imagecodecs.jpegls_decode(coded[0]), CELLS[1])
    metadata = client.retrieve_series_metadata(uid(1), uid(1, 1))
    assert [item["00200013"]["Value"] for item in metadata] == [[1], [2]]
    (bulk,) = client.retrieve_bulkdata(metadata[1]["7FE00010"]["BulkDataURI"])
    assert bulk == read(dicom(1, 1, 2)).PixelData
    assert (
        client.retrieve_instance_rendered(uid(1), uid(1, 1), uid(1, 1, 2), media_types=("image/png",))[:4] == b"\x89PNG"
    )
    frame = client.retrieve_instance_frames_rendered(uid(1), uid(1, 1), uid(1, 1, 1), [2], media_types=("image/jpeg",))
    assert frame[:2] == b"\xff\xd8"


def test_dicomweb_client_deletes(client):
    client.store_instances([read(dicom(4, 1, 1))])
    client.delete_instance(uid(4), uid(4, 1), uid(4, 1, 1))
    assert client.search_for_studies(search_filters={"StudyInstanceUID": uid(4)}) == []


def test_large_instances_are_streamed(client, address, archive):
    """More than one piece of the response; the reader takes it slowly."""
    cells = np.zeros((70, 1024, 512), np.uint16)
    cells[:, 0, 0] = range(70)
    archive.store(file_bytes(dataset(5, 1, 1, pixels=cells)))
    url = f"{address}/studies/{uid(5)}/series/{uid(5, 1)}/instances/{uid(5, 1, 1)}"
    size = 0
    with httpx.stream("GET", url, headers={"accept": "application/dicom; transfer-syntax=*"}) as response:
        for piece in response.iter_raw(1 << 20):
            size += len(piece)
        assert size == int(response.headers["content-length"]) > 70 << 20
    ranged = httpx.get(url, headers={"accept": "application/dicom; transfer-syntax=*", "range": f"bytes={size - 9}-"})
    assert (ranged.status_code, len(ranged.content)) == (206, 9)
    archive.delete(uid(5))


def test_events_reach_a_websocket(address):
    with httpx.Client(base_url=address, headers={"content-type": "application/dicom+json"}) as http:
        texts = {
            "00741200": ("CS", "LOW"),
            "00741204": ("LO", "x"),
            "00404041": ("CS", "READY"),
            "00404005": ("DT", "20260101"),
        }
        item = {tag: {"vr": vr, "Value": [text]} for tag, (vr, text) in texts.items()}
        place = http.post("/workitems", json=[item]).headers["location"]
        channel = http.post(f"{place}/subscribers/WATCHER").headers["content-location"]
        with connect(channel) as watcher:
            assert json.loads(watcher.recv(timeout=5))["00741000"]["Value"] == ["SCHEDULED"]
            http.post(f"{place}/cancelrequest")
            assert json.loads(watcher.recv(timeout=5))["00741000"]["Value"] == ["CANCELED"]
