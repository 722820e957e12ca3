"""What an administrator sees and changes over HTTP, and that nobody else does."""

import pytest
from tests.archive.samples import dicom, uid

from pellucid.access import LOCAL, Caller, Permission
from pellucid.dimse.deliveries import Deliveries, enqueue

ENTITY = {"host": "127.0.0.1", "port": 11112, "permissions": ["find", "read"], "addresses": ["10.0.0.0/8"]}
ROUTE = {"destination": "ae:OTHER", "match": {"Modality": "CT"}}


@pytest.fixture
def queued(platform):
    """Two deliveries, the second failed."""
    with platform.archive.writing() as session:
        for number in (1, 2):
            enqueue(session, "store", "ae:OTHER", uid(1, 1, number))
    queue = Deliveries(platform.archive)
    first, second = queue.all()
    queue.settle({second.id: "the partner does not answer"})
    return first.id, second.id


def test_overview(client, upload, platform, queued):
    upload(("a.dcm", dicom()))
    found = client.get("/api/admin/overview").json()
    assert (found["storage"]["studies"], found["storage"]["instances"]) == (1, 1)
    assert found["storage"]["object_bytes"] == len(dicom())
    assert 0 < found["storage"]["free_bytes"] < found["storage"]["total_bytes"]
    assert found["storage"]["quota_bytes"] == 0
    assert [check["ok"] for check in found["checks"]] == [True] * 4
    assert (found["deliveries_waiting"], found["deliveries_failed"]) == (2, 0)


def test_jobs_of_all_can_be_cancelled(client, platform, upload):
    upload(("a.dcm", dicom()))
    waiting = platform.jobs.submit("demo", "Wait", lambda _: {}, owner="account ann")
    listed = client.get("/api/admin/jobs").json()["jobs"]
    assert [(job["kind"], job["owner"]) for job in listed] == [("demo", "account ann"), ("upload", "")]
    assert client.delete(f"/api/admin/jobs/{waiting.id}").status_code == 202
    assert client.delete(f"/api/admin/jobs/{'0' * 32}").status_code == 404


def test_entities(client):
    made = client.put("/api/admin/entities/OTHER", json=ENTITY)
    assert made.json() == {
        **ENTITY, "title": "OTHER", "tls": False, "called_titles": [], "projects": [], "description": ""
    }  # fmt: skip
    client.put("/api/admin/entities/OTHER", json={**ENTITY, "port": 104})
    listed = client.get("/api/admin/entities").json()
    assert [(one["title"], one["port"]) for one in listed["entities"]] == [("OTHER", 104)]
    assert listed["permissions"] == ["find", "read", "store", "schedule"]
    assert client.delete("/api/admin/entities/OTHER").status_code == 204
    assert client.delete("/api/admin/entities/OTHER").status_code == 404


@pytest.mark.parametrize(
    ("path", "given", "said"),
    [
        ("entities/A_TITLE_TOO_LONG_FOR_DICOM", ENTITY, "1 to 16 printable"),
        ("entities/OTHER", {**ENTITY, "addresses": ["somewhere"]}, "expected an address or a network"),
        ("entities/OTHER", {**ENTITY, "permissions": ["audit"]}, "not for application entities"),
        ("entities/OTHER", {**ENTITY, "port": 70000}, "port: "),
        ("routes/a", {"destination": "nowhere"}, "expected ae:TITLE"),
        ("routes/a", {"destination": "ae:OTHER", "match": {"Nonsense": "1"}}, "not a DICOM keyword"),
    ],
)
def test_what_cannot_be_used(client, path, given, said):
    answer = client.put(f"/api/admin/{path}", json=given)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_routes_fill_the_queue(client, platform):
    from pellucid.dimse.routing import route_new_instances

    platform.archive.on_store.append(route_new_instances)
    assert client.put("/api/admin/routes/ct", json=ROUTE).json() == {**ROUTE, "name": "ct", "enabled": True}
    platform.archive.store(dicom(instance=1))
    client.put("/api/admin/routes/ct", json={**ROUTE, "enabled": False})
    platform.archive.store(dicom(instance=2))
    (waiting,) = client.get("/api/admin/deliveries").json()["deliveries"]
    assert (waiting["destination"], waiting["subject"]) == ("ae:OTHER", uid(1, 1, 1))
    assert client.delete("/api/admin/routes/ct").status_code == 204
    assert client.get("/api/admin/routes").json() == {"routes": []}


def test_deliveries_are_retried_and_cancelled(client, queued):
    first, second = queued
    before = client.get("/api/admin/deliveries").json()
    assert before["total"] == 2
    assert [one["error"] for one in before["deliveries"]] == ["", "the partner does not answer"]
    assert client.post(f"/api/admin/deliveries/{second}/retry").json() == {"changed": 1}
    assert [one["attempts"] for one in client.get("/api/admin/deliveries").json()["deliveries"]] == [0, 0]
    assert client.delete(f"/api/admin/deliveries/{first}").status_code == 204
    assert client.post(f"/api/admin/deliveries/{first}/retry").status_code == 404
    assert client.post("/api/admin/deliveries/retry").json() == {"changed": 1}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "overview"),
        ("GET", "jobs"),
        ("DELETE", f"jobs/{'0' * 32}"),
        ("GET", "entities"),
        ("PUT", "entities/OTHER"),
        ("DELETE", "entities/OTHER"),
        ("GET", "routes"),
        ("PUT", "routes/ct"),
        ("DELETE", "routes/ct"),
        ("GET", "deliveries"),
        ("POST", "deliveries/retry"),
        ("POST", "deliveries/1/retry"),
        ("DELETE", "deliveries/1"),
    ],
)
def test_only_for_administrators(client, monkeypatch, method, path):
    others = frozenset(Permission) - {Permission.ADMINISTER}
    reader = Caller(name="reader", kind="account", permissions=others, visible=LOCAL.visible)
    monkeypatch.setattr("pellucid.server.callers.caller_of", lambda _request: reader)
    given = {"destination": "ae:OTHER"} if "routes" in path else {}
    answer = client.request(method, f"/api/admin/{path}", json=given if method == "PUT" else None)
    assert answer.status_code == 403


def test_only_the_page_that_records_may_use_the_camera(client):
    page = client.get("/capture").headers
    assert "camera=(self), display-capture=(self)" in page["permissions-policy"]
    assert "media-src 'self' blob:" in page["content-security-policy"]
    for path in ("/", "/admin", "/api/info", "/capture/more"):
        others = client.get(path).headers
        assert others["permissions-policy"].startswith("camera=(), display-capture=()")
        assert "media-src" not in others["content-security-policy"]
