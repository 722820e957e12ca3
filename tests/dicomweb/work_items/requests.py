"""Requests on work items, and what they hold."""

from tests.archive.samples import uid

JSON = {"content-type": "application/dicom+json"}
SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED = "SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"


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
