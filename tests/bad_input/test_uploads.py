"""The same broken files given to the server: one line that names the file, and nothing is stored."""

import time
from inspect import signature

import pytest
from starlette.testclient import TestClient
from tests.bad_input.test_nifti_files import NIFTI
from tests.bad_input.test_raw_files import FILES
from tests.bad_input.test_signal_files import SIGNAL

from pellucid.archive import Query
from pellucid.server import Settings, create_app

CASES = {**FILES, **NIFTI, **SIGNAL}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    app = create_app(Settings(data=tmp_path_factory.mktemp("data")))
    with TestClient(app, base_url="http://localhost") as opened:
        yield opened


def uploaded(client, folder):
    """The ended job of an upload of all that is in a folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    names = [file.relative_to(folder).as_posix() for file in files]
    parts = [("files", (name, file.read_bytes())) for name, file in zip(names, files, strict=True)]
    answer = client.post("/api/uploads", files=parts)
    assert answer.status_code == 202, answer.text
    job = answer.json()["job"]
    while job["state"] in ("queued", "running"):
        time.sleep(0.01)
        job = client.get(f"/api/jobs/{job['id']}").json()
    return job


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_broken_file_is_refused_and_leaves_nothing(name, client, tmp_path, real_data):
    make, message = CASES[name]
    path = make(tmp_path, real_data) if "real_data" in signature(make).parameters else make(tmp_path)
    job = uploaded(client, tmp_path)
    assert job["state"] == "failed"
    assert job["error"].startswith(path.stem)
    assert message.rpartition(": ")[2] in job["error"]
    assert "\n" not in job["error"]
    assert str(tmp_path) not in job["error"]
    archive = client.app.state.platform.archive
    assert list(archive.objects.names()) == []
    assert archive.acquisitions() == []
    assert archive.find(Query("instance")) == []
    assert [left.name for left in archive.incoming.iterdir()] == ["lock"]
