"""The server with its index in PostgreSQL and its objects in a bucket: every door, and what happens without either."""

import pytest
from starlette.testclient import TestClient
from tests.archive.buckets import Relay, environment
from tests.archive.samples import dicom, uid

from pellucid.archive import Policies
from pellucid.archive import bucket as bucket_module
from pellucid.server import Settings, create_app

DICOM = {"content-type": "application/dicom"}


@pytest.fixture
def relay(bucket_server, bucket, monkeypatch):
    monkeypatch.setattr(bucket_module, "_RETRY_SECONDS", 1)
    monkeypatch.setattr(bucket_module, "_MOST_RETRIES", 1)
    made = Relay(bucket_server.port)
    for name, value in environment(made.port).items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


def test_every_door_without_the_bucket(relay, bucket, new_database, tmp_path):
    settings = Settings(data=tmp_path, database=new_database(), objects=bucket)
    with TestClient(create_app(settings), base_url="http://localhost/dicom-web/") as client:
        place = f"studies/{uid(1)}/series/{uid(1, 1)}/instances/{uid(1, 1, 1)}"
        octets = {"accept": "application/octet-stream; transfer-syntax=*"}
        assert client.post("studies", content=dicom(), headers=DICOM).status_code == 200
        whole = client.get(place, headers={"accept": "application/dicom; transfer-syntax=*"})
        assert whole.content == dicom()
        assert client.get(f"{place}/frames/1", headers=octets).status_code == 200
        assert client.get(f"{place}/rendered").status_code == 200
        relay.mode = "error"
        refused = client.post("studies", content=dicom(instance=2), headers=DICOM)
        assert refused.status_code == 503
        assert refused.json()["detail"].startswith("the archive's object store cannot be reached")
        assert client.get(f"studies/{uid(1)}/metadata").status_code == 200  # needs no object
        relay.mode = "pass"
        assert client.post("studies", content=dicom(instance=2), headers=DICOM).status_code == 200
        assert len(client.get("instances").json()) == 2


def test_a_quota_is_told(tmp_path):
    settings = Settings(data=tmp_path, policies=Policies(quota_bytes=len(dicom()) + 10))
    with TestClient(create_app(settings), base_url="http://localhost/dicom-web/") as client:
        assert client.post("studies", content=dicom(), headers=DICOM).status_code == 200
        refused = client.post("studies", content=dicom(instance=2), headers=DICOM)
        assert refused.status_code == 409
        (reason,) = (refused.json().get("0008119A") or refused.json()["00081198"])["Value"]
        assert reason["00081197"]["Value"] == [0xA700]
        assert "quota of the archive" in refused.headers["warning"]
