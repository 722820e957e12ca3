"""Modality worklist, procedure steps and notices of availability, seen by pynetdicom and DCMTK."""

import pytest
from pydicom.dataset import Dataset
from pynetdicom.sop_class import (
    InstanceAvailabilityNotification,
    ModalityPerformedProcedureStep,
    ModalityPerformedProcedureStepRetrieve,
    ModalityWorklistInformationFind,
)
from tests.archive.samples import CT_STORAGE, uid

from pellucid.dimse.worklist import STEP, STEP_ID, Worklist
from pellucid.errors import InvalidInputError


def item(number=1, **changes):
    """A scheduled procedure step as DICOM JSON."""
    made = Dataset()
    made.PatientName = changes.pop("PatientName", "Doe^Jane")
    made.PatientID = f"P{number}"
    made.AccessionNumber = f"A{number}"
    made.StudyInstanceUID = uid(number)
    made.RequestedProcedureID = f"R{number}"
    step = Dataset()
    step.Modality = changes.pop("Modality", "CT")
    step.ScheduledStationAETitle = changes.pop("Station", "CT1")
    step.ScheduledProcedureStepStartDate = changes.pop("Date", "20260301")
    step.ScheduledProcedureStepStartTime = "0900"
    step.ScheduledProcedureStepID = f"S{number}"
    made.ScheduledProcedureStepSequence = [step]
    for keyword, value in changes.items():
        setattr(made, keyword, value)
    return made.to_json_dict()


def query(**keys):
    made, step = Dataset(), Dataset()
    made.PatientName, made.PatientID = keys.pop("PatientName", ""), ""
    made.AccessionNumber = keys.pop("AccessionNumber", "")
    for keyword in ("Modality", "ScheduledStationAETitle", "ScheduledProcedureStepStartDate"):
        setattr(step, keyword, keys.pop(keyword, ""))
    step.ScheduledProcedureStepID = ""
    made.ScheduledProcedureStepSequence = [step]
    return made


@pytest.fixture
def worklist(archive):
    made = Worklist(archive)
    made.add(item(1))
    made.add(item(2, Modality="MR", Station="MR1", Date="20260302", PatientName="Müller^Jörg"))
    return made


@pytest.fixture
def find(worklist, associate):
    def ask(**keys):
        association = associate(ModalityWorklistInformationFind)
        answers = list(association.send_c_find(query(**keys), ModalityWorklistInformationFind))
        assert answers[-1][0].Status == 0
        return [str(found.PatientID) for _, found in answers[:-1]]

    return ask


@pytest.mark.parametrize(
    ("keys", "patients"),
    [
        ({}, ["P1", "P2"]),
        ({"Modality": "MR"}, ["P2"]),
        ({"ScheduledStationAETitle": "CT1"}, ["P1"]),
        ({"ScheduledProcedureStepStartDate": "20260302"}, ["P2"]),
        ({"ScheduledProcedureStepStartDate": "20260301-20260302", "Modality": "CT"}, ["P1"]),
        ({"PatientName": "muller*"}, ["P2"]),
        ({"AccessionNumber": "A1"}, ["P1"]),
        ({"AccessionNumber": "A9"}, []),
    ],
)
def test_a_modality_finds_its_work(find, keys, patients):
    assert find(**keys) == patients


def test_only_what_was_asked_for_comes_back(worklist, associate):
    association = associate(ModalityWorklistInformationFind)
    (_, found), _ = association.send_c_find(query(AccessionNumber="A1"), ModalityWorklistInformationFind)
    assert "StudyInstanceUID" not in found
    (step,) = found.ScheduledProcedureStepSequence
    assert step.ScheduledProcedureStepID == "S1"
    assert "ScheduledProcedureStepStartTime" not in step


def test_dcmtk_finds(run, worklist, listener):
    output = run(
        "findscu", "-W", "-aec", "PELLUCID", "127.0.0.1", listener.port, "-k", "PatientName", "-k",
        "(0040,0100)[0].Modality=MR",
    )  # fmt: skip
    assert "ller" in output
    assert "Doe" not in output


def test_what_is_missing_is_made_or_said(archive):
    worklist = Worklist(archive)
    made = item(1)
    del made["0020000D"], made[STEP]["Value"][0][STEP_ID]
    worklist.add(made)
    ((_, stored),) = worklist.all()
    assert stored["0020000D"]["Value"][0].startswith("2.25.")
    assert stored[STEP]["Value"][0][STEP_ID]["Value"][0]
    made = item(1)
    del made["00100020"]
    with pytest.raises(InvalidInputError, match="PatientID: is missing"):
        worklist.add(made)
    with pytest.raises(InvalidInputError, match="0 steps"):
        worklist.add({"00100020": {"vr": "LO", "Value": ["P"]}})


class TestProcedureStep:
    def step(self, **changes):
        made, scheduled = Dataset(), Dataset()
        scheduled.StudyInstanceUID, scheduled.ScheduledProcedureStepID = uid(1), "S1"
        made.ScheduledStepAttributesSequence = [scheduled]
        made.PerformedProcedureStepID = "PPS1"
        made.PerformedStationAETitle = "CT1"
        made.PerformedProcedureStepStartDate, made.PerformedProcedureStepStartTime = "20260301", "0905"
        made.PerformedProcedureStepStatus = "IN PROGRESS"
        made.Modality = "CT"
        made.PatientID = "P1"
        for keyword, value in changes.items():
            setattr(made, keyword, value)
        return made

    def end(self, status="COMPLETED"):
        made, series = Dataset(), Dataset()
        made.PerformedProcedureStepStatus = status
        made.PerformedProcedureStepEndDate, made.PerformedProcedureStepEndTime = "20260301", "0930"
        series.SeriesInstanceUID, series.ProtocolName = uid(1, 1), "Head"
        made.PerformedSeriesSequence = [series]
        return made

    def create(self, association, made, instance=None):
        return association.send_n_create(made, ModalityPerformedProcedureStep, instance or uid(50))[0]

    def change(self, association, made):
        return association.send_n_set(made, ModalityPerformedProcedureStep, uid(50))[0]

    @pytest.fixture
    def modality(self, worklist, associate):
        return associate(ModalityPerformedProcedureStep)

    def test_from_the_worklist_to_its_end(self, modality, find, associate, trail):
        assert self.create(modality, self.step()).Status == 0
        assert find() == ["P1", "P2"]
        assert self.change(modality, self.end()).Status == 0
        assert find() == ["P2"]
        reader = associate(ModalityPerformedProcedureStepRetrieve)
        status, found = reader.send_n_get([0x00400252, 0x00400253], ModalityPerformedProcedureStepRetrieve, uid(50))
        assert status.Status == 0
        assert (found.PerformedProcedureStepStatus, found.PerformedProcedureStepID) == ("COMPLETED", "PPS1")
        assert len(found) == 2
        assert trail.names().count("Procedure Record") == 2

    def test_a_final_state_is_final(self, modality):
        self.create(modality, self.step())
        assert self.change(modality, self.end("DISCONTINUED")).Status == 0
        answer = self.change(modality, self.end())
        assert (answer.Status, answer.ErrorID) == (0x0110, 0xA710)

    def test_refusals(self, modality):
        assert self.create(modality, self.step(PerformedProcedureStepStatus="COMPLETED")).Status == 0x0106
        assert self.create(modality, self.step(Modality="")).Status == 0x0120
        assert self.change(modality, self.end()).Status == 0x0112
        assert self.create(modality, self.step()).Status == 0
        assert self.create(modality, self.step()).Status == 0x0111
        unfinished = self.end()
        del unfinished.PerformedSeriesSequence
        assert self.change(modality, unfinished).Status == 0x0120
        renamed = self.end()
        renamed.PatientID = "P9"
        assert self.change(modality, renamed).Status == 0x0106


def test_a_notice_of_availability_is_taken(associate, archive):
    from tests.archive.samples import dicom

    from pellucid.dimse.delivering import notice_of

    archive.store(dicom())
    made = Dataset.from_json(notice_of(archive, uid(1), "PELLUCID"))
    assert made.ReferencedSeriesSequence[0].ReferencedSOPSequence[0].ReferencedSOPClassUID == CT_STORAGE
    association = associate(InstanceAvailabilityNotification)
    status, _ = association.send_n_create(made, InstanceAvailabilityNotification, uid(60))
    assert status.Status == 0
    del made.StudyInstanceUID
    assert association.send_n_create(made, InstanceAvailabilityNotification, uid(61))[0].Status == 0x0120
