"""Verification finds and repairs; the index is made again from the objects; folders are imported."""

import io
import shutil
import struct
import zlib

import pydicom
import pytest
from pydicom.fileset import FileSet
from sqlalchemy import update
from tests.archive.samples import dataset, dicom, file_bytes, uid

from pellucid.archive import AcquisitionLabel, Archive, Query
from pellucid.archive.corrections import Corrections
from pellucid.archive.importing import Importer
from pellucid.archive.rebuilding import rebuild
from pellucid.archive.schema import SeriesRow
from pellucid.archive.verifying import Verifier
from pellucid.errors import CancelledError, InvalidInputError


def fill(archive):
    with archive.batch() as batch:
        for study in (1, 2):
            for instance in (1, 2, 3):
                batch.store(dicom(study=study, instance=instance))


def test_verification_finds_and_repairs(archive, tmp_path):
    fill(archive)
    backup = tmp_path / "backup" / "objects"
    shutil.copytree(archive.objects.folder, backup)
    first, second, *_ = sorted(archive.objects.names())
    archive.objects.path(first).write_bytes(b"damaged")
    archive.objects.path(second).unlink()
    (archive.objects.folder / "ff" / ("ff" * 32)).parent.mkdir(exist_ok=True)
    (archive.objects.folder / "ff" / ("ff" * 32)).write_bytes(b"stray")
    with archive.writing() as session:
        session.execute(update(SeriesRow).values(number_of_instances=7))
    report = Verifier(archive).run()
    assert report.objects == 6
    assert sorted(line.split()[0] for line in report.problems) == ["object"] * 3 + ["study"] * 2
    repaired = Verifier(archive, repair=True, source=backup.parent).run()
    assert repaired.problems == []
    assert len(repaired.repaired) == 5
    assert Verifier(archive).run().problems == []
    assert all(archive.fetch(record) for record in archive.instances(uid(1)))


def test_a_stopped_verification_goes_on(archive, tmp_path):
    fill(archive)
    state, asked = tmp_path / "state", []

    def stop(fraction, message="", preview=None):
        asked.append(fraction)
        if fraction > 0.5:
            raise CancelledError

    with pytest.raises(CancelledError):
        Verifier(archive, state=state).run(stop)
    before = len(asked)
    report = Verifier(archive, state=state).run(lambda fraction, message="", preview=None: asked.append(fraction))
    assert report.objects == 6
    assert asked[before] > 0.5
    assert not state.exists()


def everything(archive):
    found = {}
    for level in ("study", "series", "instance"):
        for match in archive.find(Query(level)):
            found[level, match.study_instance_uid, match.series_instance_uid, match.sop_instance_uid] = match.attributes
    for study in {key[1] for key in found}:
        for record in archive.instances(study):
            found[record.sop_instance_uid] = (
                record.object_sha256,
                record.pixel_offset,
                archive.attributes(study, record.series_instance_uid, record.sop_instance_uid),
            )
    return found


def test_the_index_is_made_again(tmp_path):
    with Archive(tmp_path) as archive:
        fill(archive)
        archive.store(dicom(study=3))
        Corrections(archive).correct(uid(2), {"PatientID": "P9"}, reason="r", made_by="ann")
        Corrections(archive).correct(uid(3), {"PatientID": "P8"}, reason="r", made_by="ann")
        Corrections(archive).correct(uid(3), {"PatientName": "Roe"}, reason="r", made_by="ann")
        raw = tmp_path / "raw.h5"
        raw.write_bytes(b"\x89HDF\r\n\x1a\nsignal")
        label = AcquisitionLabel(modality="mr", description="d", patient_name="n", study_instance_uid="1.2")
        with archive.batch() as batch:
            batch.add_acquisition(raw, label)
        before, signals = everything(archive), archive.acquisitions()
        with pytest.raises(InvalidInputError, match="not empty"):
            rebuild(archive, lambda path: None)
    for file in tmp_path.glob("index.sqlite*"):
        file.unlink()
    broken = tmp_path / "objects" / "00" / ("00" * 32)
    broken.parent.mkdir(exist_ok=True)
    broken.write_bytes(b"broken")
    with Archive(tmp_path) as archive:
        outcome = rebuild(archive, lambda path: label)
        assert (outcome.instances, outcome.signals, outcome.versions) == (7, 1, 5)
        assert list(outcome.refused) == ["00" * 32]
        assert everything(archive) == before
        (signal,) = archive.acquisitions()
        assert (signal.modality, signal.object_size) == (signals[0].modality, signals[0].object_size)
        assert not archive.store(dicom(study=2, instance=1)).new
        assert len(Verifier(archive).run().problems) == 1  # the broken one


def orthanc_compressed(data):
    return struct.pack("<Q", len(data)) + zlib.compress(data)


@pytest.fixture
def folder(tmp_path):
    """Files of several kinds, some that are none."""
    place = tmp_path / "folder"
    (place / "ab" / "cd").mkdir(parents=True)
    (place / "IM1").write_bytes(dicom(instance=1))
    (place / "ab" / "cd" / "abcd-1234").write_bytes(orthanc_compressed(dicom(instance=2)))
    (place / "ab" / "cd" / "abcd-1235").write_bytes(orthanc_compressed(b'{"0008,0005": {}}' * 20))
    (place / "ab" / "notes.txt").write_text("hello")
    (place / "ab" / "empty").touch()
    (place / "ab" / "broken.dcm").write_bytes(dicom(instance=3)[:-10])
    (place / "ab" / "other.dcm").write_bytes(dicom(instance=1, PatientComments="other"))
    return place


def test_a_folder_is_imported(archive, folder):
    outcome = Importer(archive).run(folder)
    assert (outcome.new, outcome.known, outcome.others) == (2, 0, 3)
    assert {name.rpartition("/")[2] for name in outcome.refused} == {"broken.dcm", "other.dcm"}
    assert archive.fetch(archive.instances(uid(1))[1]) == dicom(instance=2)
    assert (folder / "IM1").exists()
    again = Importer(archive).run(folder)
    assert (again.new, again.known) == (0, 2)


def test_files_are_moved_but_for_those_that_are_not_stored(archive, folder):
    Importer(archive, how="move").run(folder)
    left = {path.name for path in folder.rglob("*") if path.is_file()}
    assert left == {"abcd-1235", "notes.txt", "empty", "broken.dcm", "other.dcm"}
    assert list(archive.verify()) == []


def test_files_are_linked(archive, folder):
    Importer(archive, how="link").run(folder)
    record = archive.instances(uid(1))[0]
    assert archive.objects.path(record.object_sha256).samefile(folder / "IM1")


def test_a_stopped_import_goes_on(archive, tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.archive.importing._AT_ONCE", 10)
    place = tmp_path / "many"
    place.mkdir()
    for number in range(25):
        (place / f"{number:02d}").write_bytes(dicom(instance=number + 1))
    state = tmp_path / "state"

    def stop(fraction, message="", preview=None):
        if fraction >= 0.8:
            raise CancelledError

    with pytest.raises(CancelledError):
        Importer(archive, state=state).run(place, stop)
    assert len(archive.instances(uid(1))) == 20
    outcome = Importer(archive, state=state).run(place)
    assert (outcome.new, outcome.known) == (5, 20)
    assert not state.exists()


def test_media_with_a_dicomdir(archive, tmp_path):
    files = FileSet()
    begun = files._stage["t"]
    for instance in (1, 2):
        files.add(pydicom.dcmread(io.BytesIO(file_bytes(dataset(instance=instance)))))
    files.write(tmp_path / "media")
    for stage in (begun, files._stage["t"]):
        stage.cleanup()
    outcome = Importer(archive).run(tmp_path / "media")
    assert (outcome.new, outcome.others) == (2, 1)
    assert outcome.refused == {}


def test_no_folder(archive, tmp_path):
    with pytest.raises(InvalidInputError, match="is not a folder"):
        Importer(archive).run(tmp_path / "none")
    with pytest.raises(InvalidInputError, match="expected copy, move or link"):
        Importer(archive, how="steal")
