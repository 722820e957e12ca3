"""UPS-RS: work items, their states and searches (PS3.18 chapter 11, PS3.4 annex CC)."""

import pytest
from tests.archive.samples import uid
from tests.dicomweb.work_items.requests import (
    CANCELED,
    COMPLETED,
    IN_PROGRESS,
    JSON,
    PERFORMED,
    SCHEDULED,
    create,
    perform,
    put_state,
    state_of,
    work_item,
)


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
