"""ImagingStudy read and search (FHIR R5)."""

import pytest
from tests.archive.samples import uid
from tests.fhir.cardinalities import check

from pellucid.access import Permission
from pellucid.archive import Visible


def found(response):
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/fhir+json"
    check("Bundle", response.json())
    return [int(entry["resource"]["id"].rpartition(".")[2]) for entry in response.json().get("entry", [])]


def test_a_study(client):
    response = client.get(f"ImagingStudy/{uid(1)}")
    assert response.headers["content-type"] == "application/fhir+json"
    study = response.json()
    check("ImagingStudy", study)
    assert study["id"] == uid(1)
    assert study["identifier"][0] == {"system": "urn:dicom:uid", "value": f"urn:oid:{uid(1)}"}
    assert study["identifier"][1]["value"] == "A1"
    assert study["subject"] == {"type": "Patient", "identifier": {"value": "P1"}, "display": "Dr Jane M Doe"}
    assert study["started"] == "2026-03-01T10:15:00+01:00"
    assert study["referrer"] == {"display": "Marie Curie"}
    assert study["modality"][0]["coding"][0]["code"] == "CT"
    assert (study["numberOfSeries"], study["numberOfInstances"]) == (2, 2)
    assert [series["uid"] for series in study["series"]] == [uid(1, 1), uid(1, 2)]
    series = study["series"][0]
    assert series["bodySite"] == {"concept": {"text": "CHEST"}}
    assert series["laterality"]["coding"][0]["code"] == "7771000"
    assert series["instance"] == [
        {
            "uid": uid(1, 1, 1),
            "sopClass": {"system": "urn:ietf:rfc:3986", "code": "urn:oid:1.2.840.10008.5.1.4.1.1.2"},
            "number": 1,
        }
    ]


def test_what_is_not_there(client):
    for path in (f"ImagingStudy/{uid(9)}", "ImagingStudy/x", "Patient/1", ""):
        response = client.get(path)
        assert response.status_code == 404
        check("OperationOutcome", response.json())
    assert client.delete(f"ImagingStudy/{uid(1)}").status_code in (404, 405)


SEARCHES = [
    ({}, [3, 2, 1]),
    ({"_id": uid(2)}, [2]),
    ({"_id": f"{uid(2)},{uid(3)}"}, [3, 2]),
    ({"identifier": f"urn:dicom:uid|urn:oid:{uid(2)}"}, [2]),
    ({"identifier": f"urn:oid:{uid(2)}"}, [2]),
    ({"identifier": "A3"}, [3]),
    ({"identifier": "|A3"}, [3]),
    ({"patient": "Patient/P1"}, [1]),
    ({"patient": "P1,P2"}, [2, 1]),
    ({"patient.identifier": "urn:x|P2"}, [2]),
    ({"started": "2026-03-02"}, [2]),
    ({"started": "2026-03"}, [3, 2, 1]),
    ({"started": "2025"}, []),
    ({"started": "ge2026-03-02"}, [3, 2]),
    ({"started": "gt2026-03-02"}, [3]),
    ({"started": "lt2026-03-02"}, [1]),
    ({"started": "le2026-03-02"}, [2, 1]),
    ({"started": "gt2025"}, [3, 2, 1]),
    ({"started": ["ge2026-03-02", "lt2026-03-03"]}, [2]),
    ({"modality": "CT"}, [3, 1]),
    ({"modality": "http://dicom.nema.org/resources/ontology/DCM|MR"}, [2]),
    ({"modality": "CT,MR"}, [3, 2, 1]),
    ({"bodysite": "head"}, [3, 2]),
    ({"bodysite": "HEAD", "modality": "CT"}, [3]),
    ({"status": "available"}, [3, 2, 1]),
    ({"status": "cancelled"}, []),
    ({"series": uid(2, 1)}, [2]),
    ({"instance": uid(3, 2, 1)}, [3]),
    ({"dicom-class": "1.2.840.10008.5.1.4.1.1.2"}, [3, 2, 1]),
    ({"unknown": "x", "patient": "P1"}, [1]),
]


@pytest.mark.parametrize(("query", "expected"), SEARCHES)
def test_searches(client, query, expected):
    assert found(client.get("ImagingStudy", params=query)) == expected


@pytest.mark.parametrize("query", [{}, {"bodysite": "HEAD,CHEST"}])
def test_pages(client, query):
    response = client.get("ImagingStudy", params={**query, "_count": 2, "_total": "accurate"})
    assert found(response) == [3, 2]
    assert response.json()["total"] == 3
    links = {link["relation"]: link["url"] for link in response.json()["link"]}
    last = client.get(links["next"])
    assert found(last) == [1]
    assert [link["relation"] for link in last.json()["link"]] == ["self"]


def test_the_number_alone(client):
    for query in ({"_summary": "count"}, {"_count": "0"}):
        response = client.get("ImagingStudy", params={**query, "modality": "CT"})
        assert found(response) == []
        assert response.json()["total"] == 2


def test_a_posted_search(client):
    assert found(client.post("ImagingStudy/_search", data={"patient": "P3"})) == [3]
    large = client.post("ImagingStudy/_search", content=b"x" * 100_000)
    assert large.status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        {"started": "today"},
        {"started": "2026-13"},
        {"started": "ne2026"},
        {"started": "eb0001"},
        {"_id": "../x"},
        {"_count": "-1"},
        {"_offset": "x"},
        {"patient": "P*"},
        {"identifier": f"A1,urn:oid:{uid(1)}"},
        {"series": "x"},
        {"_id": ",".join(["1.2"] * 300)},
    ],
)
def test_malformed_searches(client, query):
    response = client.get("ImagingStudy", params=query)
    assert response.status_code == 400, response.text
    check("OperationOutcome", response.json())


def test_formats(client):
    assert client.get("ImagingStudy", headers={"accept": "application/fhir+xml"}).status_code == 406
    assert client.get("ImagingStudy", params={"_format": "xml"}).status_code == 406
    assert client.get("ImagingStudy", params={"_format": "json"}).status_code == 200


def test_the_endpoint_leads_to_the_images(client):
    study = client.get(f"ImagingStudy/{uid(1)}").json()
    endpoint = client.get(study["endpoint"][0]["reference"]).json()
    check("Endpoint", endpoint)
    assert endpoint["address"] == "http://localhost/dicom-web"
    check("Bundle", client.get("Endpoint").json())


def test_capabilities(client):
    statement = client.get("metadata").json()
    check("CapabilityStatement", statement)
    (rest,) = statement["rest"]
    names = {parameter["name"] for parameter in rest["resource"][0]["searchParam"]}
    assert {"patient", "identifier", "started", "modality", "bodysite", "status", "_id"} <= names


def test_only_what_the_caller_sees(client_of, seeing_second):
    assert found(seeing_second.get("ImagingStudy")) == [2]
    assert found(seeing_second.get("ImagingStudy", params={"bodysite": "HEAD"})) == [2]
    assert seeing_second.get("ImagingStudy", params={"_summary": "count"}).json()["total"] == 1
    assert seeing_second.get(f"ImagingStudy/{uid(1)}").status_code == 404
    assert found(client_of(visible=Visible()).get("ImagingStudy")) == []
    for path in ("ImagingStudy", f"ImagingStudy/{uid(1)}"):
        refused = client_of(permissions=[Permission.READ]).get(path)
        assert refused.status_code == 403
        check("OperationOutcome", refused.json())
