"""UPS-RS: work items, their states, subscriptions and events (PS3.18 chapter 11, PS3.4 annex CC)."""

import json

import pytest
from sqlalchemy import delete
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from tests.archive.samples import dicom, uid

from pellucid import dicomweb
from pellucid.access import Caller, Permission
from pellucid.archive import Visible
from pellucid.dicomweb.tables import WorkItemEventRow, WorkItemRow, WorkItemSubscriptionRow

GLOBAL, FILTERED = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"
JSON = {"content-type": "application/dicom+json"}
SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED = "SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"


CHANNEL = "ws://localhost/dicom-web/ws/subscribers/READER"


@pytest.fixture(autouse=True)
def nothing_left(archive):
    yield
    with archive.writing() as session:
        for table in (WorkItemEventRow, WorkItemSubscriptionRow, WorkItemRow):
            session.execute(delete(table))
    archive.delete(uid(1))


@pytest.fixture
def client_of(archive):
    routes = Starlette(routes=[Mount("/dicom-web", routes=dicomweb.routes(archive))])

    def make(name="someone", permissions=(Permission.FIND, Permission.SCHEDULE), visible=None):
        visible = visible or Visible(everything=True)
        caller = Caller(name=name, kind="account", permissions=frozenset(permissions), visible=visible)

        async def app(scope, receive, send):
            await routes({**scope, "pellucid.caller": caller}, receive, send)

        return TestClient(app, base_url="http://localhost/dicom-web/")

    return make


@pytest.fixture
def client(client_of):
    return client_of()


def code(meaning):
    return {
        "00080100": {"vr": "SH", "Value": ["1"]},
        "00080102": {"vr": "SH", "Value": ["99T"]},
        "00080104": {"vr": "LO", "Value": [meaning]},
    }


def work_item(**changes):
    item = {
        "00741200": {"vr": "CS", "Value": ["MEDIUM"]},
        "00741204": {"vr": "LO", "Value": ["Segment the liver"]},
        "00404041": {"vr": "CS", "Value": ["READY"]},
        "00404005": {"vr": "DT", "Value": ["20261122120000"]},
        "00741000": {"vr": "CS", "Value": [SCHEDULED]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Dö^Jane"}]},
        "00100020": {"vr": "LO", "Value": ["P1"]},
        "00404018": {"vr": "SQ", "Value": [code("Segmentation")]},
    }
    return {tag: value for tag, value in {**item, **changes}.items() if value is not None}


def create(client, number=1, **changes):
    response = client.post("workitems", params={"workitem": uid(number)}, json=[work_item(**changes)], headers=JSON)
    assert response.status_code == 201, response.text
    return f"workitems/{uid(number)}"


def state_of(client, path):
    return client.get(path).json()[0]["00741000"]["Value"][0]


def put_state(client, path, state, transaction="1.2.3"):
    asked = {"00741000": {"vr": "CS", "Value": [state]}, "00081195": {"vr": "UI", "Value": [transaction]}}
    return client.put(f"{path}/state", json=[asked], headers=JSON)


PERFORMED = {
    "00404028": {"vr": "SQ", "Value": [code("Station")]},
    "00404050": {"vr": "DT", "Value": ["20261122120500"]},
    "00404051": {"vr": "DT", "Value": ["20261122120600"]},
    "00404019": {"vr": "SQ", "Value": [code("Segmentation")]},
    "00404033": {"vr": "SQ"},
}


def perform(client, path, without=None):
    done = {tag: value for tag, value in PERFORMED.items() if tag != without}
    changes = {"00741216": {"vr": "SQ", "Value": [done]}}
    response = client.post(path, params={"transaction-uid": "1.2.3"}, json=[changes], headers=JSON)
    assert response.status_code == 200, response.text


def test_a_work_item_from_creation_to_completion(client):
    response = client.post("workitems", params={"workitem": uid(1)}, json=[work_item()], headers=JSON)
    assert response.status_code == 201
    assert response.headers["location"] == f"http://localhost/dicom-web/workitems/{uid(1)}"
    path = f"workitems/{uid(1)}"
    (item,) = client.get(path).json()
    assert item["00080018"]["Value"] == [uid(1)]
    assert item["00080016"]["Value"] == ["1.2.840.10008.5.1.4.34.6.1"]
    assert item["00741202"]["Value"] == ["DEFAULT"]
    assert item["00100030"] == {"vr": "DA"}
    assert item["00404010"]["Value"]
    assert put_state(client, path, IN_PROGRESS).status_code == 200
    assert "00081195" not in client.get(path).json()[0]
    perform(client, path)
    response = put_state(client, path, COMPLETED)
    assert response.status_code == 200
    assert "warning" not in response.headers
    assert state_of(client, path) == COMPLETED


def test_its_uid_may_be_in_the_data_set_or_be_made_here(client):
    given = work_item(**{"00080018": {"vr": "UI", "Value": [uid(5)]}})
    assert client.post("workitems", json=given, headers=JSON).headers["location"].endswith(uid(5))
    made = client.post("workitems", json=[work_item()], headers=JSON).headers["location"]
    assert client.get(made).status_code == 200
    assert client.post(f"workitems?{uid(6)}", json=[work_item()], headers=JSON).headers["location"].endswith(uid(6))
    assert client.post("workitems", params={"workitem": uid(7)}, json=given, headers=JSON).status_code == 400
    assert client.post("workitems", json=given, headers=JSON).status_code == 409


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"00741204": None}, "ProcedureStepLabel: is missing"),
        ({"00741200": {"vr": "CS", "Value": ["SOON"]}}, "expected HIGH, MEDIUM, LOW"),
        ({"00741000": {"vr": "CS", "Value": [IN_PROGRESS]}}, "a new work item is SCHEDULED"),
        ({"00081195": {"vr": "UI", "Value": ["1.2"]}}, "a new work item has none"),
        ({"00080018": {"vr": "UI", "Value": ["x/y"]}}, "expected a UID"),
        ({"00404005": {"vr": "DT", "Value": ["tomorrow"]}}, "expected YYYYMMDDHHMMSS"),
        ({"00404018": {"vr": "SQ", "Value": [5]}}, "an item that is no object"),
        ({"0040": {"vr": "SQ"}}, "is not an attribute"),
        ({"00404018": {"Value": []}}, "has no VR"),
    ],
)
def test_what_cannot_be_created(client, change, detail):
    response = client.post("workitems", json=[work_item(**change)], headers=JSON)
    assert response.status_code == 400
    assert detail in response.json()["detail"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/dicom+json", 400),
        (b"[]", "application/dicom+json", 400),
        (b"[{},{}]", "application/dicom+json", 400),
        (b'{"00741000":5}', "application/dicom+json", 400),
        (b"<x/>", "application/dicom+xml", 400),
        (b"{}", "text/plain", 415),
        (b" " * (5 << 20), "application/dicom+json", 413),
    ],
)
def test_bodies_that_cannot_be_read(client, content, kind, status):
    assert client.post("workitems", content=content, headers={"content-type": kind}).status_code == status


# PS3.4 table CC.1.1-2: state before, state asked for, right transaction, status, state after
TRANSITIONS = [
    (SCHEDULED, IN_PROGRESS, True, 200, IN_PROGRESS),
    (SCHEDULED, COMPLETED, True, 409, SCHEDULED),
    (SCHEDULED, CANCELED, True, 409, SCHEDULED),
    (SCHEDULED, SCHEDULED, True, 409, SCHEDULED),
    (IN_PROGRESS, SCHEDULED, True, 409, IN_PROGRESS),
    (IN_PROGRESS, IN_PROGRESS, True, 409, IN_PROGRESS),
    (IN_PROGRESS, COMPLETED, True, 200, COMPLETED),
    (IN_PROGRESS, CANCELED, True, 200, CANCELED),
    (COMPLETED, COMPLETED, True, 200, COMPLETED),
    (COMPLETED, CANCELED, True, 409, COMPLETED),
    (COMPLETED, IN_PROGRESS, True, 409, COMPLETED),
    (CANCELED, CANCELED, True, 200, CANCELED),
    (CANCELED, COMPLETED, True, 409, CANCELED),
    (CANCELED, IN_PROGRESS, True, 409, CANCELED),
    *(
        (before, after, False, 400, before)
        for before in (IN_PROGRESS, COMPLETED, CANCELED)
        for after in (IN_PROGRESS, COMPLETED, CANCELED)
    ),
]


@pytest.mark.parametrize(("before", "asked", "right", "status", "after"), TRANSITIONS)
def test_every_change_of_state(client, before, asked, right, status, after):
    path = create(client)
    if before != SCHEDULED:
        put_state(client, path, IN_PROGRESS)
        perform(client, path)
    if before in (COMPLETED, CANCELED):
        put_state(client, path, before)
    assert state_of(client, path) == before
    response = put_state(client, path, asked, "1.2.3" if right else "9.9")
    assert response.status_code == status, response.text
    assert state_of(client, path) == after
    if status == 200 and before == after:
        assert f"already in the requested state of {after}" in response.headers["warning"]
    if not right:
        assert "Transaction UID is incorrect" in response.headers["warning"]


@pytest.mark.parametrize("without", PERFORMED)
def test_completion_needs_what_was_done(client, without):
    path = create(client)
    put_state(client, path, IN_PROGRESS)
    assert put_state(client, path, COMPLETED).status_code == 409
    perform(client, path, without)
    assert put_state(client, path, COMPLETED).status_code == 409
    perform(client, path)
    assert put_state(client, path, COMPLETED).status_code == 200


def test_states_that_are_none_and_missing_transactions(client):
    path = create(client)
    assert put_state(client, path, "DONE").status_code == 400
    assert put_state(client, path, IN_PROGRESS, "").status_code == 400
    assert put_state(client, f"workitems/{uid(9)}", IN_PROGRESS).status_code == 404


def test_updates(client):
    path = create(client)
    label = {"00741204": {"vr": "LO", "Value": ["Other"]}}
    assert client.post(path, json=[label], headers=JSON).status_code == 200
    assert client.get(path).json()[0]["00741204"]["Value"] == ["Other"]
    for fixed in ("00100020", "00741000", "00080018"):
        assert client.post(path, json=[{fixed: {"vr": "LO", "Value": ["x"]}}], headers=JSON).status_code == 400
    assert client.post(path, json=[{"00741204": {"vr": "LO"}}], headers=JSON).status_code == 400
    put_state(client, path, IN_PROGRESS)
    assert client.post(path, json=[label], headers=JSON).status_code == 400
    assert client.post(f"{path}?1.2.3", json=[label], headers=JSON).status_code == 200
    put_state(client, path, CANCELED)
    assert client.post(f"{path}?1.2.3", json=[label], headers=JSON).status_code == 409


def test_cancellation_before_it_begins(client):
    path = create(client)
    reason = {"00741238": {"vr": "LT", "Value": ["patient left"]}}
    assert client.post(f"{path}/cancelrequest", json=[reason], headers=JSON).status_code == 202
    (item,) = client.get(path).json()
    assert item["00741000"]["Value"] == [CANCELED]
    (progress,) = item["00741002"]["Value"]
    assert progress["00741238"]["Value"] == ["patient left"]
    assert progress["00404052"]["Value"]
    again = client.post(f"{path}/cancelrequest")
    assert again.status_code == 202
    assert "already" in again.headers["warning"]


def test_a_completed_item_cannot_be_canceled(client):
    path = create(client)
    put_state(client, path, IN_PROGRESS)
    perform(client, path)
    put_state(client, path, COMPLETED)
    assert client.post(f"{path}/cancelrequest").status_code == 409


SEARCHES = [
    ({}, [1, 2, 3]),
    ({"PatientID": "P2"}, [2]),
    ({"PatientID": "P*"}, [1, 2, 3]),
    ({"00100020": "P?"}, [1, 2, 3]),
    ({"PatientName": "do^j*"}, [1, 2, 3]),
    ({"PatientName": "jan", "fuzzymatching": "true"}, [1, 2, 3]),
    ({"ProcedureStepState": "IN PROGRESS"}, [3]),
    ({"ProcedureStepState": "SCHEDULED,IN PROGRESS"}, [1, 2, 3]),
    ({"ScheduledProcedureStepStartDateTime": "20261121"}, [2]),
    ({"ScheduledProcedureStepStartDateTime": "20261122-"}, [1, 3]),
    ({"ScheduledProcedureStepStartDateTime": "-20261121"}, [2]),
    ({"ScheduledWorkitemCodeSequence.CodeMeaning": "Segm*"}, [1, 2, 3]),
    ({"00404018.00080104": "Other"}, []),
    ({"SOPInstanceUID": f"{uid(1)},{uid(3)}"}, [1, 3]),
    ({"limit": 1, "offset": 1}, [1]),
]


@pytest.mark.parametrize(("query", "expected"), SEARCHES)
def test_search(client, query, expected):
    create(client, 1)
    create(
        client, 2, **{"00100020": {"vr": "LO", "Value": ["P2"]}, "00404005": {"vr": "DT", "Value": ["202611211530"]}}
    )
    create(client, 3, **{"00404005": {"vr": "DT", "Value": ["20261122130000"]}})
    put_state(client, f"workitems/{uid(3)}", IN_PROGRESS)
    response = client.get("workitems", params=query)
    assert response.status_code == (200 if expected else 204), response.text
    found = [item["00080018"]["Value"][0] for item in response.json()] if expected else []
    assert sorted(found) == [uid(n) for n in expected]
    if "limit" in query:
        assert "There are 1 additional results" in response.headers["warning"]


@pytest.mark.parametrize("query", [{"Nothing": "x"}, {"limit": "-1"}, {"ScheduledProcedureStepStartDateTime": "today"}])
def test_malformed_searches(client, query):
    create(client)
    assert client.get("workitems", params=query).status_code == 400


def kinds(reports):
    return [(r["00001002"]["Value"][0], r.get("00741000", {}).get("Value", [""])[0]) for r in reports]


def told(client, name="READER"):
    found = client.get(f"subscribers/{name}/events")
    if found.status_code == 204:
        return []
    client.get(f"subscribers/{name}/events", params={"after": found.headers["x-last-event"]})
    return found.json()


def test_events_of_one_item(client):
    path, other = create(client), create(client, 2)
    response = client.post(f"{path}/subscribers/READER", params={"deletionlock": "true"})
    assert response.status_code == 201
    assert response.headers["content-location"] == "ws://localhost/dicom-web/ws/subscribers/READER"
    put_state(client, other, IN_PROGRESS)
    put_state(client, path, IN_PROGRESS)
    progress = {"00741002": {"vr": "SQ", "Value": [{"00741004": {"vr": "DS", "Value": [50]}}]}}
    client.post(f"{path}?1.2.3", json=[progress], headers=JSON)
    assert client.post(f"{path}/cancelrequest").status_code == 202
    reports = told(client)
    assert kinds(reports) == [(1, SCHEDULED), (1, IN_PROGRESS), (3, ""), (2, "")]
    assert {r["00001000"]["Value"][0] for r in reports} == {uid(1)}
    assert reports[2]["00741002"]["Value"][0]["00741004"]["Value"] == [50]
    assert reports[3]["00741236"]["Value"] == ["someone"]
    assert told(client) == []
    assert client.delete(f"{path}/subscribers/READER").status_code == 200
    put_state(client, path, CANCELED)
    assert told(client) == []


def test_events_of_all_items_and_those_to_come(client):
    create(client, 1)
    assert client.post(f"workitems/{GLOBAL}/subscribers/READER").status_code == 201
    create(client, 2)
    assert kinds(told(client)) == [(1, SCHEDULED)] * 2
    assert client.post(f"workitems/{GLOBAL}/subscribers/READER/suspend").status_code == 200
    create(client, 3)
    put_state(client, f"workitems/{uid(1)}", IN_PROGRESS)
    assert [r["00001000"]["Value"][0] for r in told(client)] == [uid(1)]
    assert client.delete(f"workitems/{GLOBAL}/subscribers/READER").status_code == 200
    put_state(client, f"workitems/{uid(2)}", IN_PROGRESS)
    assert told(client) == []
    assert client.post(f"workitems/{GLOBAL}/subscribers/READER/suspend").status_code == 404
    assert client.post(f"workitems/{uid(1)}/subscribers/READER/suspend").status_code == 400


def test_events_of_items_that_match(client):
    place = f"workitems/{FILTERED}/subscribers/READER"
    assert (
        client.post(
            place, params={"filter": "ScheduledWorkitemCodeSequence.CodeMeaning=Segm*,PatientID=P2"}
        ).status_code
        == 201
    )
    create(client, 1)
    create(client, 2, **{"00100020": {"vr": "LO", "Value": ["P2"]}})
    assert [r["00001000"]["Value"][0] for r in told(client)] == [uid(2)]
    assert client.post(place, params={"filter": "Nothing=5"}).status_code == 400


def test_events_over_a_websocket(client):
    path = create(client)
    client.post(f"{path}/subscribers/READER")
    with client.websocket_connect(CHANNEL) as socket:
        assert kinds([json.loads(socket.receive_text())]) == [(1, SCHEDULED)]
        put_state(client, path, IN_PROGRESS)
        report = json.loads(socket.receive_text())
        assert kinds([report]) == [(1, IN_PROGRESS)]
        assert report["00000110"]["Value"] == [2]
        assert report["00000002"]["Value"] == ["1.2.840.10008.5.1.4.34.6.4"]
    assert len(told(client)) <= 1  # the last is told again where it was not noted before the line was cut


def test_another_site_cannot_listen(client):
    with client.websocket_connect(CHANNEL, headers={"origin": "http://localhost", "host": "localhost"}):
        pass
    other = {"origin": "http://a.example", "host": "localhost"}
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect(CHANNEL, headers=other):
        pass
    assert closed.value.code == 1008


def test_a_subscriber_is_its_callers_alone(client, client_of):
    path = create(client)
    client.post(f"{path}/subscribers/READER")
    other = client_of("another")
    assert other.get("subscribers/READER/events").status_code == 403
    assert other.delete(f"{path}/subscribers/READER").status_code == 403
    assert other.post(f"{path}/subscribers/READER").status_code == 403
    with pytest.raises(WebSocketDisconnect), other.websocket_connect(CHANNEL):
        pass
    assert client.post(f"{path}/subscribers/{'X' * 17}").status_code == 400
    assert client.post(f"{path}/subscribers/R", params={"deletionlock": "perhaps"}).status_code == 400


def test_items_of_studies_that_are_not_seen_are_not_there(client, client_of, archive):
    archive.store(dicom(1))
    request = {"0040A370": {"vr": "SQ", "Value": [{"0020000D": {"vr": "UI", "Value": [uid(1)]}}]}}
    path = create(client, 7, **request)
    elsewhere = create(client, 8)
    seeing = client_of("seeing", visible=Visible(studies=frozenset({uid(1)})))
    blind = client_of("blind", visible=Visible())
    seeing.post(f"workitems/{GLOBAL}/subscribers/SEEING")
    blind.post(f"workitems/{GLOBAL}/subscribers/BLIND")
    assert seeing.get(path).status_code == 200
    assert len(seeing.get("workitems").json()) == 1
    for refused in (
        seeing.get(elsewhere),
        blind.get(path),
        put_state(blind, path, IN_PROGRESS),
        blind.post(f"{path}/subscribers/B"),
    ):
        assert refused.status_code == 404
    assert blind.get("workitems").status_code == 204
    create(client, 9, **request)
    assert [r["00001000"]["Value"][0] for r in told(seeing, "SEEING")] == [uid(7), uid(9)]
    assert told(blind, "BLIND") == []
    assert blind.post("workitems", json=[work_item(**request)], headers=JSON).status_code == 403
    assert seeing.post("workitems", json=[work_item(**request)], headers=JSON).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("GET", "workitems", Permission.FIND),
        ("GET", "workitems/1.2", Permission.FIND),
        ("POST", "workitems", Permission.SCHEDULE),
        ("POST", "workitems/1.2", Permission.SCHEDULE),
        ("PUT", "workitems/1.2/state", Permission.SCHEDULE),
        ("POST", "workitems/1.2/cancelrequest", Permission.SCHEDULE),
        ("POST", "workitems/1.2/subscribers/R", Permission.FIND),
        ("DELETE", "workitems/1.2/subscribers/R", Permission.FIND),
        ("POST", f"workitems/{GLOBAL}/subscribers/R/suspend", Permission.FIND),
        ("GET", "subscribers/R/events", Permission.FIND),
        ("DELETE", "studies/1.2", Permission.DELETE),
        ("DELETE", "studies/1.2/series/1.3", Permission.DELETE),
        ("DELETE", "studies/1.2/series/1.3/instances/1.4", Permission.DELETE),
        ("GET", "wado?requestType=WADO&studyUID=1&seriesUID=1&objectUID=1", Permission.READ),
        ("GET", "studies/1.2/pixeldata", Permission.READ),
        ("GET", "studies/1.2/bulkdata", Permission.READ),
        ("GET", "studies/1.2/rendered", Permission.READ),
    ],
)
def test_every_resource_needs_its_permission(client_of, method, path, needed):
    others = client_of(permissions=frozenset(Permission) - {needed})
    refused = others.request(method, path, json=[work_item()], headers=JSON)
    assert (refused.status_code, refused.json()["detail"]) == (403, f"someone may not {needed}")
    assert client_of(permissions=[needed]).request(method, path, json=[{}], headers=JSON).status_code != 403
