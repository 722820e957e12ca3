"""The server as a process: it starts, answers, refuses to be reached from elsewhere, and stops when told."""

import re
import signal
import socket
import subprocess
import sys

import httpx
import pytest

from pellucid.archive import Archive
from pellucid.errors import InvalidInputError
from pellucid.server import Settings, serve
from pellucid.server.__main__ import main
from pellucid.server.run import _listening


@pytest.fixture
def process(tmp_path):
    command = [sys.executable, "-m", "pellucid.server", "--data", str(tmp_path / "data"), "--port", "0"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    yield running
    running.kill()
    running.communicate()


@pytest.mark.parametrize("how", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_start_and_stop(process, tmp_path, how):
    line = process.stdout.readline()
    address = re.search(r"http://127\.0\.0\.1:\d+", line)[0]
    assert httpx.get(f"{address}/health", timeout=60).json() == {"status": "ok"}
    process.send_signal(how)
    _, errors = process.communicate(timeout=60)
    assert process.returncode in (0, -how)
    assert errors == ""
    assert list((tmp_path / "data" / "incoming").iterdir()) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_other_addresses_are_refused(tmp_path, host):
    with pytest.raises(InvalidInputError, match="TLS is needed"):
        serve(Settings(data=tmp_path, host=host))


def test_a_port_in_use(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InvalidInputError, match=f"port: 127.0.0.1:{port} cannot be listened on"):
            serve(Settings(data=tmp_path, port=port))


def test_answers_do_not_wait_for_acknowledgements(tmp_path):
    """asyncio disables Nagle's algorithm only on sockets that say that they are TCP."""
    with _listening(Settings(data=tmp_path, port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_wrong_arguments_are_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["server", "--data", str(tmp_path), "--host", "0.0.0.0"])
    assert main() == 2
    errors = capsys.readouterr().err
    assert errors.startswith("host: is '0.0.0.0'")
    assert errors.count("\n") == 1


def test_starting_is_quick(tmp_path):
    """To a working application on data that are there already, imports included.

    2 s of processor time on an idle machine; twice that is allowed, for a busy one shares its cores' units.
    """
    code = (
        "import time; from pathlib import Path; from pellucid.server import Settings, create_app;"
        f"create_app(Settings(data=Path({str(tmp_path / 'data')!r}))); print(time.process_time())"
    )
    Archive(tmp_path / "data").close()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 4.0
