"""Arguments before environment before file before defaults."""

import socket
from pathlib import Path

import pytest

from pellucid.errors import InvalidInputError
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


def test_where_others_reach_it(folder):
    pem = folder / "certificate.pem"
    for given, expected in (
        ({}, "http://127.0.0.1:99"),
        ({"host": "::1"}, "http://[::1]:99"),
        ({"host": "0.0.0.0", "names": ("pacs.example",), "tls_certificate": pem}, "https://pacs.example:99"),
        ({"host": "0.0.0.0"}, f"http://{socket.getfqdn()}:99"),
        ({"web_address": "https://pacs.example/imaging/"}, "https://pacs.example/imaging"),
    ):
        assert Settings(**given).reached_at(99) == expected


@pytest.mark.parametrize(
    "wrong", [{"web_address": "pacs.example"}, {"port": 70000}, {"port": -1}, {"upload_bytes": 0}, {"job_workers": 0}]
)
def test_impossible_values(wrong):
    (name,) = wrong
    with pytest.raises(InvalidInputError, match=f"setting {name}: is ") as refused:
        Settings(**wrong)
    assert "\n" not in str(refused.value)


def test_impossible_environment_and_file(folder, monkeypatch):
    monkeypatch.setenv("PELLUCID_PORT", "many")
    with pytest.raises(InvalidInputError, match="setting port: is 'many'"):
        Settings()
    (folder / "pellucid.toml").write_text("port = = 3")
    with pytest.raises(InvalidInputError, match=r"pellucid\.toml: cannot be read"):
        Settings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dimse_prot = 104", r"unknown setting 'dimse_prot' \(did you mean 'dimse_port'\?\); known: aet, "),
        ("[policies]\nquota_byte = 4", r"setting policies\.quota_byte"),
    ],
)
def test_a_misspelt_setting_is_not_passed_over(folder, text, message):
    (folder / "pellucid.toml").write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        Settings()
