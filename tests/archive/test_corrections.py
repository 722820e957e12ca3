"""Corrected studies are found and given corrected; the originals stay, and come back when a correction is undone."""

import io

import numpy as np
import pydicom
import pytest
from tests.archive.samples import dataset, dicom, file_bytes, uid
from tests.archive.test_storing import deflated

from pellucid.archive import Query
from pellucid.archive.corrections import Corrections
from pellucid.errors import InvalidInputError


@pytest.fixture
def corrections(archive):
    return Corrections(archive)


def read(archive, study=1):
    return [pydicom.dcmread(io.BytesIO(archive.fetch(record))) for record in archive.instances(uid(study))]


def test_a_corrected_study_is_found_and_given_so(archive, corrections):
    originals = [dicom(instance=n, pixels=np.full((9, 9), n, np.uint16)) for n in (1, 2)]
    for data in originals:
        archive.store(data)
    before = {record.object_sha256 for record in archive.instances(uid(1))}
    made = corrections.correct(
        uid(1), {"PatientID": "P77", "PatientName": "Müller^Jörg"}, reason="wrong worklist entry", made_by="ann"
    )
    assert made.previous == {"PatientID": "P1", "PatientName": "Doe^Jane"}
    assert archive.find(Query("study", {"PatientID": "P1"})) == []
    (study,) = archive.find(Query("study", {"PatientName": "muller*"}))
    assert study.attributes["00100020"]["Value"] == ["P77"]
    assert study.attributes["00201208"]["Value"] == [2]
    for number, (instance, original) in enumerate(zip(read(archive), originals, strict=True), start=1):
        was = pydicom.dcmread(io.BytesIO(original))
        assert instance.PatientName == "Müller^Jörg"
        assert instance.PixelData == was.PixelData
        assert (instance.pixel_array == number).all()
        (item,) = instance.OriginalAttributesSequence
        (old,) = item.ModifiedAttributesSequence
        assert (old.PatientID, old.PatientName) == ("P1", "Doe^Jane")
        assert item.ReasonForTheAttributeModification == "CORRECT"
        assert item.ModifyingSystem == "PELLUCID"
        assert instance.StudyInstanceUID == was.StudyInstanceUID
    assert all('"P77"' in text and "04000561" in text for text in archive.attributes(uid(1)))
    assert list(archive.verify()) == []
    assert before <= set(archive.objects.names())  # the originals are there


def test_the_sender_may_repeat_itself_and_send_more(archive, corrections):
    archive.store(dicom(instance=1))
    corrections.correct(uid(1), {"PatientID": "P77"}, reason="typing error", made_by="ann")
    assert not archive.store(dicom(instance=1)).new
    assert archive.store(dicom(instance=2)).new
    assert [one.PatientID for one in read(archive)] == ["P77", "P77"]
    corrections.undo(1)
    assert [one.PatientID for one in read(archive)] == ["P1", "P1"]
    assert not archive.store(dicom(instance=2)).new


def test_undone_all_is_as_received(archive, corrections):
    data = dicom()
    archive.store(data)
    first = corrections.correct(uid(1), {"PatientID": "A"}, reason="one", made_by="ann")
    second = corrections.correct(uid(1), {"PatientID": "B", "StudyDescription": ""}, reason="two", made_by="bob")
    (instance,) = read(archive)
    assert instance.PatientID == "B"
    assert instance.StudyDescription == ""
    assert len(instance.OriginalAttributesSequence) == 2
    with pytest.raises(InvalidInputError, match=f"correction {second.id} of the same study is later"):
        corrections.undo(first.id)
    corrections.undo(second.id)
    corrections.undo(first.id)
    (record,) = archive.instances(uid(1))
    assert archive.fetch(record) == data
    assert len(archive.find(Query("study", {"PatientID": "P1", "StudyDescription": "Chest"}))) == 1
    assert list(archive.objects.names()) == [record.object_sha256]
    assert all(one.undone for one in corrections.made())
    with pytest.raises(InvalidInputError, match="no correction"):
        corrections.undo(first.id)


def test_patients_are_merged_and_parted(archive, corrections):
    archive.store(dicom(study=1, PatientID="OLD", PatientName="Doe^J"))
    archive.store(dicom(study=2, PatientID="OLD", PatientName="Doe^J"))
    archive.store(dicom(study=3, PatientID="NEW", PatientName="Doe^Jane=山田", PatientBirthDate="19800101"))
    made = corrections.merge("OLD", "NEW", reason="same person", made_by="ann")
    assert len(made) == 2
    assert len(archive.find(Query("study", {"PatientID": "NEW", "PatientBirthDate": "19800101"}))) == 3
    assert read(archive)[0].PatientName == "Doe^Jane=山田"
    assert len(corrections.undo(made[0].id)) == 2
    assert len(archive.find(Query("study", {"PatientID": "OLD"}))) == 2


@pytest.mark.parametrize("made", [lambda: deflated(dataset()), lambda: file_bytes(dataset(), "1.2.840.10008.1.2")])
def test_other_encodings(archive, corrections, made):
    archive.store(made())
    corrections.correct(uid(1), {"PatientID": "P77"}, reason="r", made_by="ann")
    (instance,) = read(archive)
    assert instance.PatientID == "P77"
    assert instance.PixelData == dataset().PixelData


def test_deleting_takes_versions_along(archive, corrections):
    archive.store(dicom())
    corrections.correct(uid(1), {"PatientID": "P77"}, reason="r", made_by="ann")
    archive.delete(uid(1))
    assert list(archive.objects.names()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "names no attribute"),
        ({"Rows": "3"}, "Rows: is no attribute of a patient or study"),
        ({"StudyInstanceUID": "1.2"}, "StudyInstanceUID: is no attribute"),
        ({"Nonsense": "1"}, "Nonsense: is no attribute"),
        ({"PatientBirthDate": "yesterday"}, "PatientBirthDate: cannot be 'yesterday'"),
    ],
)
def test_what_cannot_be_corrected(archive, corrections, changes, message):
    archive.store(dicom())
    with pytest.raises(InvalidInputError, match=message):
        corrections.correct(uid(1), changes, reason="r", made_by="ann")
    with pytest.raises(InvalidInputError, match="no study"):
        corrections.correct("1.2.3", {"PatientID": "x"}, reason="r", made_by="ann")
    with pytest.raises(InvalidInputError, match="reason"):
        corrections.correct(uid(1), {"PatientID": "x"}, reason=" ", made_by="ann")
