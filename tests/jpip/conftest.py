"""A server over an empty archive, a place to store frames, and clients of it."""

import shutil

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.archive.samples import dataset, file_bytes, uid

from pellucid.archive import Archive
from pellucid.jpip import Client, routes

ROOT = "http://localhost/jpip"
TARGET = f"instances/{uid(1, 1, 1)}"


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """The folder of an archive that was opened once: copying it is quicker than making the database again."""
    folder = tmp_path_factory.mktemp("empty")
    Archive(folder).close()
    return folder


@pytest.fixture
def archive(tmp_path, empty):
    with Archive(shutil.copytree(empty, tmp_path / "archive")) as opened:
        yield opened


@pytest.fixture
def http(archive):
    """An HTTP client of the service."""
    with TestClient(Starlette(routes=routes(archive)), base_url="http://localhost") as client:
        yield client


@pytest.fixture
def stored(archive):
    """Call with frames to store them as one instance; `syntax` and `encode` where they are to be encapsulated."""

    def store(array, syntax=ExplicitVRLittleEndian, encode=None, frames=None):
        made = dataset(pixels=array)
        if encode is not None or frames is not None:
            array = array if made.get("NumberOfFrames") else array[None]
            coded = frames or [encode(np.ascontiguousarray(frame)) for frame in array]
            made.PixelData = encapsulate(coded, has_bot=False)
            made["PixelData"].VR = "OB"
        archive.store(file_bytes(made, syntax))
        return TARGET

    return store


@pytest.fixture
def connect(http):
    """Call with a target for a client of the package; its requests go through the service in this process."""
    clients = []

    def make(target=TARGET, coding="", **options):
        client = Client(f"{ROOT}{coding and '/' + coding}?target={target}", http=http, **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()
