"""Matching as PS3.4 C.2.2.2 says."""

import json
import re

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select
from tests.archive.samples import CT_STORAGE, SECONDARY_CAPTURE, dicom, uid

from pellucid.archive import Archive, Query
from pellucid.archive.schema import InstanceRow
from pellucid.errors import InvalidInputError

PEOPLE = {
    1: {"PatientName": "Doe^Jane", "PatientID": "P1", "StudyDate": "20260301", "StudyTime": "101500"},
    2: {"PatientName": "DÖE^Jörg", "PatientID": "P2", "StudyDate": "20260302", "StudyTime": "0930"},
    3: {"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう", "PatientID": "p1_x", "StudyDate": "20251231"},
    4: {"PatientName": "O'Hara^Mary Ann", "PatientID": "P%", "StudyDate": "", "StudyTime": ""},
}


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    archive = Archive(tmp_path_factory.mktemp("four"))
    with archive.batch() as batch:
        for study, person in PEOPLE.items():
            batch.store(dicom(study=study, **person))
        batch.store(dicom(study=1, series=2, Modality="PT", SeriesDescription="Late", BodyPartExamined="HEAD"))
        batch.store(dicom(study=1, series=2, instance=2, Modality="PT", SeriesDescription="Late"))
    yield archive
    archive.close()


def found(archive, level="study", *, fuzzy=False, **filters):
    matches = archive.find(Query(level, filters, fuzzy=fuzzy))
    return sorted(int(m.study_instance_uid.rpartition(".")[2]) for m in matches)


@pytest.mark.parametrize(
    ("filters", "studies"),
    [
        ({}, [1, 2, 3, 4]),
        ({"PatientID": ""}, [1, 2, 3, 4]),
        ({"PatientID": "*"}, [1, 2, 3, 4]),
        ({"PatientID": "P1"}, [1]),
        ({"PatientID": "p1"}, []),
        ({"PatientID": "P?"}, [1, 2, 4]),
        ({"PatientID": "p?"}, []),
        ({"PatientID": "P%"}, [4]),
        ({"PatientID": "?%"}, [4]),
        ({"PatientID": "*1_*"}, [3]),
        ({"PatientID": "*_x"}, [3]),
        ({"PatientID": "P1\\P2"}, [1, 2]),
        ({"PatientName": "doe^*"}, [1, 2]),
        ({"PatientName": "DOE^JANE"}, [1]),
        ({"PatientName": "DOE^JANE^^"}, [1]),
        ({"PatientName": "*JORG"}, [2]),
        ({"PatientName": "山田*"}, [3]),
        ({"PatientName": "やまだ^たろう"}, [3]),
        ({"PatientName": "Yamada^Tarou"}, [3]),
        ({"PatientName": "Doe"}, []),
        ({"StudyDate": "20260301"}, [1]),
        ({"StudyDate": "20260301-"}, [1, 2]),
        ({"StudyDate": "-20260301"}, [1, 3]),
        ({"StudyDate": "20251201-20260301"}, [1, 3]),
        ({"StudyTime": "0900-1000"}, [2]),
        ({"StudyTime": "-1015"}, [1, 2, 3]),
        ({"StudyTime": "1015"}, [1, 3]),
        ({"StudyInstanceUID": uid(2)}, [2]),
        ({"StudyInstanceUID": f"{uid(2)},{uid(3)}"}, [2, 3]),
        ({"StudyInstanceUID": f"{uid(2)}\\{uid(3)}"}, [2, 3]),
        ({"ModalitiesInStudy": "PT"}, [1]),
        ({"ModalitiesInStudy": "PT,MR"}, [1]),
        ({"ModalitiesInStudy": "ct"}, [1, 2, 3, 4]),
        ({"SOPClassesInStudy": "1.2.840.10008.5.1.4.1.1.2"}, [1, 2, 3, 4]),
        ({"SOPClassesInStudy": "1.2.3"}, []),
        ({"PatientSex": "F", "AccessionNumber": "A1"}, [1, 2, 3, 4]),
        ({"ReferringPhysicianName": "curie*"}, [1, 2, 3, 4]),
        ({"PatientAge": "001Y"}, []),
    ],
)
def test_study_matching(four, filters, studies):
    assert found(four, **filters) == studies


@pytest.mark.parametrize(
    ("words", "studies"),
    [("jan", [1]), ("mary oh", []), ("o'h ann", [4]), ("do j", [1, 2]), ("ane", []), ("山", [3]), ("", [1, 2, 3, 4])],
)
def test_fuzzy_matching_by_beginnings_of_words(four, words, studies):
    assert found(four, fuzzy=True, PatientName=words) == studies


def test_series_and_instance_levels(four):
    assert found(four, "series", Modality="PT") == [1]
    assert found(four, "series", BodyPartExamined="HEAD", PatientID="P1") == [1]
    assert found(four, "series", SeriesNumber="1") == [1, 2, 3, 4]
    assert found(four, "series", StudyInstanceUID=uid(1)) == [1, 1]
    assert found(four, "instance", Modality="PT") == [1, 1]
    assert found(four, "instance", InstanceNumber="2") == [1]
    assert found(four, "instance", Rows="5", PatientID="P2") == [2]
    assert found(four, "instance", BitsAllocated="16", PatientID="P2") == [2]
    assert found(four, "instance", PhotometricInterpretation="MONOCHROME?", PatientID="P2") == [2]
    assert found(four, "instance", SOPInstanceUID=uid(3, 1, 1)) == [3]


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"StudyDate": "yesterday"}, "StudyDate: is 'yesterday'; expected a date"),
        ({"StudyDate": "-"}, "expected a date"),
        ({"StudyTime": "10:15"}, "expected a time"),
        ({"StudyInstanceUID": "1.2.x"}, "expected UIDs"),
        ({"StudyInstanceUID": ",".join(["1.2"] * 5000)}, "StudyInstanceUID: lists more than 200 values"),
        ({"PatientID": "\\".join("abc" * 5000)}, "PatientID: lists more than 200 values"),
    ],
)
def test_malformed_filters_are_refused(four, filters, message):
    with pytest.raises(InvalidInputError, match=message):
        four.find(Query("study", filters))


def test_what_cannot_be_matched_is_said(four):
    query = Query("study", {"Modality": "CT", "PatientID": "P1", "RequestAttributesSequence": "x", "Rows": "5"})
    assert query.unsupported == ["Modality", "RequestAttributesSequence", "Rows"]
    assert len(four.find(query)) == 1


def test_counts_and_order(four):
    studies = four.find(Query("study"))
    assert [int(m.study_instance_uid[-1]) for m in studies] == [2, 1, 3, 4]
    first = studies[1].attributes
    assert first["00080061"]["Value"] == ["CT", "PT"]
    assert first["00201206"]["Value"] == [2]
    assert first["00201208"]["Value"] == [3]
    (series,) = four.find(Query("series", {"Modality": "PT"}))
    assert series.attributes["00201209"]["Value"] == [2]
    assert series.attributes["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]


def test_limit_and_offset(four):
    assert [m.study_instance_uid for m in four.find(Query("study", limit=2, offset=1))] == [uid(1), uid(3)]
    assert four.find(Query("study", limit=0)) == []
    assert len(four.find(Query("study", offset=3))) == 1


def test_text_is_what_find_reads(four):
    """The same attributes, in order, as one JSON object a match."""
    for level in ("study", "series", "instance"):
        texts = [json.loads(text) for text in four.find_text(Query(level))]
        assert texts == [dict(match.attributes) for match in four.find(Query(level))]
        assert all(list(text) == sorted(text) for text in texts)


def test_text_has_what_is_asked_for_and_where_it_is(four):
    query = Query("instance", {"SOPInstanceUID": uid(1, 2, 2)})
    (text,) = four.find_text(query, {"00100010", "00080060", "00200013", "00201209"}, root="http://here")
    assert json.loads(text) == {
        "00080060": {"vr": "CS", "Value": ["PT"]},
        "00081190": {
            "vr": "UR",
            "Value": [f"http://here/studies/{uid(1)}/series/{uid(1, 2)}/instances/{uid(1, 2, 2)}"],
        },
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]},
        "00200013": {"vr": "IS", "Value": [2]},
        "00201209": {"vr": "IS", "Value": [2]},
    }
    (pixels,) = four.find_text(query, {"7FE00010"}, root="http://here")
    assert '"BulkDataURI":"http://here/studies/' in pixels


def test_long_attributes_lie_apart_and_are_found(archive):
    item = Dataset()
    item.CodeMeaning = "x" * 60
    archive.store(dicom(ReferencedImageSequence=[item] * 30, ImageType=["D" * 16] * 100))
    with archive.looking() as connection:
        short, long = connection.execute(select(InstanceRow.attributes, InstanceRow.long_attributes)).one()
    assert "00081140" in long
    assert "00081140" not in short
    (text,) = archive.find_text(Query("instance"), {"00081140"})
    assert len(json.loads(text)["00081140"]["Value"]) == 30
    (text,) = archive.find_text(Query("instance"), {"00080008"})  # what searches give is never apart
    assert json.loads(text)["00080008"]["Value"] == ["D" * 16] * 100
    (whole,) = archive.attributes(uid(1))
    assert list(json.loads(whole)) == sorted(json.loads(whole))
    assert {"00081140", "7FE00010"} <= set(json.loads(whole))


PLANS = [
    ("study", {"PatientName": "do*"}),
    ("study", {"PatientName": "Doe^Jane"}),
    ("study", {"PatientID": "P1*"}),
    ("study", {"AccessionNumber": "A1"}),
    ("study", {"StudyID": "S1"}),
    ("study", {"StudyDate": "20260101-20260331"}),
    ("series", {"StudyInstanceUID": "1.2"}),
    ("instance", {"PatientID": "P1"}),
    ("instance", {"SOPInstanceUID": "1.2"}),
    ("instance", {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2"}),
]


@pytest.mark.parametrize(("level", "filters"), PLANS)
def test_searches_use_indexes(archive, level, filters):
    assert not [step for step in plan(archive, Query(level, filters, limit=100)) if step.startswith("SCAN")]


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_what_cannot_be_looked_up_goes_through_studies_in_their_order(archive, level):
    """So that the first page ends the search, and no sort of everything comes before it."""
    for filters in ({}, {"ModalitiesInStudy": "CT"}, {"InstitutionName": "X"}):
        steps = plan(archive, Query(level, filters, limit=100))
        assert re.match("SCAN studies USING (COVERING )?INDEX ix_studies_order", steps[0])
        assert "USE TEMP B-TREE FOR ORDER BY" not in steps


@pytest.mark.parametrize("level", ["study", "series", "instance"])
@pytest.mark.parametrize(
    "filters",
    [
        {"PatientSex": "F"},
        {"PatientName": "*doe"},
        {"ReferringPhysicianName": "cur*"},
        {"StudyDescription": "Chest"},
        {"PatientID": "?1", "StudyDate": "20260101-20260331"},
    ],
)
def test_what_has_no_index_of_its_own_goes_through_one_that_holds_all_it_needs(archive, level, filters):
    steps = plan(archive, Query(level, filters, limit=100))
    assert re.match("(SCAN|SEARCH) studies USING COVERING INDEX ix_studies_search", steps[0])
    assert "USE TEMP B-TREE FOR ORDER BY" not in steps


def test_descriptions_of_series_are_read_from_an_index(archive):
    steps = plan(archive, Query("series", {"SeriesDescription": "Thin"}, limit=100))
    assert any("series USING COVERING INDEX ix_series_search" in step for step in steps)


def plan(archive, query):
    if archive._database.is_postgresql:
        pytest.skip("SQLite's plans")
    statement = query.statement(archive.visible)
    with archive.looking() as connection:
        compiled = statement.compile(connection.engine, compile_kwargs={"render_postcompile": True})
        values = tuple(compiled.params[name] for name in compiled.positiontup)
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values)
        return [row[3] for row in rows]


def test_counts_follow_what_comes_and_goes(archive):
    def counts():
        (match,) = archive.find(Query("study"))
        return [match.attributes[tag].get("Value") for tag in ("00080061", "00080062", "00201206", "00201208")]

    archive.store(dicom())
    archive.store(dicom(series=2, Modality="PT", SOPClassUID=SECONDARY_CAPTURE))
    archive.store(dicom(series=2, instance=2, Modality="PT"))
    assert counts() == [["CT", "PT"], [CT_STORAGE, SECONDARY_CAPTURE], [2], [3]]
    archive.delete(uid(1), uid(1, 2), uid(1, 2, 1))
    assert counts() == [["CT", "PT"], [CT_STORAGE], [2], [2]]
    archive.delete(uid(1), uid(1, 2))
    assert counts() == [["CT"], [CT_STORAGE], [1], [1]]
