"""C-FIND as a provider, seen by pynetdicom and DCMTK."""

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from tests.archive.samples import dataset, dicom, uid

from pellucid.access import Permission
from pellucid.dimse.partners import ApplicationEntity, Partners

PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.1"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"


@pytest.fixture
def filled(archive):
    """Three studies of two patients."""
    archive.store(dicom(1, 1, 1))
    archive.store(dicom(1, 1, 2))
    archive.store(dicom(1, 2, 1, Modality="SR", SeriesDescription="Report"))
    archive.store(dicom(2, 1, 1, StudyDate="20260315", StudyTime="083000", AccessionNumber="A2"))
    archive.store(
        dicom(
            3, 1, 1, PatientName="Müller^Jörg", PatientID="P2", StudyDate="20260401", StudyTime="120000", Modality="MR"
        )
    )
    return archive


def identifier(level, **keys):
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(made, keyword, value)
    return made


@pytest.fixture
def find(filled, associate):
    def ask(level, model=STUDY_ROOT, syntax=ExplicitVRLittleEndian, extended=None, **keys):
        more = {}
        if extended is not None:
            item = SOPClassExtendedNegotiation()
            item.sop_class_uid, item.service_class_application_information = model, extended
            more["ext_neg"] = [item]
        association = associate((model, syntax), **more)
        answers = list(association.send_c_find(identifier(level, **keys), model))
        assert all(status.Status == 0xFF00 for status, _ in answers[:-1])
        ask.status = answers[-1][0]
        return [found for _, found in answers[:-1]]

    return ask


def test_studies(find):
    found = find("STUDY", StudyInstanceUID="", PatientName="", NumberOfStudyRelatedInstances="", StudyComments="")
    assert find.status.Status == 0
    assert [match.StudyInstanceUID for match in found] == [uid(3), uid(2), uid(1)]
    last = found[-1]
    assert last.PatientName == "Doe^Jane"
    assert last.NumberOfStudyRelatedInstances == 3
    assert last.QueryRetrieveLevel == "STUDY"
    assert last.RetrieveAETitle == "PELLUCID"
    assert last.InstanceAvailability == "ONLINE"
    assert last["StudyComments"].is_empty  # an optional key that is not known comes back empty
    assert "AccessionNumber" not in last


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize(
    ("keys", "studies"),
    [
        ({"PatientName": "doe*"}, [2, 1]),
        ({"PatientName": "muller^jorg"}, [3]),
        ({"PatientName": "Müller^*"}, [3]),
        ({"PatientName": "*"}, [3, 2, 1]),
        ({"PatientID": "P?"}, [3, 2, 1]),
        ({"PatientID": "p1"}, []),
        ({"StudyDate": "20260301-20260331"}, [2, 1]),
        ({"StudyDate": "20260315-"}, [3, 2]),
        ({"StudyDate": "-20260301"}, [1]),
        ({"StudyTime": "0800-0900"}, [2]),
        ({"StudyInstanceUID": [uid(1), uid(3)]}, [3, 1]),
        ({"ModalitiesInStudy": "SR"}, [1]),
        ({"AccessionNumber": "A*", "StudyDate": "20260315"}, [2]),
        ({"StudyDescription": "CHEST"}, []),
        ({"StudyDescription": "Ch%st"}, []),
    ],
)
def test_matching(find, syntax, keys, studies):
    found = find("STUDY", syntax=syntax, **{"StudyInstanceUID": "", **keys})
    assert [match.StudyInstanceUID for match in found] == [uid(number) for number in studies]


def test_characters_arrive(find):
    (found,) = find("STUDY", PatientID="P2", PatientName="")
    assert str(found.PatientName) == "Müller^Jörg"


def test_patients(find):
    found = find("PATIENT", PATIENT_ROOT, PatientID="", PatientName="", NumberOfPatientRelatedStudies="")
    assert {(match.PatientID, match.NumberOfPatientRelatedStudies) for match in found} == {("P1", 2), ("P2", 1)}


def test_the_tree_is_walked_down(find):
    assert len(find("STUDY", PATIENT_ROOT, PatientID="P1", StudyInstanceUID="")) == 2
    series = find("SERIES", PATIENT_ROOT, PatientID="P1", StudyInstanceUID=uid(1), SeriesInstanceUID="", Modality="")
    assert [match.Modality for match in series] == ["CT", "SR"]
    images = find(
        "IMAGE", StudyInstanceUID=uid(1), SeriesInstanceUID=uid(1, 1), SOPInstanceUID="", InstanceNumber="", Rows=None
    )
    assert [(match.SOPInstanceUID, match.InstanceNumber, match.Rows) for match in images] == [
        (uid(1, 1, 1), 1, 5),
        (uid(1, 1, 2), 2, 5),
    ]


def test_a_level_above_must_be_named_unless_relational(find):
    assert find("IMAGE", SOPInstanceUID="") == []
    assert find.status.Status == 0xA900
    assert "StudyInstanceUID" in find.status.ErrorComment
    assert len(find("IMAGE", extended=b"\1\0\0\0", SOPInstanceUID="")) == 5


def test_levels_that_do_not_exist(find):
    assert find("PATIENT", PatientID="") == []
    assert find.status.Status == 0xA900
    find("FRAME")
    assert find.status.Status == 0xA900


def test_a_key_of_a_lower_level_is_ignored_and_said_so(find, associate):
    association = associate(STUDY_ROOT)
    keys = identifier("STUDY", SeriesDescription="Report", StudyInstanceUID="")
    statuses = [status.Status for status, _ in association.send_c_find(keys, STUDY_ROOT)]
    assert statuses == [0xFF01, 0xFF01, 0xFF01, 0]


def test_fuzzy_names(find):
    assert find("STUDY", PatientName="jan do", StudyInstanceUID="") == []
    assert len(find("STUDY", extended=b"\0\0\1\0", PatientName="jan do", StudyInstanceUID="")) == 2


def test_date_and_time_together(find):
    keys = {"StudyDate": "20260301-20260315", "StudyTime": "1200-0900", "StudyInstanceUID": ""}
    assert find("STUDY", **keys) == []
    (found,) = find("STUDY", extended=b"\0\1\0\0", **keys)
    assert found.StudyInstanceUID == uid(2)


def test_sequences(filled, find):
    made = dataset(4, 1, 1)
    step = Dataset()
    step.ScheduledProcedureStepID, step.RequestedProcedureID = "S7", "R7"
    made.RequestAttributesSequence = [step]
    from tests.archive.samples import file_bytes

    filled.store(file_bytes(made))
    wanted = Dataset()
    wanted.ScheduledProcedureStepID = "S*"
    relational = {"extended": b"\1\0\0\0", "SeriesInstanceUID": ""}
    (found,) = find("SERIES", RequestAttributesSequence=[wanted], **relational)
    assert found.SeriesInstanceUID == uid(4, 1)
    wanted.ScheduledProcedureStepID = "X*"
    assert find("SERIES", RequestAttributesSequence=[wanted], **relational) == []


@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
def test_a_malformed_key_is_refused(find):
    assert find("STUDY", StudyDate="2026-03-01") == []
    assert find.status.Status == 0xC000
    assert "StudyDate" in find.status.ErrorComment


def test_cancelling(filled, associate):
    with filled.batch() as batch:
        for number in range(100):
            batch.store(dicom(1, 1, number + 10))
    association = associate(STUDY_ROOT)
    keys = identifier("IMAGE", StudyInstanceUID=uid(1), SeriesInstanceUID=uid(1, 1), SOPInstanceUID="")
    association.send_c_cancel(1, query_model=STUDY_ROOT)  # may come before the answers have begun
    statuses = [status.Status for status, _ in association.send_c_find(keys, STUDY_ROOT, msg_id=1)]
    assert statuses[-1] in (0xFE00, 0)
    assert association.is_established


def test_only_what_the_caller_sees(filled, find):
    from pellucid.archive.schema import StudyProjectRow

    with filled.writing() as session:
        session.add(StudyProjectRow(study_instance_uid=uid(2), project="trial"))
    rule = ApplicationEntity(title="TESTER", permissions=frozenset({Permission.FIND}), projects=frozenset({"trial"}))
    Partners(filled).put(rule)
    (found,) = find("STUDY", StudyInstanceUID="")
    assert found.StudyInstanceUID == uid(2)


def test_queries_are_noted(find, trail):
    find("STUDY", PatientName="Doe*")
    assert trail.names() == ["Query"]
    assert "Doe" not in str(trail[0].detail)


def test_dcmtk_finds(run, filled, listener):
    output = run(
        "findscu", "-S", "-aec", "PELLUCID", "127.0.0.1", listener.port, "-k", "QueryRetrieveLevel=STUDY", "-k",
        "StudyInstanceUID", "-k", "PatientName=DOE*", "-k", "NumberOfStudyRelatedSeries",
    )  # fmt: skip
    assert uid(1) in output
    assert uid(3) not in output
