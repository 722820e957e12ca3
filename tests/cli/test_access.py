"""Accounts, projects and the audit trail from the command line."""

import io
import json
import sqlite3
import sys

import pytest
from tests.archive.samples import dicom, uid

from pellucid.archive import Archive
from pellucid.cli.app import run

PASSWORD = "a lamp on the moor"


@pytest.fixture
def pellucid(tmp_path, monkeypatch, capsys):
    """Call with arguments (and a password for standard input): exit code, output and errors."""

    def call(*arguments, password=""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(f"{password}\n"))
        code = run([*arguments, "--data", str(tmp_path / "data")])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_an_account_from_beginning_to_end(pellucid):
    assert pellucid("user", "add", "Ann", "--role", "radiologist", "--project", "*", password=PASSWORD)[:2] == (
        0,
        "added ann\n",
    )
    code, _, errors = pellucid("user", "add", "ann", "--role", "reader", "--project", "*", password=PASSWORD)
    assert (code, errors) == (2, "pellucid: name: 'ann' is taken\n")
    assert pellucid("user", "role", "ann", "--role", "administrator", "--project", "trial")[0] == 0
    assert "ann  administrator  sees: trial" in pellucid("user", "list")[1]
    assert pellucid("user", "role", "ann", "--off")[0] == 0
    (listed,) = json.loads(pellucid("user", "list", "--json")[1])
    assert (listed["roles"], listed["active"]) == (["administrator"], False)
    assert PASSWORD not in json.dumps(listed)
    assert pellucid("user", "password", "ann", password="another lamp there")[0] == 0
    assert pellucid("user", "token", "ann", "--description", "x")[1].startswith("pellucid_token_")
    assert pellucid("user", "remove", "ann")[0] == 0
    assert pellucid("user", "remove", "ann")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "password", "why"),
    [
        (["--role", "reader"], PASSWORD, "--project: is missing"),
        (["--project", "*"], PASSWORD, "--role: is missing"),
        (["--role", "surgeon", "--project", "*"], PASSWORD, "unknown role 'surgeon'"),
        (["--role", "reader", "--project", "*"], "short", "password: has 5 characters"),
        (["--role", "reader", "--project", "*"], "", "password: has 0 characters"),
        (["--role", "monitor", "--project", "*"], PASSWORD, "a monitor sees particular projects"),
    ],
)
def test_what_is_missing_or_wrong_is_one_line(pellucid, arguments, password, why):
    code, _, errors = pellucid("user", "add", "ann", *arguments, password=password)
    assert code == 2
    assert why in errors
    assert errors.count("\n") == 1


def test_projects(pellucid, tmp_path):
    assert pellucid("project", "rule", "r", "--project", "trial", "--match", "Modality=CT")[0] == 0
    with Archive(tmp_path / "data") as archive:
        archive.store(dicom())
    assert pellucid("project", "put", uid(1), "--project", "other")[0] == 0
    assert pellucid("project", "list")[1] == "other\ntrial\n  rule r: Modality=CT -> trial\n"
    assert pellucid("project", "rule", "r")[0] == 0
    assert pellucid("project", "rule", "r")[0] == 2
    assert pellucid("project", "rule", "r", "--project", "p", "--match", "Nonsense=1")[0] == 2


def test_the_audit_trail(pellucid, tmp_path):
    pellucid("user", "add", "ann", "--role", "auditor", password=PASSWORD)
    assert "subject=ann" in pellucid("audit", "list")[1]
    assert "<AuditMessage>" in pellucid("audit", "list", "--xml")[1]
    assert json.loads(pellucid("audit", "list", "--json", "--limit", "1")[1])["event"] == "Audit Log Used"
    assert pellucid("audit", "anchor", str(tmp_path / "anchors"))[0] == 0
    assert pellucid("audit", "verify", "--anchor", str(tmp_path / "anchors"))[0] == 0
    connection = sqlite3.connect(tmp_path / "data" / "audit.sqlite")
    connection.execute("DROP TRIGGER never_changed")
    connection.execute("UPDATE records SET caller = 'nobody' WHERE sequence = 2")
    connection.commit()
    connection.close()
    code, said, _ = pellucid("audit", "verify")
    assert (code, said) == (1, "record 2 was changed\n")
