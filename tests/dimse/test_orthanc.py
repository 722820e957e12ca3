"""Debian's Orthanc as a partner in both directions."""

import json
import os
import subprocess
import time
import urllib.request

import pytest
from tests.archive.samples import dicom, uid
from tests.dimse.conftest import listening
from tests.dimse.test_clients import free_port

from pellucid.cli.app import run as pellucid
from pellucid.dimse.deliveries import Deliveries
from pellucid.dimse.delivering import Deliverer
from pellucid.dimse.partners import ApplicationEntity, Partners
from pellucid.dimse.routing import Route, Routes, route_new_instances
from pellucid.dimse.service import Doors


class Orthanc:
    """A running Orthanc that knows us at `our_port`."""

    def __init__(self, program, folder, our_port):
        self.port, self.http_port = free_port(), free_port()
        settings = {
            "Name": "test",
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "HttpPort": self.http_port,
            "RemoteAccessAllowed": False,
            "DicomPort": self.port,
            "DicomAet": "ORTHANC",
            "DicomAlwaysAllowStore": True,
            "DicomAlwaysAllowFind": True,
            "DicomAlwaysAllowGet": True,
            "DicomAlwaysAllowMove": True,
            "DicomModalities": {"pellucid": ["PELLUCID", "127.0.0.1", our_port]},
            "Plugins": [],
        }
        (folder / "orthanc.json").write_text(json.dumps(settings))
        self.process = subprocess.Popen(
            [program, str(folder / "orthanc.json")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TCP_NODELAY": "1"},
        )
        for _ in range(200):
            try:
                self.rest("system")
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("Orthanc did not start")

    def rest(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}/{path}", data)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def upload(self, content):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}/instances", content)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())["ID"]

    @property
    def title(self):
        return f"ORTHANC@127.0.0.1:{self.port}"


@pytest.fixture
def orthanc(program, archive, tmp_path):
    name = "Orthanc"
    folder = tmp_path / "orthanc"
    folder.mkdir()
    with listening(archive) as own:
        running = Orthanc(program(name), folder, own.port)
        Partners(archive).put(ApplicationEntity(title="ORTHANC", host="127.0.0.1", port=running.port))
        try:
            yield running
        finally:
            running.process.terminate()
            running.process.wait(20)


def test_from_here_to_there(archive, orthanc, tmp_path, capsys):
    for number in range(1, 4):
        (tmp_path / f"{number}.dcm").write_bytes(dicom(1, 1, number))
    data = ["--data", str(archive.folder)]
    files = [str(tmp_path / f"{number}.dcm") for number in range(1, 4)]
    assert pellucid(["echo", orthanc.title]) == 0
    assert pellucid(["send", "ORTHANC", *files, *data]) == 0
    assert len(orthanc.rest("instances")) == 3
    assert pellucid(["send", orthanc.title, *files, "--skip-existing"]) == 0
    assert "sent 0, already there 3" in capsys.readouterr().out
    assert pellucid(["query", orthanc.title, "-k", "PatientName=Doe*"]) == 0
    assert uid(1) in capsys.readouterr().out
    from_patients = ["--root", "patient", "-k", "PatientID=P1"]
    assert pellucid(["query", orthanc.title, *from_patients, "--level", "patient", "-r", "PatientName"]) == 0
    assert "Doe^Jane" in capsys.readouterr().out
    assert pellucid(["fetch", orthanc.title, *from_patients, "-o", str(tmp_path / "fetched")]) == 0
    assert "fetched 3" in capsys.readouterr().out
    assert pellucid(["fetch", orthanc.title, "-k", f"StudyInstanceUID={uid(1)}", *data]) == 0
    assert len(archive.instances(uid(1))) == 3


@pytest.mark.slow
def test_storage_commitment_by_orthanc(archive, orthanc, tmp_path):
    from pellucid.dimse.commitment import commitments

    (tmp_path / "a.dcm").write_bytes(dicom())
    data = ["--data", str(archive.folder)]
    assert pellucid(["send", "ORTHANC", str(tmp_path / "a.dcm"), "--commit", *data]) == 0
    _until(lambda: [entry.state for entry in commitments(archive)] == ["committed"])


@pytest.mark.slow
def test_routed_to_orthanc(archive, orthanc):
    archive.on_store.append(route_new_instances)
    Routes(archive).put(Route(name="all", destination="ae:ORTHANC"))
    archive.store(dicom())
    deliverer = Deliverer(Doors(archive=archive)).start()
    _until(lambda: Deliveries(archive).all() == [])
    deliverer.close()
    assert len(orthanc.rest("instances")) == 1


def test_orthanc_stores_finds_and_moves(archive, orthanc):
    instance = orthanc.upload(dicom(1, 1, 1))
    orthanc.rest("modalities/pellucid/echo", {})
    orthanc.rest("modalities/pellucid/store", [instance])
    assert len(archive.instances(uid(1))) == 1
    archive.store(dicom(2, 1, 1))
    query = {"Level": "Study", "Query": {"PatientName": "DOE*", "StudyInstanceUID": ""}}
    answer = orthanc.rest("modalities/pellucid/query", query)
    found = orthanc.rest(f"queries/{answer['ID']}/answers?expand&simplify")
    assert {match["StudyInstanceUID"] for match in found} == {uid(1), uid(2)}
    orthanc.rest(f"queries/{answer['ID']}/retrieve", {"TargetAet": "ORTHANC", "Synchronous": True})
    assert len(orthanc.rest("instances")) == 2


@pytest.mark.slow
def test_orthanc_asks_for_storage_commitment(archive, orthanc):
    archive.store(dicom())
    deliverer = Deliverer(Doors(archive=archive)).start()
    body = {"DicomInstances": [{"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "SOPInstanceUID": uid(1, 1, 1)}]}
    path = orthanc.rest("modalities/pellucid/storage-commitment", body)["Path"].lstrip("/")
    _until(lambda: orthanc.rest(path)["Status"] != "Pending")
    deliverer.close()
    assert orthanc.rest(path)["Status"] == "Success"


def _until(holds, seconds=20):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)
