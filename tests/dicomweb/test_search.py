"""QIDO-RS as PS3.18 section 10.6 says."""

import time
from xml.etree import ElementTree as ET

import pytest
from pydicom.dataset import Dataset
from tests.archive.samples import dicom, uid


@pytest.fixture(scope="module", autouse=True)
def content(archive):
    with archive.batch() as batch:
        for study in (1, 2, 3):
            for series in (1, 2):
                same = {"PatientID": f"P{study}", "StudyDate": f"2026030{study}", "PatientComments": "x"}
                request = {"RequestAttributesSequence": [requested(f"R{study}")], "OperatorsName": f"Op^{series}"}
                batch.store(dicom(study, series, 1, StationName=f"CT{series}", **same, **request))
        batch.store(dicom(1, 1, 2, PatientID="P1", StudyDate="20260301", PatientComments="x"))


def requested(step):
    item = Dataset()
    item.ScheduledProcedureStepID = step
    code = Dataset()
    code.CodeMeaning = "Head"
    item.ScheduledProtocolCodeSequence = [code]
    return item


def studies(response):
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/dicom+json"
    return [int(item["0020000D"]["Value"][0].rpartition(".")[2]) for item in response.json()]


def test_studies_have_the_required_attributes(client):
    response = client.get("studies", params={"PatientID": "P1"})
    (study,) = response.json()
    required = (  # table 10.6.3-3
        "00080020 00080030 00080050 00080056 00080061 00080090 00081190 00100010 00100020 00100030 00100040 "
        "0020000D 00200010 00201206 00201208"
    )
    assert set(required.split()) <= set(study)
    assert study["00081190"]["Value"] == [f"http://localhost/dicom-web/studies/{uid(1)}"]
    assert study["00201206"]["Value"] == [2]
    assert study["00201208"]["Value"] == [3]
    assert list(study) == sorted(study)
    assert "00104000" not in study


def test_series_have_the_required_attributes(client):
    series = client.get(f"studies/{uid(1)}/series").json()
    assert [s["0020000E"]["Value"] for s in series] == [[uid(1, 1)], [uid(1, 2)]]
    assert {"00080060", "0008103E", "00081190", "0020000E", "00200011", "00201209"} <= set(series[0])
    assert series[0]["00201209"]["Value"] == [2]
    assert "00100020" not in series[0]
    assert "00100020" in client.get("series").json()[0]


def test_instances_have_the_required_attributes(client):
    instances = client.get(f"studies/{uid(1)}/series/{uid(1, 1)}/instances").json()
    assert [i["00200013"]["Value"] for i in instances] == [[1], [2]]
    assert {"00080016", "00080018", "00081190", "00200013", "00280010", "00280011", "00280100"} <= set(instances[0])
    assert instances[0]["00081190"]["Value"][0].endswith(f"/instances/{uid(1, 1, 1)}")
    assert "00080060" not in instances[0]
    assert len(client.get(f"studies/{uid(1)}/instances").json()) == 3
    everywhere = client.get("instances", params={"InstanceNumber": "2"}).json()
    assert len(everywhere) == 1
    assert {"00100020", "00080060"} <= set(everywhere[0])


@pytest.mark.parametrize("field", ["PatientComments", "00104000", "StudyDescription,PatientComments", "all"])
def test_includefield(client, field):
    (study,) = client.get("instances", params={"includefield": field, "InstanceNumber": "2"}).json()
    assert study["00104000"]["Value"] == ["x"]
    assert ("00281053" in study) == (field == "all")


def test_matching_by_tag_and_what_was_matched_is_returned(client):
    assert studies(client.get("studies", params={"00100020": "P2"})) == [2]
    (series,) = client.get(f"studies/{uid(1)}/series", params={"StationName": "CT1"}).json()
    assert series["00081010"]["Value"] == ["CT1"]


def test_several_values_for_includefield(client):
    (item,) = client.get("studies", params=[("includefield", "PatientWeight"), ("PatientID", "P1")]).json()
    assert "00101030" not in item


def test_pages(client):
    assert studies(client.get("studies")) == [3, 2, 1]
    assert studies(client.get("studies", params={"limit": 1, "offset": 1})) == [2]
    assert client.get("studies", params={"offset": 3}).status_code == 204


def test_the_rest_is_announced(client):
    response = client.get("studies", params={"limit": 2, "PatientName": "Doe*"})
    assert studies(response) == [3, 2]
    assert response.headers["warning"] == '299 pellucid "There are additional results that can be requested"'
    following = response.headers["link"].removesuffix('>; rel="next"').removeprefix("<")
    last = client.get(following)
    assert studies(last) == [1]
    assert "warning" not in last.headers
    assert "link" not in last.headers


DEEP = [
    ({"RequestAttributesSequence.ScheduledProcedureStepID": "R2"}, [2, 2]),
    ({"00400275.00400009": "R?"}, [3, 3, 2, 2, 1, 1]),
    ({"RequestAttributesSequence.ScheduledProtocolCodeSequence.CodeMeaning": "He*", "PatientID": "P1"}, [1, 1]),
    ({"RequestAttributesSequence.ScheduledProcedureStepID": "R?", "limit": 1, "offset": 2}, [2]),
    ({"OperatorsName": "op^1"}, [3, 2, 1]),
    ({"OperatorsName": "1", "fuzzymatching": "true"}, [3, 2, 1]),
    ({"BodyPartExamined": '""', "emptyvaluematching": "true"}, [3, 3, 2, 2, 1, 1]),
    ({"OperatorsName": '""', "emptyvaluematching": "true"}, []),
]


@pytest.mark.parametrize(("query", "expected"), DEEP)
def test_attributes_in_sequences_and_those_without_an_index(client, query, expected):
    response = client.get("series", params=query)
    assert response.status_code == (200 if expected else 204), response.text
    if expected:
        assert studies(response) == expected
        name = next(iter(query)).partition(".")[0]
        assert name not in ("00400275", "RequestAttributesSequence") or "00400275" in response.json()[0]
    if "limit" in query:
        assert "additional results" in response.headers["warning"]


def test_attributes_in_sequences_at_a_level_above(client):
    response = client.get("studies", params={"RequestAttributesSequence.ScheduledProcedureStepID": "R2"})
    assert len(response.json()) == 3
    assert "RequestAttributesSequence.ScheduledProcedureStepID cannot be matched" in response.headers["warning"]


def test_fields_in_sequences_private_and_several(client):
    fields = [
        ("includefield", "RequestAttributesSequence.ScheduledProcedureStepID"),
        ("includefield", "00091001,00104000"),
    ]
    found = client.get(f"studies/{uid(1)}/series/{uid(1, 1)}/instances", params=fields).json()
    assert found[0]["00400275"]["Value"][0]["00400009"]["Value"] == ["R1"]
    assert found[0]["00104000"]["Value"] == ["x"]


def test_xml(client, parts_of):
    response = client.get("studies", headers={"accept": 'multipart/related; type="application/dicom+xml"'})
    parts = parts_of(response)
    assert len(parts) == 3
    (url,) = ET.fromstring(parts[0][1]).findall("*[@keyword='RetrieveURL']/*")
    assert url.text == f"http://localhost/dicom-web/studies/{uid(3)}"


def test_lists_and_ranges(client):
    assert studies(client.get("studies", params={"StudyInstanceUID": f"{uid(1)},{uid(3)}"})) == [3, 1]
    assert studies(client.get("studies", params={"StudyInstanceUID": f"{uid(1)}\\{uid(3)}"})) == [3, 1]
    assert studies(client.get("studies", params={"StudyDate": "20260302-", "StudyTime": "1000-1100"})) == [3, 2]
    assert studies(client.get("studies", params={"StudyDate": "-20260301"})) == [1]
    assert client.get("studies", params={"StudyDate": "20260302-", "StudyTime": "1100-"}).status_code == 204


def test_no_match_is_204_without_a_body(client):
    response = client.get("studies", params={"PatientID": "nobody"})
    assert response.status_code == 204
    assert response.content == b""
    assert client.get(f"studies/{uid(9)}/series").status_code == 204


def test_fuzzy_matching(client):
    assert studies(client.get("studies", params={"PatientName": "jan", "fuzzymatching": "true"})) == [3, 2, 1]
    assert client.get("studies", params={"PatientName": "jan", "fuzzymatching": "false"}).status_code == 204


@pytest.mark.parametrize("keyword", ["Rows", "SeriesDescription", "BodyPartExamined", "SOPClassUID"])
def test_what_was_not_matched_is_said(client, keyword):
    response = client.get("studies", params={keyword: "5"})
    assert len(response.json()) == 3
    assert response.headers["warning"] == f'299 pellucid "{keyword} cannot be matched at this level and was ignored"'


@pytest.mark.parametrize(
    ("parameters", "detail"),
    [
        ({"Patient": "x"}, "'Patient' is not a DICOM keyword or tag"),
        ({"limit": "-1"}, "limit: is '-1'; expected an integer >= 0"),
        ({"offset": "many"}, "offset: is 'many'"),
        ({"fuzzymatching": "maybe"}, "fuzzymatching: is 'maybe'"),
        ({"includefield": "Nothing"}, "'Nothing' is not"),
        ({"StudyDate": "today"}, "StudyDate: is 'today'"),
        ({"StudyInstanceUID": "../.."}, "expected UIDs"),
        ({"RequestAttributesSequence.Nothing": "x"}, "'Nothing' is not a DICOM keyword or tag"),
        ({"emptyvaluematching": "perhaps"}, "emptyvaluematching: is 'perhaps'"),
        ([("PatientID", "P1"), ("00100020", "P2")], "PatientID: is given twice"),
    ],
)
def test_malformed_queries_are_400(client, parameters, detail):
    response = client.get("studies", params=parameters)
    assert response.status_code == 400
    assert detail in response.json()["detail"]


def test_an_option_that_is_not_supported_is_named(client):
    response = client.get("studies", params={"multiplevaluematching": "true", "PatientID": "P1"})
    assert studies(response) == [1]
    assert "multiplevaluematching is not supported" in response.headers["warning"]


def test_an_address_cannot_be_contradicted(client):
    response = client.get(f"studies/{uid(1)}/series", params={"StudyInstanceUID": uid(2)})
    assert response.status_code == 400


def test_many_instances_are_quick(client, archive):
    """The answer is put together from stored text (processor time; the machine may be busy)."""
    with archive.batch() as batch:
        for number in range(150):
            batch.store(dicom(9, 1, number))
    try:
        path = f"studies/{uid(9)}/series/{uid(9, 1)}/instances"
        assert len(client.get(path).json()) == 150
        before = time.process_time()
        client.get(path)
        assert time.process_time() - before < 0.05  # the goal is 80 ms for 500; a part of it is for each request
    finally:
        archive.delete(uid(9))
