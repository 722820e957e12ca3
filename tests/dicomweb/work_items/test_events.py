"""UPS-RS: subscriptions, events, and who sees and may do what (PS3.18 chapter 11, PS3.4 annex CC)."""

import json

import pytest
from starlette.websockets import WebSocketDisconnect
from tests.archive.samples import dicom, uid
from tests.dicomweb.work_items.requests import (
    CANCELED,
    IN_PROGRESS,
    JSON,
    SCHEDULED,
    create,
    put_state,
    work_item,
)

from pellucid.access import Permission
from pellucid.archive import Visible

GLOBAL, FILTERED = "1.2.840.10008.5.1.4.34.5", "1.2.840.10008.5.1.4.34.5.1"
CHANNEL = "ws://localhost/dicom-web/ws/subscribers/READER"


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
