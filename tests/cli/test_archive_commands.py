"""The archive's commands, from a folder of files to a restored backup."""

import json
import sqlite3

import pytest
from tests.archive.samples import dicom, uid

from pellucid.archive import Archive, Query
from pellucid.cli.app import run


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The data folder; two studies were imported."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "files" / "a").mkdir(parents=True)
    for study, instance in ((1, 1), (1, 2), (2, 1)):
        name = f"{study}{instance}"
        (tmp_path / "files" / "a" / name).write_bytes(dicom(study=study, instance=instance, PatientID=f"P{study}"))
    assert run(["import", "files", "--data", "data"]) == 0
    return tmp_path / "data"


def studies(data, **filters):
    with Archive(data) as archive:
        return {match.study_instance_uid for match in archive.find(Query("study", filters))}


def audited(data):
    with sqlite3.connect(data / "audit.sqlite") as connection:
        (table,) = next(
            name
            for name in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if "audit" in name[0] or "record" in name[0] or "event" in name[0]
        )
        rows = connection.execute(f"SELECT * FROM {table}").fetchall()
    connection.close()
    return " ".join(map(str, rows))


def test_import_says_what_it_refuses(data, tmp_path, capsys):
    capsys.readouterr()
    (tmp_path / "files" / "bad.dcm").write_bytes(dicom(instance=9)[:-4])
    (tmp_path / "files" / "notes.txt").write_text("x")
    assert run(["import", "files", "--data", "data", "--report", "report.jsonl"]) == 1
    shown = capsys.readouterr()
    assert "0 new, 3 known, 1 refused, 1 other files" in shown.out
    assert "bad.dcm" in shown.err
    (line,) = (tmp_path / "report.jsonl").read_text().splitlines()
    assert json.loads(line)["reason"].endswith("truncated")
    assert run(["import", "nowhere", "--data", "data"]) == 2
    assert run(["import", "files", "--how", "steal", "--data", "data"]) == 2


def test_verify_repair_and_rebuild(data, tmp_path, capsys):
    assert run(["archive", "verify", "--data", "data"]) == 0
    assert run(["backup", "backup", "--check", "--data", "data"]) == 0
    victim = next(path for path in (data / "objects").glob("??/*"))
    victim.unlink()
    assert run(["archive", "verify", "--data", "data"]) == 1
    assert f"object {victim.name} is missing" in capsys.readouterr().err
    assert run(["archive", "verify", "--repair", "--from", "backup", "--data", "data"]) == 0
    assert run(["archive", "verify", "--from", "backup", "--data", "data"]) == 2
    assert run(["archive", "verify", "--data", "data"]) == 0
    assert run(["archive", "rebuild", "--data", "data"]) == 0
    assert "3 instances, 0 raw signals, 0 earlier versions; 0 objects" in capsys.readouterr().out
    assert studies(data) == {uid(1), uid(2)}
    assert (data / "index.sqlite.old").exists()
    assert run(["archive", "rebuild", "--data", "elsewhere"]) == 2


def test_backup_and_restore(data, capsys):
    assert run(["backup", "backup", "--data", "data"]) == 0
    assert "3 of them new" in capsys.readouterr().out
    assert run(["backup", "backup", "--keep", "1", "--data", "data"]) == 0
    assert "0 of them new" in capsys.readouterr().out
    assert run(["restore", "backup", "--data", "again"]) == 0
    assert studies(data.parent / "again") == studies(data)
    assert run(["restore", "backup", "--data", "again"]) == 2
    assert run(["restore", "files", "--data", "new"]) == 2


def test_stats_and_export(data, tmp_path, capsys):
    assert run(["archive", "stats", "--json", "--data", "data"]) == 0
    assert json.loads(capsys.readouterr().out)["instances"]["number"] == 3
    assert run(["archive", "stats", "--data", "data"]) == 0
    assert run(["archive", "export", uid(1), "-o", "media", "--data", "data"]) == 0
    assert (tmp_path / "media" / "DICOMDIR").is_file()
    assert run(["archive", "export", "--where", "PatientID=P2", "-o", "p2.zip", "--data", "data"]) == 0
    assert run(["archive", "export", "-o", "none", "--data", "data"]) == 2
    assert run(["archive", "export", "1.2.3", "-o", "none", "--data", "data"]) == 2


def test_correct_merge_and_undo(data, capsys):
    assert run(["archive", "correct", uid(1), "PatientName=Roe^Ann", "--reason", "typing", "--data", "data"]) == 0
    assert studies(data, PatientName="roe*") == {uid(1)}
    assert run(["archive", "merge-patient", "P1", "P2", "--reason", "same", "--data", "data"]) == 0
    assert studies(data, PatientID="P2") == {uid(1), uid(2)}
    capsys.readouterr()
    assert run(["archive", "corrections", "--json", "--data", "data"]) == 0
    assert [one["reason"] for one in json.loads(capsys.readouterr().out)] == ["typing", "same"]
    assert run(["archive", "undo", "1", "--data", "data"]) == 2
    assert run(["archive", "undo", "2", "--data", "data"]) == 0
    assert run(["archive", "undo", "1", "--data", "data"]) == 0
    assert studies(data, PatientName="doe*", PatientID="P1") == {uid(1)}
    assert run(["archive", "correct", uid(1), "Rows=3", "--reason", "x", "--data", "data"]) == 2
    assert "Patient Record" in audited(data)


def test_quarantine(data, monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PELLUCID_POLICIES", '{"quarantine": true}')
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "x").write_bytes(dicom(study=1, PatientID="P1", PatientComments="other"))
    assert run(["import", "more", "--data", "data"]) == 1
    capsys.readouterr()
    assert run(["archive", "quarantine", "list", "--json", "--data", "data"]) == 0
    (held,) = json.loads(capsys.readouterr().out)
    assert held["source"] == "import"
    assert run(["archive", "quarantine", "save", held["id"], "-o", "held.dcm", "--data", "data"]) == 0
    assert run(["archive", "quarantine", "release", held["id"], "--data", "data"]) == 2
    assert run(["archive", "quarantine", "release", held["id"][:6], "--how", "replace", "--data", "data"]) == 0
    assert run(["archive", "quarantine", "drop", held["id"], "--data", "data"]) == 2


def test_retention(data, capsys):
    rule = ["archive", "retention", "set", "old", "delete", "older_than_days=30"]
    assert run([*rule, "--data", "data"]) == 0
    assert run(["archive", "hold", uid(1), "--reason", "court", "--data", "data"]) == 0
    assert run(["archive", "retention", "run", "--dry-run", "--data", "data"]) == 0
    assert "1 studies would be deleted" in capsys.readouterr().out
    assert run(["archive", "retention", "run", "--data", "data"]) == 0
    assert studies(data) == {uid(1)}
    assert run(["archive", "retention", "list", "--data", "data"]) == 0
    assert run(["archive", "unhold", uid(1), "--data", "data"]) == 0
    assert run(["archive", "unhold", uid(1), "--data", "data"]) == 2
    assert run(["archive", "retention", "remove", "old", "--data", "data"]) == 0
    assert run(["archive", "retention", "set", "all", "delete", "--data", "data"]) == 2
    assert "DICOM Study Deleted" in audited(data)
