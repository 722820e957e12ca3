"""`pellucid capture` as its user calls it."""

import pydicom
import pytest
from tests.capture.videos import number_of, write

from pellucid.archive import Archive, Query
from pellucid.cli.app import run


@pytest.fixture
def video(tmp_path):
    return str(write(tmp_path / "a.mp4", count=10))


def test_into_the_archive_and_on_into_the_study(tmp_path, video, capsys):
    data = ["--data", str(tmp_path / "data")]
    given = ["--patient-id", "P1", "--patient-name", "Doe^Jane", "--description", "Sweep"]
    assert run(["capture", video, "--as", "us", "--region", "100x80+10+10@0.2", *given, *data]) == 0
    said = capsys.readouterr().out
    assert said.startswith("stored 1 instance in study 2.25.")
    study = said.split()[-1]
    assert run(["capture", video, "--as", "video", "--view", "endoscopic", "--study", study, *data]) == 0
    with Archive(tmp_path / "data") as archive:
        found = archive.find(Query("series", {"StudyInstanceUID": study}))
        assert [one.attributes["00080060"]["Value"] for one in found] == [["US"], ["ES"]]
        assert [one.attributes["00200011"]["Value"] for one in found] == [[1], [2]]
        (patient,) = archive.find(Query("study", {"PatientID": "P1"}))
        assert patient.attributes["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]


def test_into_a_folder(tmp_path, video, capsys):
    assert run(["capture", video, "--still", "0", "--still", "0.2", "-o", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"wrote 2 files to {tmp_path / 'out'}\n"
    files = sorted((tmp_path / "out").iterdir())
    assert [number_of(pydicom.dcmread(file).pixel_array) for file in files] == [0, 5]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--as", "film"], "unknown kind of capture 'film'"),
        (["--worklist", "nobody"], "worklist: 'nobody' is on no open item"),
        (["--study", "1.2.3"], "study: is not in the archive"),
        (["--study", "1.2.3", "--patient-id", "P1"], "patient, worklist, study: are given together"),
        (["--stop", "0"], "start, stop: 0.0 s to 0.0 s is no part"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, video, capsys, more, said):
    assert run(["capture", video, *more, "--data", str(tmp_path / "data")]) == 2
    errors = capsys.readouterr().err
    assert said in errors
    assert errors.count("\n") == 1
