"""The whole server, over a socket: an instance stored, found, and looked at from outside."""

import threading
import time

import httpx
import numpy as np
import pytest
import uvicorn
from tests.archive.samples import dataset, file_bytes, uid
from tests.jpip.encoders import picture

from pellucid.jpip import Client, JpipError
from pellucid.server.app import create_app
from pellucid.server.settings import Settings

ARRAY = picture(600, 500)


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    app = create_app(Settings(data=tmp_path_factory.mktemp("server") / "data"))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    root = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    body = (
        b"--part\r\nContent-Type: application/dicom\r\n\r\n" + file_bytes(dataset(pixels=ARRAY)) + b"\r\n--part--\r\n"
    )
    form = {"content-type": "multipart/related; type=application/dicom; boundary=part"}
    assert httpx.post(f"{root}/dicom-web/studies", content=body, headers=form).status_code == 200
    yield f"{root}/jpip"
    server.should_exit = True
    thread.join(20)


@pytest.mark.parametrize("session", [False, True])
def test_regions_over_a_socket(address, session):
    with Client(f"{address}/htj2k?target=instances/{uid(1, 1, 1)}", session=session) as client:
        client.fetch((100, 200, 120, 90))
        np.testing.assert_array_equal(client.decode()[200:290, 100:220], ARRAY[200:290, 100:220])
        client.fetch()
        np.testing.assert_array_equal(client.decode(), ARRAY)


def test_errors_over_a_socket(address):
    nowhere = "http://127.0.0.1:9/?target=x"
    for url, message in ((f"{address}?target=instances/1.2", "404"), (nowhere, "cannot be reached")):
        with pytest.raises(JpipError, match=message), Client(url) as client:
            client.fetch()
    answer = httpx.get(address, params={"target": f"instances/{uid(1, 1, 1)}", "fsiz": "x"})
    assert (answer.status_code, answer.headers["x-content-type-options"]) == (400, "nosniff")
