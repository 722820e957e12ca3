"""Every route of the application: closed without a login, without permission, and to the studies of others."""

import re

import pytest
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.archive.samples import dicom, uid
from tests.server.people import add, logged_in

from pellucid.access.roles import Role

OPEN = re.compile(r"/(health|ready|api/session|api/shares/open|api/login/.*|\{path:path\})$")
"""Answered whoever asks: whether the server lives, logging in, and the viewer's files, which hold nobody's data."""
FOR_EVERYBODY = re.compile(
    r"/(api/(info|docs|openapi\.json|session.*|sessions|tokens.*)|dicom-web/?(\{rest:path\})?|fhir/(metadata|Endpoint.*|\{rest:path\}))$"
)
"""For everybody logged in: what the program is, their own password and tokens, what a service offers, or nothing."""

KNOWN = {
    "job_id": "0" * 32,
    "acquisition_id": "0" * 32,
    "token_id": "0" * 16,
    "share_id": "0" * 16,
    "name": "somebody",
    "title": "OTHER",
    "sequence": "1",
    "series_uid": uid(1, 1),
    "number": "0",
    "study": uid(1),
    "series": uid(1, 1),
    "instance": uid(1, 1, 1),
    "frames": "1",
    "path": "7FE00010",
    "rest": "nothing",
}
WADO = f"?requestType=WADO&studyUID={uid(1)}&seriesUID={uid(1, 1)}&objectUID={uid(1, 1, 1)}"
OF_A_STUDY = re.compile(r"\{(study|series|instance|series_uid|acquisition_id|job_id)\}")


@pytest.fixture
def app(client, platform):
    """With a study of the project "theirs", and people with every role."""
    platform.archive.store(dicom())
    platform.keeper.projects.put(uid(1), ["theirs"])
    add(platform, "administrator", Role.ADMINISTRATOR, Role.AUDITOR)
    add(platform, "nothing")
    everything = [role for role in Role if role != Role.MONITOR]
    add(platform, "stranger", *everything, projects=["others"])
    add(platform, "owner", *everything, projects=["theirs"])
    return client.app


def routes(app, kind=Route):
    found = []
    for route in app.routes:
        if isinstance(route, Mount):
            parts = [(route.path, r) for r in route.routes]
        else:
            # FastAPI keeps a router that was included as it is.
            included = getattr(route, "original_router", None)
            parts = [("", r) for r in (included.routes if included else [route])]
        found += [(prefix + r.path, r) for prefix, r in parts if isinstance(r, kind)]
    assert all(hasattr(route, "path") or hasattr(route, "original_router") for route in app.routes)
    return found


def requests(app):
    """Every method and path, and the path with something in its placeholders."""
    for path, route in routes(app):
        for method in sorted(route.methods - {"HEAD", "OPTIONS"}):
            query = WADO if path.endswith("/wado") else ""
            yield method, path, re.sub(r"\{(\w+)(:\w+)?\}", lambda found: KNOWN.get(found[1], "1.2.3"), path) + query


def ask(client, method, address):
    body = {} if method in ("POST", "PUT", "PATCH") else None
    return client.request(method, address, json=body)


def test_nothing_is_served_without_a_login(app):
    with_nothing = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
    asked = [
        (method, path, ask(with_nothing, method, at)) for method, path, at in requests(app) if not OPEN.match(path)
    ]
    assert len(asked) > 60
    assert [(method, path, answer.status_code) for method, path, answer in asked if answer.status_code != 401] == []
    assert all("Bearer" in answer.headers["www-authenticate"] for _, _, answer in asked)


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer pellucid_token_wrong"},
        {"authorization": "Bearer a.b.c"},
        {"authorization": "Basic YTpi"},
        {"authorization": "x"},
        {"cookie": "pellucid_session=wrong"},
        {"cookie": "pellucid_session"},
        {"cookie": '=;"'},
    ],
)
def test_what_is_no_login_lets_nobody_in(app, headers):
    stranger = TestClient(app, base_url="http://localhost")
    assert stranger.get("/dicom-web/studies", headers=headers).status_code == 401


def test_nothing_is_served_without_permission(app, platform):
    nothing = logged_in(app, platform, "nothing")
    closed = [r for r in requests(app) if not OPEN.match(r[1]) and not FOR_EVERYBODY.match(r[1])]
    assert len(closed) > 50
    wrong = [
        (method, path, answer.status_code)
        for method, path, at in closed
        if (answer := ask(nothing, method, at)).status_code != 403
    ]
    assert wrong == []


def test_studies_of_others_are_as_if_they_were_not_there(app, platform):
    stranger = logged_in(app, platform, "stranger")
    wrong = []
    for method, path, at in requests(app):
        if not OF_A_STUDY.search(path):
            continue
        answer = ask(stranger, method, at)
        searched = path.endswith(("/series", "/instances")) and method == "GET"
        # What is sent can be refused before it is looked where to.
        allowed = {404, 204} if searched else {400, 404, 415, 422} if method == "POST" else {404}
        if answer.status_code not in allowed:
            wrong.append((method, path, answer.status_code))
    assert wrong == []


def test_searches_find_only_what_is_seen(app, platform):
    for name, count in (("stranger", 0), ("owner", 1), ("administrator", 1)):
        client = logged_in(app, platform, name)
        for path in ("studies", "series", "instances"):
            answer = client.get(f"/dicom-web/{path}")
            assert len(answer.json() if answer.status_code == 200 else []) == count, (name, path)


def test_sockets_are_closed_without_a_login(app):
    stranger = TestClient(app, base_url="http://localhost")
    for path, _ in routes(app, WebSocketRoute):
        at = re.sub(r"\{(\w+)(:\w+)?\}", "1", path)
        with pytest.raises(WebSocketDisconnect), stranger.websocket_connect(at):
            pass


def test_sockets_of_other_sites_are_closed(app, platform):
    owner = logged_in(app, platform, "owner")
    for path, _ in routes(app, WebSocketRoute):
        at = re.sub(r"\{(\w+)(:\w+)?\}", "1", path)
        with (
            pytest.raises(WebSocketDisconnect),
            owner.websocket_connect(at, headers={"origin": "https://evil.example"}),
        ):
            pass


def test_refusals_are_in_the_audit_trail(app, platform):
    from pellucid.access.trail import AuditSearch

    logged_in(app, platform, "nothing").get("/dicom-web/studies")
    (newest, *_) = platform.keeper.trail.search(AuditSearch(event="Security Alert"))
    assert newest.caller == "nothing"
    assert newest.detail["subject"] == "GET /dicom-web/studies"
    assert newest.outcome


def test_storing_is_held_to_what_is_seen(app, platform):
    stranger, owner = logged_in(app, platform, "stranger"), logged_in(app, platform, "owner")
    kind = {"content-type": "application/dicom"}
    theirs = stranger.post("/dicom-web/studies", content=dicom(instance=2), headers=kind)
    assert theirs.status_code == 409
    assert owner.post("/dicom-web/studies", content=dicom(instance=2), headers=kind).status_code == 200
    assert stranger.post("/dicom-web/studies", content=dicom(study=2), headers=kind).status_code == 200
    assert platform.keeper.projects.of(uid(2)) == ["others"]
    assert owner.get(f"/dicom-web/studies/{uid(2)}/metadata").status_code == 404


def test_jobs_and_signals_of_others_are_not_seen(app, platform, raw_bytes):
    import time

    add(platform, "colleague", Role.PHYSICIAN, projects=["theirs"])
    stranger, owner, administrator = (
        logged_in(app, platform, name) for name in ("stranger", "colleague", "administrator")
    )
    started = stranger.post("/api/uploads", files={"files": ("scan.pellucid.h5", raw_bytes)})
    job = started.json()["job"]["id"]
    assert owner.get(f"/api/jobs/{job}").status_code == 404
    assert owner.delete(f"/api/jobs/{job}").status_code == 404
    assert owner.get(f"/api/jobs/{job}/events").status_code == 404
    while (seen := stranger.get(f"/api/jobs/{job}").json())["state"] not in ("done", "failed"):
        time.sleep(0.02)
    assert seen["state"] == "done", seen
    (acquisition,) = seen["result"]["acquisition_ids"]
    (series,) = seen["result"]["series_instance_uids"]
    for path in ("", "/signal/0", "/raw"):
        assert stranger.get(f"/api/acquisitions/{acquisition}{path}").status_code == 200
        assert owner.get(f"/api/acquisitions/{acquisition}{path}").status_code == 404
    assert owner.post(f"/api/acquisitions/{acquisition}/reconstructions", json={"method": "fft"}).status_code == 404
    assert owner.get(f"/api/series/{series}/acquisition").status_code == 404
    assert owner.get("/api/acquisitions").json() == {"acquisitions": []}
    assert owner.get("/api/jobs").json() == {"jobs": []}
    assert [j["id"] for j in administrator.get("/api/jobs").json()["jobs"]] == [job]
