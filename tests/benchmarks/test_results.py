"""Rows that are run again take the place of the written ones, and no others are lost."""

import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import benchmarks.__main__ as program
from benchmarks import Accuracy, Target, Task
from benchmarks.tasks import xray
from pellucid.modalities.xray import Grid
from pellucid.modalities.xray.recon.fbp import filtered_back_projection
from validation.xray.scans import PARALLEL


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Three tasks of one family, and the file of their results."""
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(program, "ROOT", tmp_path)
    monkeypatch.setattr(program, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(program, "FAMILIES", ("made",))
    monkeypatch.setattr(program, "import_module", lambda _: SimpleNamespace(tasks=lambda: [task(n) for n in "abc"]))
    return tmp_path / "results.json"


def task(name):
    return Task(
        name=name,
        title=f"Task {name}",
        run=lambda: np.ones(1),
        accuracies=(Accuracy("sum", lambda result: float(result.sum())),),
        repeats=1,
        targets=(Target("accuracy", 2.0),),
    )


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    return program.main()


def rows(file):
    return {row["task"]: row for row in json.loads(file.read_text())["tasks"]}


def test_one_row_written_keeps_the_others(results, monkeypatch, capsys):
    monkeypatch.setattr(program.time, "strftime", lambda _: "2026-01-01")
    assert run(monkeypatch) == 0
    before = rows(results)
    assert list(before) == ["made.a", "made.b", "made.c"]
    monkeypatch.setattr(program.time, "strftime", lambda _: "2026-02-02")
    assert run(monkeypatch, "made.b", "--write") == 0
    after = rows(results)
    assert list(after) == list(before)
    assert [row["date"] for row in after.values()] == ["2026-01-01", "2026-02-02", "2026-01-01"]
    assert (after["made.a"], after["made.c"]) == (before["made.a"], before["made.c"])
    page = (results.parent / "docs" / "benchmarks.md").read_text()
    assert "2026-01-01 and 2026-02-02" in page
    assert "- Measured 2026-01-01, commit not noted: Task a; Task c\n- Measured 2026-02-02, commit " in page
    for name in "abc":
        assert f"| Task {name} | Pellucid" in page


def test_a_note_is_written_under_the_tables(results, monkeypatch):
    noted = replace(task("b"), note="no peer is to be had")
    monkeypatch.setattr(program, "import_module", lambda _: SimpleNamespace(tasks=lambda: [task("a"), noted]))
    run(monkeypatch)
    page = (results.parent / "docs" / "benchmarks.md").read_text()
    assert "\n\n- Task b: no peer is to be had\n" in page
    assert rows(results)["made.b"]["note"] == "no peer is to be had"


def test_a_few_are_only_printed(results, monkeypatch, capsys):
    run(monkeypatch)
    before = results.read_bytes()
    run(monkeypatch, "made.c")
    assert results.read_bytes() == before
    assert "made.c" in capsys.readouterr().out


def test_rows_of_another_machine_are_not_mixed_in(results, monkeypatch):
    run(monkeypatch)
    before = results.read_bytes()
    updated = program.machine() | {"system": "newer"}
    monkeypatch.setattr(program, "machine", lambda: updated)
    run(monkeypatch, "made.c", "--write")
    before = results.read_bytes()
    elsewhere = updated | {"processor": "another", "pellucid": "0.0.0"}
    monkeypatch.setattr(program, "machine", lambda: elsewhere)
    with pytest.raises(SystemExit, match=r"of another machine \(processor\)"):
        run(monkeypatch, "made.c", "--write")
    assert results.read_bytes() == before


def test_a_name_that_no_task_has_is_said(results, monkeypatch):
    with pytest.raises(SystemExit, match="no task's name contains pet"):
        run(monkeypatch, "pet")


def test_what_scikit_image_is_given_shows_the_same_head_on_the_same_pixels():
    """Reconstructed by us with the axis of rotation in pixel (256, 256) it is as right as our own picture."""
    given = xray.inputs("fbp_512x720")
    scan = replace(PARALLEL, column_offset_mm=-0.5)
    grid = Grid(shape=(1, 512, 512), spacing_mm=(1.0, 1.0, 1.0), centre_mm=(-0.5, -0.5, 0.0))
    assert (grid.x_mm[256], grid.y_mm[256]) == (0.0, 0.0)
    picture = filtered_back_projection(np.ascontiguousarray(given["sinogram_about_a_pixel"][:, None]), scan, grid)[0]
    assert xray._disc_error(picture) < 0.0153  # the task's target for ours; half a pixel off it is 0.041
