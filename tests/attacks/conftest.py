"""The whole server in this process, and a listening archive."""

import itertools
import shutil

import pytest
from starlette.testclient import TestClient
from tests.archive.samples import dicom, uid
from tests.attacks.jobs import upload
from tests.dimse.conftest import archive, associate, closed_sockets, listener, trail  # noqa: F401 (fixtures)

from pellucid.server import Settings, create_app

NUMBERS = itertools.count(100)


def opened(data):
    app = create_app(Settings(data=data, upload_bytes=4_000_000, upload_files=50))
    return TestClient(app, base_url="http://localhost", raise_server_exceptions=False)


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """The folder of an empty archive; every door has been used, so that what it loads is not taken for an attack's."""
    used, folder = tmp_path_factory.mktemp("used"), tmp_path_factory.mktemp("empty")
    with opened(used) as client:
        client.post("/dicom-web/studies", content=dicom(), headers={"content-type": "application/dicom"})
        at = f"/dicom-web/studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"
        for path in ("/rendered", "/frames/1", "/metadata"):
            client.get(at + path, headers={"accept": "*/*"})
        upload(client, "a.dcm", dicom(instance=2))
        upload(client, "a.bin", b"nothing that is known")
    with opened(folder):
        pass
    return folder


@pytest.fixture(scope="module")
def client(tmp_path_factory, empty):
    """One server for all tests of a module, each of which stores under a study of its own (`number`)."""
    with opened(shutil.copytree(empty, tmp_path_factory.mktemp("server") / "data")) as client:
        yield client


@pytest.fixture
def own_client(tmp_path, empty):
    """A server in a folder where nothing else may come to be."""
    with opened(shutil.copytree(empty, tmp_path / "data")) as client:
        yield client


@pytest.fixture
def number():
    """Of a study that no other test has."""
    return next(NUMBERS)


@pytest.fixture
def folder(tmp_path):
    """Where nothing but the archive's own folder may come to be."""
    yield tmp_path
    assert {path.name for path in tmp_path.iterdir()} <= {"data"}
