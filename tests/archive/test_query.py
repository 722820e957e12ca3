"""Matching as PS3.4 C.2.2.2 says."""

import pytest
from tests.archive.samples import dicom, uid

from pellucid.archive import Archive, Query
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
