"""Backups are complete, grow by what is new, and make the same archive again; exports are media that others read."""

import io
import json
import shutil
import sqlite3
import zipfile

import pydicom
import pytest
from tests.archive.samples import dicom, uid
from tests.archive.test_verifying import everything, fill

from pellucid.archive import AcquisitionLabel, Archive, Places, Query
from pellucid.archive.backup import back_up, restore, snapshots, verify_backup
from pellucid.archive.corrections import Corrections
from pellucid.archive.exporting import export
from pellucid.archive.retention import Retention
from pellucid.archive.statistics import statistics
from pellucid.archive.verifying import Verifier
from pellucid.errors import InvalidInputError


@pytest.fixture
def filled(archive, tmp_path):
    fill(archive)
    Corrections(archive).correct(uid(2), {"PatientID": "P9"}, reason="r", made_by="ann")
    Retention(archive).hold(uid(1), reason="court", made_by="ann")
    raw = tmp_path / "raw.h5"
    raw.write_bytes(b"\x89HDF\r\n\x1a\nsignal")
    with archive.batch() as batch:
        label = AcquisitionLabel(modality="mr", description="d", patient_name="n", study_instance_uid=uid(1))
        signal = batch.add_acquisition(raw, label)
        batch.link(uid(1, 1), signal, "fbp", {"a": 1})
    with sqlite3.connect(archive.folder / "audit.sqlite") as trail:
        trail.execute("CREATE TABLE events (text TEXT)")
        trail.execute("INSERT INTO events VALUES ('seen')")
    trail.close()
    return archive


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_restored_archive_is_the_same(filled, tmp_path, kind, request):
    target = tmp_path / "backup"
    made = back_up(filled, target)
    assert (made.objects, made.copied, made.missing) == (10, 10, [])
    assert verify_backup(target) == []
    before = everything(filled)
    database = "" if kind == "sqlite" else request.getfixturevalue("new_database")()
    places = Places(database=database)
    outcome = restore(target, tmp_path / "restored", places=places)
    assert (outcome.rows, outcome.objects, outcome.missing) == (made.rows, 10, [])
    with Archive(tmp_path / "restored", places=places) as restored:
        assert everything(restored) == before
        assert restored.acquisitions() == filled.acquisitions()
        assert restored.source_of(uid(1, 1)) == filled.source_of(uid(1, 1))
        assert Retention(restored).holds() == Retention(filled).holds()
        assert Verifier(restored).run().problems == []
        Corrections(restored).undo(1)
        assert Corrections(restored).correct(uid(1), {"PatientID": "P5"}, reason="r", made_by="ann").id == 2
        assert restored.store(dicom(study=4)).new
    with sqlite3.connect(tmp_path / "restored" / "audit.sqlite") as trail:
        assert trail.execute("SELECT text FROM events").fetchall() == [("seen",)]
    trail.close()
    with pytest.raises(InvalidInputError, match="is not empty"):
        restore(target, tmp_path / "restored")
    if database:
        with pytest.raises(InvalidInputError, match="expected a new database"):
            restore(target, tmp_path / "another", places=places)


def test_a_second_snapshot_copies_what_is_new_and_old_ones_go(filled, tmp_path):
    target = tmp_path / "backup"
    first = back_up(filled, target)
    filled.store(dicom(study=3))
    filled.delete(uid(2))
    second = back_up(filled, target)
    assert second.copied == 1
    assert snapshots(target) == [first.name, second.name]
    restore(target, tmp_path / "old", snapshot=first.name)
    with Archive(tmp_path / "old") as old:
        assert {m.study_instance_uid for m in old.find(Query("study"))} == {uid(1), uid(2)}
    third = back_up(filled, target, keep=1)
    assert snapshots(target) == [third.name]
    assert len(list((target / "objects").glob("??/*"))) == len(list(filled.objects.names()))
    assert verify_backup(target) == []


def test_damage_is_noticed(filled, tmp_path):
    target = tmp_path / "backup"
    made = back_up(filled, target)
    victim = next((target / "objects").glob("??/*"))
    victim.write_bytes(b"damaged")
    assert verify_backup(target) == [f"object {victim.name} is damaged"]
    assert restore(target, tmp_path / "restored").missing == [victim.name]
    with Archive(tmp_path / "restored") as restored:
        assert len(Verifier(restored).run().problems) == 1
    table = target / "snapshots" / made.name / "studies.jsonl.gz"
    table.write_bytes(b"damaged")
    assert len(verify_backup(target)) == 2
    with pytest.raises(InvalidInputError, match="is damaged"):
        restore(target, tmp_path / "another")


def test_what_the_archive_lost_is_named(filled, tmp_path):
    victim = sorted(filled.objects.names())[0]
    filled.objects.path(victim).unlink()
    assert back_up(filled, tmp_path / "backup").missing == [victim]


def test_what_is_no_backup(filled, tmp_path):
    with pytest.raises(InvalidInputError, match="not a backup"):
        restore(tmp_path, tmp_path / "new")
    target = tmp_path / "backup"
    made = back_up(filled, target)
    with pytest.raises(InvalidInputError, match="has no snapshot"):
        restore(target, tmp_path / "new", snapshot="x")
    manifest = target / "snapshots" / made.name / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema": "9999"}))
    with pytest.raises(InvalidInputError, match="is of schema 9999"):
        restore(target, tmp_path / "new")


def test_a_failed_backup_leaves_no_snapshot(filled, tmp_path):
    shutil.copytree(filled.folder / "objects", tmp_path / "backup" / "objects" / "x")
    with pytest.raises(ZeroDivisionError):
        back_up(filled, tmp_path / "backup", progress=lambda *_: 1 / 0)
    assert snapshots(tmp_path / "backup") == []


def test_media(archive, tmp_path):
    fill(archive)
    archive.store(dicom(study=3, PatientID="../../etc", StudyID="", StudyDate="", ContentDate="20260102"))
    studies = [uid(1), uid(2), uid(3)]
    outcome = export(archive, studies, tmp_path / "media")
    assert (outcome.instances, outcome.unlisted) == (7, {})
    listed = pydicom.dcmread(tmp_path / "media" / "DICOMDIR").DirectoryRecordSequence
    files = [tmp_path.joinpath("media", *item.ReferencedFileID) for item in listed if "ReferencedFileID" in item]
    assert {file.read_bytes() for file in files} == {
        archive.fetch(record) for study in studies for record in archive.instances(study)
    }
    assert sum(path.is_file() for path in (tmp_path / "media").rglob("*")) == 8
    with pytest.raises(InvalidInputError, match="exists already"):
        export(archive, studies, tmp_path / "media")
    with pytest.raises(InvalidInputError, match="no study"):
        export(archive, ["1.2.3"], tmp_path / "none")


def test_others_read_the_media(archive, tmp_path, program):
    import subprocess

    fill(archive)
    export(archive, [uid(1)], tmp_path / "media")
    shown = subprocess.run(
        [program("dcmdump"), tmp_path / "media" / "DICOMDIR"], capture_output=True, text=True, timeout=60, check=True
    )
    assert shown.stdout.count("DirectoryRecordType") == 6  # patient, study, series, three images


def test_what_a_dicomdir_cannot_list_is_exported_beside(archive, tmp_path):
    archive.store(dicom(StudyDate="", StudyTime=""))
    outcome = export(archive, [uid(1)], tmp_path / "media")
    assert list(outcome.unlisted) == [uid(1, 1, 1)]
    assert (tmp_path / "media" / "OTHER" / "00000001").read_bytes() == archive.fetch(archive.instances(uid(1))[0])


def test_a_zip_file(archive, tmp_path):
    fill(archive)
    export(archive, [uid(1)], tmp_path / "study.zip", dicomdir=False)
    with zipfile.ZipFile(tmp_path / "study.zip") as packed:
        assert packed.namelist() == ["DICOM/00000001", "DICOM/00000002", "DICOM/00000003"]
        assert pydicom.dcmread(io.BytesIO(packed.read("DICOM/00000002"))).InstanceNumber == 2
    assert {path.name for path in tmp_path.iterdir()} >= {"study.zip"}
    assert not list(tmp_path.glob("export-*"))


def test_statistics(filled):
    found = statistics(filled)
    assert (found["patients"], found["studies"], found["series"]) == (2, 2, 2)
    assert found["instances"]["number"] == 6
    assert found["earlier_versions"]["number"] == 3
    assert found["by_modality"]["CT"]["series"] == 2
    assert found["by_transfer_syntax"]["Explicit VR Little Endian"]["instances"] == 6
