"""`pellucid archive …` on an archive in a folder."""

import numpy as np
import pytest
from tests.archive.samples import dicom, uid

from pellucid.archive import Archive
from pellucid.cli.app import run

PIXELS = np.arange(35 * 40, dtype=np.uint16).reshape(35, 40)


@pytest.fixture
def data(tmp_path):
    with Archive(tmp_path) as archive:
        for number in (1, 2, 3):
            archive.store(dicom(1, 1, number, pixels=PIXELS + number))
        archive.store(dicom(2, 1, 1, pixels=PIXELS, Modality="MR"))
    return tmp_path


def syntaxes(data):
    with Archive(data) as archive:
        return [record.transfer_syntax_uid for study in (1, 2) for record in archive.instances(uid(study))]


def test_transcode(data, capsys):
    assert run(["archive", "transcode", "--to", "htj2k", "--where", "Modality=CT", "--data", str(data)]) == 0
    assert "3 instances are High-Throughput JPEG 2000 Lossless, RPCL" in capsys.readouterr().out
    assert syntaxes(data) == ["1.2.840.10008.1.2.4.202"] * 3 + ["1.2.840.10008.1.2.1"]
    assert run(["archive", "transcode", "--to", "explicit", "--data", str(data)]) == 0
    assert set(syntaxes(data)) == {"1.2.840.10008.1.2.1"}


def test_what_cannot_be_stays_and_is_said(data, capsys):
    assert run(["archive", "transcode", "--to", "jpeg", "--data", str(data)]) == 0
    assert "4 stay as they are" in capsys.readouterr().err
    assert set(syntaxes(data)) == {"1.2.840.10008.1.2.1"}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["--to", "htj3k"], "did you mean 'htj2k'"), (["--to", "rle", "--where", "CT"], "KEYWORD=VALUE")],
)
def test_wrong_use(data, capsys, arguments, text):
    assert run(["archive", "transcode", *arguments, "--data", str(data)]) == 2
    assert text in capsys.readouterr().err
