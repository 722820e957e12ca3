"""Every resource answers only for what its caller may do and see."""

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tests.archive.samples import dicom, uid

from pellucid import dicomweb
from pellucid.access import Caller, Permission
from pellucid.archive import Visible

STUDY, SERIES, INSTANCE = f"studies/{uid(61)}", f"series/{uid(61, 1)}", f"instances/{uid(61, 1, 1)}"
WADO = f"wado?requestType=WADO&studyUID={uid(61)}&seriesUID={uid(61, 1)}&objectUID={uid(61, 1, 1)}"
RESOURCES = [
    STUDY,
    f"{STUDY}/metadata",
    f"{STUDY}/thumbnail",
    f"{STUDY}/rendered",
    f"{STUDY}/pixeldata",
    f"{STUDY}/bulkdata",
    WADO,
    f"{STUDY}/{SERIES}/{INSTANCE}/rendered",
    f"{STUDY}/{SERIES}/{INSTANCE}/frames/1",
    f"{STUDY}/{SERIES}/{INSTANCE}/bulkdata/7FE00010",
]


@pytest.fixture
def client_of(archive):
    archive.store(dicom(61))

    def make(permissions, visible):
        caller = Caller(name="someone", kind="account", permissions=frozenset(permissions), visible=visible)
        inner = Starlette(routes=[Mount("/dicom-web", routes=dicomweb.routes(archive))])

        async def app(scope, receive, send):
            await inner({**scope, "pellucid.caller": caller}, receive, send)

        return TestClient(app, base_url="http://localhost/dicom-web/")

    return make


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_study_is_there_for_those_who_see_it_only(client_of, resource):
    seeing = client_of([Permission.READ], Visible(studies=frozenset({uid(61)})))
    assert seeing.get(resource).status_code == 200
    assert client_of([Permission.READ], Visible()).get(resource).status_code == 404
    refused = client_of([Permission.FIND], Visible(everything=True)).get(resource)
    assert refused.status_code == 403
    assert refused.json() == {"title": "Forbidden", "status": 403, "detail": "someone may not read"}


def test_only_a_study_that_is_seen_is_deleted(client_of, archive):
    archive.store(dicom(63))
    blind = client_of([Permission.DELETE], Visible())
    assert blind.delete(f"studies/{uid(63)}").status_code == 404
    seeing = client_of([Permission.DELETE], Visible(studies=frozenset({uid(63)})))
    assert seeing.delete(f"studies/{uid(63)}").status_code == 204


AUDITED = [
    ("GET", "studies?PatientID=P1", "Query", "E", set()),
    ("GET", STUDY, "DICOM Instances Transferred", "R", {uid(61)}),
    ("GET", f"{STUDY}/{SERIES}/{INSTANCE}/frames/1", "DICOM Instances Transferred", "R", {uid(61)}),
    ("GET", f"{STUDY}/{SERIES}/{INSTANCE}/rendered", "DICOM Instances Accessed", "R", {uid(61)}),
    ("GET", WADO, "DICOM Instances Accessed", "R", {uid(61)}),
    ("POST", "studies", "DICOM Instances Transferred", "C", {uid(64)}),
    ("DELETE", f"studies/{uid(64)}", "DICOM Study Deleted", "D", {uid(64)}),
]


def test_what_is_done_is_written_into_the_audit_trail(archive):
    archive.store(dicom(61))
    written = []
    app = Starlette(routes=[Mount("/dicom-web", routes=dicomweb.routes(archive, audit=written.append))])
    client = TestClient(app, base_url="http://localhost/dicom-web/")
    for method, path, event, action, studies in AUDITED:
        body = {"content": dicom(64), "headers": {"content-type": "application/dicom"}} if method == "POST" else {}
        assert client.request(method, path, **body).status_code < 300
        last = written.pop()
        assert (last.event, last.action, set(last.studies), last.caller.name) == (event, action, studies, "local")
        assert written == []


def test_searching_and_storing_need_their_permissions(client_of):
    reader = client_of([Permission.READ], Visible(everything=True))
    assert reader.get("studies").status_code == 403
    body = {"content": dicom(62), "headers": {"content-type": "application/dicom"}}
    assert reader.post("studies", **body).status_code == 403
    finder = client_of([Permission.FIND], Visible())
    assert finder.get("studies").status_code == 204
