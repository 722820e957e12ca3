"""The page of the comparisons, and the record behind it."""

import json

import pytest

from validation import __main__ as program
from validation import all_checks


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setattr(program, "RECORD", tmp_path / "results.json")
    monkeypatch.setattr(program, "TARGET", tmp_path / "validation.md")
    return tmp_path


def run(monkeypatch, *words):
    monkeypatch.setattr("sys.argv", ["validation", *words])
    return program.main()


def test_some_are_written_beside_what_was_there(places, monkeypatch, capsys):
    name, other = [item.name for item in all_checks() if item.name.startswith("anatomy.")][:2]
    places.joinpath("results.json").write_text(
        json.dumps(
            {
                "rows": {
                    other: {"number": "1", "outcome": "met", "date": "2026-01-02"},
                    "core.no_more": {"number": "1", "outcome": "met", "date": "2026-01-02"},
                },
                "positivity": "",
            }
        )
    )
    assert run(monkeypatch, name, "--write") == 0
    record = json.loads(places.joinpath("results.json").read_text())
    assert record["rows"][name]["outcome"] == "met"
    assert record["rows"].keys() == {name, other}
    page = places.joinpath("validation.md").read_text()
    assert page.count("| met |") == len(record["rows"])
    assert page.count("not run yet") == len(all_checks()) - len(record["rows"])
    assert "no_more" not in capsys.readouterr().out


def test_without_being_told_to_nothing_is_written(places, monkeypatch):
    name = next(item.name for item in all_checks() if item.name.startswith("anatomy."))
    run(monkeypatch, name)
    assert not list(places.iterdir())


def test_a_name_that_is_none_is_said(places, monkeypatch):
    with pytest.raises(SystemExit, match="no comparison"):
        run(monkeypatch, "nothing.like.this")
