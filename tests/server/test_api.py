"""The JSON interface, as the viewer uses it."""

import io
import json
import time

import h5py
import numpy as np
import pytest
from PIL import Image
from tests.archive.samples import dicom, uid


@pytest.fixture
def uploaded(upload, raw_bytes):
    return upload(("scan.pellucid.h5", raw_bytes))["result"]


def test_info(client):
    info = client.get("/api/info").json()
    assert info["name"] == "Pellucid"
    assert info["modalities"] == [{"key": "mr", "title": "Magnetic resonance"}]


def test_health(client):
    assert client.get("/health").status_code == 200


def test_the_interface_describes_itself_without_other_sites(client):
    page = client.get("/api/docs")
    assert page.status_code == 200
    assert "/api/uploads" in page.text
    assert "multipart/form-data" in page.text
    assert "http://" not in page.text.replace("http://localhost", "")
    assert "https://" not in page.text
    assert "/api/jobs/{job_id}" in client.get("/api/openapi.json").json()["paths"]


def test_jobs(client, upload):
    assert client.get("/api/jobs").json() == {"jobs": []}
    job = upload(("a.dcm", dicom()))
    assert set(job) == {"id", "kind", "title", "state", "fraction", "message", "error", "created", "result"}
    assert client.get("/api/jobs").json() == {"jobs": [job]}
    assert client.delete(f"/api/jobs/{job['id']}").status_code == 202


@pytest.mark.parametrize(
    "path",
    [
        "/api/jobs/{0}",
        "/api/jobs/{0}/events",
        "/api/acquisitions/{0}",
        "/api/acquisitions/{0}/raw",
        "/api/acquisitions/{0}/signal/0",
        "/api/series/1.2.3/acquisition",
    ],
)
def test_unknown_ones_are_404(client, path):
    response = client.get(path.format("0" * 32))
    assert response.status_code == 404
    assert response.json()["detail"]


@pytest.mark.parametrize(
    "path", ["/api/jobs/x", "/api/acquisitions/..%2f..", "/api/acquisitions/ABC", "/api/series/1.2;/acquisition"]
)
def test_malformed_identifiers_are_4xx(client, path):
    assert 400 <= client.get(path).status_code < 500


def test_events_until_the_job_ends(client, platform):
    def work(progress):
        for step in range(3):
            progress(step / 3, f"Step {step}")
            time.sleep(0.15)
        return {"study_instance_uids": [], "series_instance_uids": [], "acquisition_ids": []}

    job = platform.jobs.submit("demo", "Steps", work)
    response = client.get(f"/api/jobs/{job.id}/events")
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line.removeprefix("data: ")) for line in response.text.split("\n\n") if line]
    assert events[-1]["state"] == "done"
    assert len(events) >= 3
    assert [event["fraction"] for event in events] == sorted(event["fraction"] for event in events)


def test_acquisitions(client, uploaded):
    (listed,) = client.get("/api/acquisitions").json()["acquisitions"]
    assert listed["id"] == uploaded["acquisition_ids"][0]
    assert (listed["modality"], listed["description"], listed["patient_name"]) == ("mr", "T1 head", "Doe^Jane")
    assert listed["study_instance_uid"] == uploaded["study_instance_uids"][0]
    assert listed["series_instance_uids"] == uploaded["series_instance_uids"]
    detailed = client.get(f"/api/acquisitions/{listed['id']}").json()
    assert detailed.items() >= listed.items()
    assert detailed["default_method"] == "fft"
    assert "fft" in [method["name"] for method in detailed["methods"]]
    for method in detailed["methods"]:
        assert set(method) == {"name", "title", "source", "parameters"}
        for parameter in method["parameters"]:
            assert {"name", "kind", "default", "unit", "description"} <= set(parameter)
    assert all(isinstance(value, str) for value in detailed["summary"].values())


def test_signal_views(client, platform, uploaded, monkeypatch):
    detailed = client.get(f"/api/acquisitions/{uploaded['acquisition_ids'][0]}").json()
    assert detailed["signal_views"]
    for view in detailed["signal_views"]:
        response = client.get(view["url"])
        assert response.headers["content-type"] == "image/png"
        assert np.asarray(Image.open(io.BytesIO(response.content))).std() > 0
    monkeypatch.setattr(platform.archive, "acquisition_file", None)  # asked again, the signal is not read again
    assert client.get(detailed["signal_views"][0]["url"]).status_code == 200
    beyond = f"/api/acquisitions/{uploaded['acquisition_ids'][0]}/signal/99"
    assert client.get(beyond).status_code == 404


def test_the_signal_can_be_taken_out_again(client, uploaded, raw, tmp_path):
    from pellucid import container

    response = client.get(f"/api/acquisitions/{uploaded['acquisition_ids'][0]}/raw")
    assert response.headers["content-type"] == "application/x-hdf5"
    (tmp_path / "again.pellucid.h5").write_bytes(response.content)
    with h5py.File(tmp_path / "again.pellucid.h5") as file:
        assert file.attrs["format"] == "pellucid-acquisition"
    np.testing.assert_array_equal(container.read(tmp_path / "again.pellucid.h5").samples, raw.samples)


def test_reconstructing_again_makes_a_series_in_the_same_study(client, ended, uploaded):
    (acquisition_id,) = uploaded["acquisition_ids"]
    methods = client.get(f"/api/acquisitions/{acquisition_id}").json()["methods"]
    (fft,) = [method for method in methods if method["name"] == "fft"]
    parameters = {p["name"]: p["default"] for p in fft["parameters"] if p["default"] is not None}
    response = client.post(
        f"/api/acquisitions/{acquisition_id}/reconstructions", json={"method": "fft", "parameters": parameters}
    )
    job = ended(response)
    assert job["state"] == "done", job
    assert job["kind"] == "reconstruction"
    assert job["title"].startswith("T1 head: ")
    assert job["result"]["study_instance_uids"] == uploaded["study_instance_uids"]
    (series,) = job["result"]["series_instance_uids"]
    assert series not in uploaded["series_instance_uids"]
    source = client.get(f"/api/series/{series}/acquisition").json()
    assert (source["acquisition_id"], source["method"]) == (acquisition_id, "fft")
    # What "automatic" became is recorded.
    chosen = {name: value for name, value in parameters.items() if value != "automatic"}
    assert source["parameters"].items() >= chosen.items()
    assert source["parameters"]["normalise"] in ("prescan", "off")
    (study,) = uploaded["study_instance_uids"]
    listed = client.get(f"/dicom-web/studies/{study}/series").json()
    assert [item["00200011"]["Value"] for item in listed] == [[1], [2]]
    assert "fft" in listed[1]["0008103E"]["Value"][0]
    assert client.get("/api/acquisitions").json()["acquisitions"][0]["series_instance_uids"] == [
        *uploaded["series_instance_uids"],
        series,
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"method": "nonsense"}, "unknown mr method 'nonsense'"),
        ({"method": "fft", "parameters": {"nonsense": 1}}, "nonsense"),
        (
            {"method": "fft", "parameters": {"partial_fourier": "zero_fill"}},
            "partial_fourier: is zero_fill, but the lines",
        ),
        ({}, "method: "),
        ({"method": "fft", "parameters": []}, "parameters: "),
        ({"method": "fft", "extra": 1}, "extra: "),
    ],
)
def test_bad_reconstruction_requests_are_422_in_one_line(client, uploaded, body, words):
    response = client.post(f"/api/acquisitions/{uploaded['acquisition_ids'][0]}/reconstructions", json=body)
    assert response.status_code == 422
    detail = response.json()["detail"]
    assert words in detail
    assert "\n" not in detail
    assert len(client.get("/api/jobs").json()["jobs"]) == 1


def test_no_json(client, uploaded):
    path = f"/api/acquisitions/{uploaded['acquisition_ids'][0]}/reconstructions"
    response = client.post(path, content=b"{", headers={"content-type": "application/json"})
    assert response.status_code == 422
    assert isinstance(response.json()["detail"], str)


def test_methods_that_are_refused_say_why(client, uploaded):
    path = f"/api/acquisitions/{uploaded['acquisition_ids'][0]}"
    names = {method["name"] for method in client.get(path).json()["methods"]}
    assert "nufft" not in names
    response = client.post(f"{path}/reconstructions", json={"method": "nufft"})
    assert response.status_code == 422
    assert response.json()["detail"].startswith("nufft: cannot be used on this acquisition")


def test_the_dicom_service_is_beside_it(client):
    client.post("/dicom-web/studies", content=dicom(), headers={"content-type": "application/dicom"})
    (study,) = client.get("/dicom-web/studies").json()
    assert study["00081190"]["Value"] == [f"http://localhost/dicom-web/studies/{uid(1)}"]
