"""Metrics, logs and readiness: true numbers, and not a word about patients."""

import io
import json
import logging
import re
from collections import namedtuple
from contextlib import contextmanager

import pytest
from tests.archive.samples import dicom, uid

from pellucid.access import LOCAL, Caller
from pellucid.server import logs

DICOM = {"content-type": "application/dicom"}
STUDIES = "/dicom-web/studies"
IDENTIFIERS = ("Doe", "Jane", "P1", "19700102", "A1", "1.2.826.0.1", "Curie", "Chest")


@pytest.fixture
def number(client):
    """Call with a metric and its labels; its value now, 0 where it is not there."""

    def find(name, **labels):
        wanted = "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else ""
        for line in client.get("/metrics").text.splitlines():
            if line.startswith(f"{name}{wanted} "):
                return float(line.rpartition(" ")[2])
        return 0

    return find


@contextmanager
def logged(log_format, level="debug"):
    """What the process logs in the block, as `serve` sets it up."""
    root, ours = logging.getLogger(), logging.getLogger("pellucid")
    before = root.handlers[:], root.level, ours.level
    target = io.StringIO()
    try:
        logs.configure(log_format, level)
        root.handlers[0].setStream(target)
        yield target
    finally:
        root.handlers[:] = before[0]
        root.setLevel(before[1])
        ours.setLevel(before[2])


def store(client, *, instance=1):
    return client.post(STUDIES, content=dicom(instance=instance), headers=DICOM)


def test_requests_are_counted_by_route(client, number):
    store(client)
    for study in (uid(1), uid(9)):
        client.get(f"{STUDIES}/{study}/metadata")
    route = "/dicom-web/studies/{study}/metadata"
    assert number("pellucid_http_requests_total", method="GET", route=route, status="200") == 1
    assert number("pellucid_http_requests_total", method="GET", route=route, status="404") == 1
    assert number("pellucid_http_request_duration_seconds_count", method="GET", route=route) == 2
    assert number("pellucid_http_requests_total", method="POST", route=STUDIES, status="200") == 1


def test_what_is_stored_is_counted_once_by_door(client, number, upload):
    size = len(dicom())
    for _ in range(2):
        store(client)
    upload(("a.dcm", dicom(instance=2)))
    assert number("pellucid_stored_instances_total", door="stow") == 1
    assert number("pellucid_stored_bytes_total", door="stow") == size
    assert number("pellucid_stored_instances_total", door="upload") == 1
    assert number("pellucid_archive_entries", level="instances") == 2
    assert number("pellucid_object_bytes") == 2 * size
    assert number("pellucid_index_bytes") > 0
    assert number("pellucid_jobs", kind="upload", state="done") == 1


def test_what_is_not_committed_is_not_counted(platform, number):
    def refuses(_session, _stored):
        raise RuntimeError

    platform.archive.on_store.append(refuses)
    with pytest.raises(RuntimeError):
        platform.archive.store(dicom())
    assert number("pellucid_stored_instances_total", door="program") == 0
    platform.archive.on_store.remove(refuses)
    platform.archive.store(dicom())
    assert number("pellucid_stored_instances_total", door="program") == 1


def test_labels_hold_no_identifiers(client):
    store(client)
    for path in (f"{STUDIES}/{uid(1)}", f"{STUDIES}?PatientID=P1", f"/study/{uid(1)}", "/nowhere/Doe"):
        client.get(path)
    client.request("DOE", "/api/jobs")
    text = client.get("/metrics").text
    assert not [word for word in IDENTIFIERS if re.search(rf"\b{re.escape(word)}", text)]
    assert "process_cpu_seconds_total" in text
    assert "process_resident_memory_bytes" in text


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_logs_hold_no_identifiers(client, upload, log_format):
    with logged(log_format) as log:
        store(client)
        upload(("Doe_Jane.dcm", dicom(instance=2)))
        client.post(STUDIES, content=dicom(instance=1, PatientName="Doe^Janet"), headers=DICOM)
        client.post(STUDIES, content=b"Doe", headers=DICOM)
        for path in (f"?PatientName=Doe*&StudyInstanceUID={uid(1)}", f"/{uid(1)}/metadata", f"/{uid(1)}/rendered"):
            client.get(STUDIES + path)
        client.get(f"/study/{uid(1)}")
        logging.getLogger("library").error("cannot read %s", "Doe^Jane")
        logging.getLogger("pellucid.test").error("it failed", exc_info=ValueError("Doe^Jane"))
    text = log.getvalue()
    assert text.count("/dicom-web/studies/{study}/metadata") >= 1
    assert "library" in text
    assert "it failed (ValueError)" in text
    assert not [word for word in IDENTIFIERS if re.search(rf"\b{re.escape(word)}", text)]


def test_json_lines_name_the_request(client):
    with logged("json", "info") as log:
        answer = client.get(f"{STUDIES}/{uid(5)}/metadata")
    (line,) = (json.loads(line) for line in log.getvalue().splitlines() if '"pellucid.requests"' in line)
    assert line["request_id"] == answer.headers["x-request-id"]
    assert (line["method"], line["status"], line["level"]) == ("GET", 404, "info")
    assert line["route"] == "/dicom-web/studies/{study}/metadata"
    assert line["duration_ms"] >= 0
    assert line["response_bytes"] == len(answer.content)


def test_an_error_in_a_request_is_found_by_its_id(client, platform, monkeypatch):
    def broken(_view):
        raise ValueError("Doe^Jane")

    monkeypatch.setattr("pellucid.archive.view.View.acquisitions", broken)
    with logged("json", "warning") as log:
        answer = client.get("/api/acquisitions")
    (line,) = map(json.loads, log.getvalue().splitlines())
    assert line["request_id"] == answer.headers["x-request-id"]
    assert "ValueError" in line["message"]


def test_metrics_are_for_administrators(client, monkeypatch):
    reader = Caller(name="reader", kind="account", permissions=frozenset(), visible=LOCAL.visible)
    monkeypatch.setattr("pellucid.server.operations_api.caller_of", lambda _request: reader)
    assert client.get("/metrics").status_code == 403
    assert client.get("/health").status_code == 200


def test_ready(client):
    answer = client.get("/ready")
    assert answer.status_code == 200
    assert [check["name"] for check in answer.json()["checks"]] == ["index", "objects", "disk space", "jobs"]


Usage = namedtuple("Usage", "total used free")


def broken(*_args, **_kwargs):
    raise OSError("no such device: Doe^Jane")


@pytest.mark.parametrize(
    ("what", "replacement", "said"),
    [
        ("shutil.disk_usage", lambda _: Usage(100 << 20, 95 << 20, 5 << 20), "disk space: 5 MiB are free"),
        ("pellucid.archive.objects.Objects.exists", broken, "objects: cannot be used (OSError)"),
        ("pellucid.archive.database.Database.reading", broken, "index: cannot be used (OSError)"),
        ("pellucid.server.jobs._MAXIMUM_QUEUED", 0, "jobs: 0 wait or run; 0 are taken"),
    ],
)
def test_not_ready(client, monkeypatch, what, replacement, said):
    monkeypatch.setattr(what, replacement)
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert said in answer.json()["detail"]
    assert "Doe" not in answer.text
    assert client.get("/health").status_code == 200


def test_not_ready_while_stopping(client, platform):
    platform.jobs.stopping.set()
    assert client.get("/ready").json() == {"detail": "jobs: the server is stopping"}
