"""Arguments before environment before file before defaults."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pellucid.server import Settings


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_defaults():
    settings = Settings()
    assert (settings.host, settings.port, settings.data) == ("127.0.0.1", 8470, Path("pellucid-data"))


def test_order(folder, monkeypatch):
    (folder / "pellucid.toml").write_text('port = 1001\nhost = "localhost"\ndata = "from-file"\n')
    monkeypatch.setenv("PELLUCID_PORT", "1002")
    monkeypatch.setenv("PELLUCID_DATA", "from-environment")
    settings = Settings(data=Path("from-argument"))
    assert (settings.data, settings.port, settings.host) == (Path("from-argument"), 1002, "localhost")


@pytest.mark.parametrize("wrong", [{"port": 70000}, {"port": -1}, {"upload_bytes": 0}, {"job_workers": 0}])
def test_impossible_values(wrong):
    with pytest.raises(ValidationError):
        Settings(**wrong)
