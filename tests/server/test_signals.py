"""Scanners' raw files through the upload page: pairs of files are one signal; real files become one series each."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.modalities.nuclear import test_interfile, test_petlink

from pellucid.modality import reconstruct
from pellucid.server import Settings


@pytest.fixture(autouse=True)
def one_modality():
    """Not one: every modality's readers look at these files."""


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "data", upload_bytes=20_000_000)


@pytest.fixture
def ended(client):
    """Call with the response that started a job; the job as its last event says, however long it takes."""

    def wait(response):
        assert response.status_code == 202, response.text
        events = client.get(f"/api/jobs/{response.json()['job']['id']}/events").text
        lines = [line for line in events.splitlines() if line.startswith("data:")]
        return json.loads(lines[-1].removeprefix("data:"))

    return wait


@pytest.fixture
def pictured(client, platform):
    """Call with an upload's job that made one signal and one series; the series' instances."""

    def look(job):
        assert job["state"] == "done", job
        assert [len(identifiers) for identifiers in job["result"].values()] == [1, 1, 1], job["result"]
        assert [item["id"] for item in client.get("/api/acquisitions").json()["acquisitions"]] == [
            *job["result"]["acquisition_ids"]
        ]
        (series,) = job["result"]["series_instance_uids"]
        assert len(client.get("/dicom-web/series").json()) == 1
        (study,) = job["result"]["study_instance_uids"]
        return client.get(f"/dicom-web/studies/{study}/series/{series}/instances").json()

    return look


def bart_pair(seed=0):
    samples = np.random.default_rng(seed).standard_normal((1, 16, 12, 2)).astype(np.float32).view(np.complex64)
    return samples.tobytes(), b"# Dimensions\n16 12 1 1\n"


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("folder", ["", "case 7/"])
def test_a_bart_pair_is_one_signal(upload, pictured, order, folder):
    data, header = bart_pair()
    job = upload(*[(f"{folder}k.cfl", data), (f"{folder}k.hdr", header), (f"{folder}k-2.txt", b"notes")][::order])
    assert len(pictured(job)) == 1
    assert job["message"] == "Stored; no images or signals by themselves: k-2.txt"


def test_several_bart_pairs_are_several_signals(upload):
    """Also where one name begins like the other, and where the same name comes from two folders."""
    files = []
    for seed, name in enumerate(("k", "k-2", "k_2", "again/k")):
        data, header = bart_pair(seed)
        files += [(f"{name}.cfl", data), (f"{name}.hdr", header)]
    job = upload(*files)
    assert job["state"] == "done", job
    assert len(job["result"]["acquisition_ids"]) == 4


def test_half_a_pair_is_named(upload, is_empty):
    data, header = bart_pair()
    for name, content, other in (("k.cfl", data, "k.hdr"), ("k.hdr", header, "k.cfl")):
        job = upload((name, content))
        assert job["state"] == "failed"
        assert job["error"].startswith(f"{name}: is one half of a BART array; the other, {other} "), job["error"]
        is_empty()


def test_pet_headers_with_their_data_are_one_signal_each(upload, tmp_path, monkeypatch):
    """Interfile and PETLINK; the image is a small one, as the second scanner is large."""
    sinogram = test_interfile.read(test_interfile.write(tmp_path))
    test_petlink.write(tmp_path, [0x80000000, test_petlink.event(173, 7, 5), 0x80000009])
    small = reconstruct(sinogram, "mlem", parameters={"iterations": 1})
    monkeypatch.setattr("pellucid.server.uploads.reconstruct", lambda raw, *, progress: replace(small, study=raw.study))
    files = sorted(path for path in tmp_path.iterdir() if path.is_file())
    assert len(files) == 4
    job = upload(*[(file.name, file.read_bytes()) for file in files])
    assert job["state"] == "done", job
    assert len(job["result"]["acquisition_ids"]) == len(job["result"]["series_instance_uids"]) == 2


@pytest.mark.parametrize(
    "names",
    [
        ("mr/raw/siemens_twix/gre.dat",),
        ("mr/raw/bart_pics_brain/ksp.cfl", "mr/raw/bart_pics_brain/ksp.hdr"),
        ("xray/tooth_tomopy/tooth.h5",),
    ],
)
def test_real_files_become_one_series(client, upload, pictured, real_data, names):
    files = [real_data(name) for name in names]
    job = upload(*[(file.name, file.read_bytes()) for file in files])
    instances = pictured(job)
    study, series, instance = (instances[0][tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018"))
    shown = client.get(
        f"/dicom-web/studies/{study}/series/{series}/instances/{instance}/rendered", headers={"accept": "image/png"}
    )
    assert np.asarray(Image.open(io.BytesIO(shown.content)), float).std() > 10, "the picture has contrast"
