"""Procedure steps performed here and told to another application: pynetdicom's, and this archive's own."""

from contextlib import suppress
from tempfile import TemporaryDirectory

import pytest
from pydicom.dataset import Dataset
from tests.capture.videos import write
from tests.dimse.conftest import listening
from tests.dimse.information import Information
from tests.dimse.test_clients import free_port
from tests.dimse.test_routing import delivering, until
from tests.dimse.test_worklist import item

from pellucid.archive import Query
from pellucid.cli.app import run as pellucid
from pellucid.dimse.deliveries import Deliveries
from pellucid.dimse.partners import ApplicationEntity, Partners
from pellucid.dimse.worklist import STATUS, STEP, Worklist


@pytest.fixture
def scheduled(archive, monkeypatch):
    monkeypatch.setenv("PELLUCID_PROCEDURE_STEPS_TO", "RIS")
    monkeypatch.setenv("PELLUCID_AET", "GRABBER,OTHER")
    Worklist(archive).add(item(1, Modality="ES"))
    return archive


@pytest.fixture
def ris(scheduled):
    started = Information()
    Partners(scheduled).put(ApplicationEntity(title="RIS", host="127.0.0.1", port=started.port))
    yield started
    started.server.shutdown()


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return str(write(tmp_path_factory.mktemp("video") / "a.mp4", count=4))


def grab(archive, video, *more):
    command = ["capture", video, "--as", "video", "--view", "endoscopic", "--worklist", "A1"]
    return pellucid([*command, *more, "--data", str(archive.folder)])


def test_a_capture_is_told_from_its_beginning_to_its_end(scheduled, ris, video):
    assert grab(scheduled, video) == 0
    (began, uid, created), (ended, same, final) = ris.told
    assert (began, ended, uid) == ("N-CREATE", "N-SET", same)
    assert created.PerformedProcedureStepStatus == "IN PROGRESS"
    assert (created.Modality, created.PerformedStationAETitle) == ("ES", "GRABBER")
    assert (created.PatientID, str(created.PatientName)) == ("P1", "Doe^Jane")
    (request,) = created.ScheduledStepAttributesSequence
    assert (request.AccessionNumber, request.RequestedProcedureID) == ("A1", "R1")
    assert request.ScheduledProcedureStepID == "S1"
    for empty in ("PatientBirthDate", "ReferencedPatientSequence", "PerformedProcedureStepEndDate", "StudyID"):
        assert empty in created
        assert not created[empty].value
    assert final.PerformedProcedureStepStatus == "COMPLETED"
    assert final.PerformedProcedureStepEndTime >= created.PerformedProcedureStepStartTime
    (record,) = scheduled.instances(request.StudyInstanceUID)
    (series,) = final.PerformedSeriesSequence
    assert (series.SeriesInstanceUID, series.RetrieveAETitle) == (record.series_instance_uid, "GRABBER")
    (reference,) = series.ReferencedImageSequence
    assert reference.ReferencedSOPInstanceUID == record.sop_instance_uid
    assert reference.ReferencedSOPClassUID == record.sop_class_uid
    assert Deliveries(scheduled).all() == []


def test_one_that_failed_is_discontinued(scheduled, ris, tmp_path):
    (tmp_path / "no.mp4").write_bytes(b"no video")
    assert grab(scheduled, str(tmp_path / "no.mp4")) == 2
    (_, _, _), (_, _, final) = ris.told
    assert final.PerformedProcedureStepStatus == "DISCONTINUED"
    (series,) = final.PerformedSeriesSequence
    assert not series.ReferencedImageSequence


class Stuck(TemporaryDirectory):
    """A folder that cannot be removed."""

    def __exit__(self, *error):
        super().__exit__(*error)
        raise OSError("busy")


def broken_pipe(*_args, **_more):
    raise BrokenPipeError


@pytest.mark.parametrize("late", [("TemporaryDirectory", Stuck), ("typer.echo", broken_pipe)])
def test_what_fails_after_it_was_stored_changes_nothing(scheduled, ris, video, monkeypatch, late):
    with monkeypatch.context() as broken, suppress(OSError):
        broken.setattr(f"pellucid.cli.capture.{late[0]}", late[1])
        assert grab(scheduled, video) != 0
    assert ris.told[1][2].PerformedProcedureStepStatus == "COMPLETED"
    assert len(scheduled.find(Query("instance"))) == 1


def test_an_end_that_cannot_be_told_is_no_failure(scheduled, ris, video, monkeypatch, caplog):
    def fail(*_args):
        raise RuntimeError

    monkeypatch.setattr("pellucid.dimse.performed_steps.end", fail)
    assert grab(scheduled, video) == 0
    assert "is COMPLETED, which cannot be told to RIS: RuntimeError" in caplog.text


def test_our_own_archive_takes_it(scheduled, video):
    """It moves the item of its worklist."""
    with listening(scheduled, titles=("RIS",)) as own:
        Partners(scheduled).put(ApplicationEntity(title="RIS", host="127.0.0.1", port=own.port))
        assert grab(scheduled, video) == 0
    ((_, done),) = Worklist(scheduled).all()
    assert done[STEP]["Value"][0][STATUS]["Value"] == ["COMPLETED"]


def test_a_partner_that_is_not_there_is_told_later_in_order(scheduled, video, capsys):
    port = free_port()
    Partners(scheduled).put(ApplicationEntity(title="RIS", host="127.0.0.1", port=port))
    assert grab(scheduled, video) == 0
    told = capsys.readouterr()
    assert "stored 1 instance" in told.out
    assert "waits to be reported to ae:RIS" in told.err
    assert [left.kind for left in Deliveries(scheduled).all()] == ["begin_step", "end_step"]
    late = Information(port)
    Deliveries(scheduled).retry()
    with delivering(scheduled):
        until(lambda: Deliveries(scheduled).all() == [])
    assert [what for what, _, _ in late.told] == ["N-CREATE", "N-SET"]
    late.server.shutdown()


def test_an_end_waits_for_its_beginning(scheduled, ris, video, capsys):
    ris.answers = [0x0110]
    assert grab(scheduled, video) == 0
    assert [what for what, _, _ in ris.told] == ["N-CREATE"]
    assert "its beginning has not been reported yet" in capsys.readouterr().err


def test_what_was_told_before_is_done(scheduled, ris, video):
    """Its answers were lost: there is one of that UID, and it may no longer be changed."""
    final = Dataset()
    final.Status, final.ErrorID = 0x0110, 0xA710
    ris.answers = [0x0111, final]
    assert grab(scheduled, video) == 0
    assert len(ris.told) == 2
    assert Deliveries(scheduled).all() == []


def test_nobody_is_told_where_nobody_is_named(scheduled, ris, video, monkeypatch):
    monkeypatch.delenv("PELLUCID_PROCEDURE_STEPS_TO")
    assert grab(scheduled, video) == 0
    assert ris.told == []
    assert len(scheduled.find(Query("instance"))) == 1
