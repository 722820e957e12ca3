"""A running application over an empty data folder, and a signal small enough to be reconstructed at once."""

import time

import numpy as np
import pytest
from starlette.testclient import TestClient
from tests.server.declared import declared_of

import pellucid.modality
from pellucid import container
from pellucid.image import axial_affine
from pellucid.modalities.mr import KSpace
from pellucid.server import Settings, create_app
from pellucid.study import StudyContext

SHAPE = (3, 16, 12)


@pytest.fixture(autouse=True)
def one_modality(monkeypatch):
    """A table of one modality: importing all of them takes seconds."""
    monkeypatch.setattr(pellucid.modality, "_TABLE", {"mr": "pellucid.modalities.mr"})


@pytest.fixture(scope="session")
def picture():
    """What the signal is the transform of: asymmetric along every axis."""
    slices, rows, columns = np.indices(SHAPE)
    return (100 + 10 * slices + 3 * rows + columns).astype(np.float32)


@pytest.fixture(scope="session")
def raw(picture):
    axes = (-2, -1)
    spectrum = np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(picture, axes), norm="ortho"), axes)
    return KSpace(
        samples=spectrum[:, None, None].astype(np.complex64),
        affine=axial_affine(SHAPE, (5.0, 2.0, 2.0)),
        image_shape=SHAPE,
        encoded_fov_mm=(5.0, 32.0, 24.0),
        sampled=np.ones((1, 16, 1), bool),
        description="T1 head",
        study=StudyContext(patient_id="P1", patient_name="Doe^Jane", study_date="20260301"),
    )


@pytest.fixture(scope="session")
def raw_bytes(raw, tmp_path_factory):
    path = tmp_path_factory.mktemp("raw") / "scan.pellucid.h5"
    container.write(raw, path)
    return path.read_bytes()


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "data", upload_bytes=2_000_000, upload_files=30)


@pytest.fixture
def client(settings):
    """A client that holds every answer to what the OpenAPI description declares."""
    app = create_app(settings)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as opened:
        opened.event_hooks["response"].append(declared_of(app).check)
        yield opened


@pytest.fixture
def platform(client):
    return client.app.state.platform


@pytest.fixture
def ended(client):
    """Call with the response that started a job; the job when it has ended."""

    def wait(response):
        assert response.status_code == 202, response.text
        job = response.json()["job"]
        for _ in range(600):
            job = client.get(f"/api/jobs/{job['id']}").json()
            if job["state"] not in ("queued", "running"):
                return job
            time.sleep(0.02)
        raise AssertionError(job)

    return wait


@pytest.fixture
def upload(client, ended):
    """Call with names and contents of files; the upload's job when it has ended."""

    def send(*files):
        return ended(client.post("/api/uploads", files=[("files", file) for file in files]))

    return send


@pytest.fixture
def is_empty(platform):
    """Call to assert that nothing is stored and nothing lies about."""

    def check():
        assert list(platform.archive.objects.names()) == []
        assert platform.archive.acquisitions() == []
        assert [p.name for p in platform.archive.incoming.iterdir()] == ["lock"]

    return check
