"""Archive servers under measurement: Pellucid and Debian's Orthanc, each in a process of its own on loopback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Self

ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}
"""DCMTK, which Orthanc is made with, leaves Nagle's algorithm on otherwise: 40 ms of waiting per instance."""

_START_S = 60.0
_STOP_S = 20.0
_TICKS = os.sysconf("SC_CLK_TCK")


class MissingError(Exception):
    """The program is not installed."""


class Server:
    """A server with an empty folder; `root` is the path of its DICOMweb service."""

    name = ""
    title = ""
    root = "/dicom-web"

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="bench-server-"))
        self.port, self.dimse_port = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        if self._process is not None:
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start, and wait until it answers."""
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                self.command(), cwd=self.folder, env=self.environment(), stdout=log, stderr=subprocess.STDOUT
            )
        self._wait()
        self._settle()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and end it where it does not; its exit code."""
        assert self._process is not None
        self._process.send_signal(how)
        try:
            return self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def said(self) -> str:
        """What it has printed since its start."""
        return (self.folder / "log").read_text()

    def exited(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return ENVIRONMENT

    def version(self) -> str:
        raise NotImplementedError

    def cpu_seconds(self) -> float:
        """CPU seconds of the process and all below it so far."""
        return sum(_cpu_of(process) for process in self._processes())

    def peak_bytes(self) -> int:
        """The sum of the largest resident sizes that the processes had."""
        return sum(_peak_of(process) for process in self._processes())

    def connect(self) -> HTTPConnection:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _wait(self) -> None:
        assert self._process is not None
        end = time.monotonic() + _START_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                connection = self.connect()
                connection.request("GET", f"{self.root}/studies?limit=1")
                answer = connection.getresponse()
                answer.read()
                socket.create_connection(("127.0.0.1", self.dimse_port), 1).close()
                if answer.status < 300:
                    return
            except (OSError, HTTPException):
                pass
            time.sleep(0.1)
        raise RuntimeError(f"{self.title} did not start: {(self.folder / 'log').read_text()[-2000:]}")

    def _settle(self) -> None:
        """Wait until the server has done what it does after it is ready, such as loading what it may need."""
        end = time.monotonic() + _START_S
        before = -1.0
        while time.monotonic() < end and (now := self.cpu_seconds()) - before > 0.02:
            before = now
            time.sleep(0.5)

    def _processes(self) -> list[int]:
        assert self._process is not None
        found, unseen = [], [self._process.pid]
        while unseen:
            process = unseen.pop()
            found.append(process)
            for task in Path(f"/proc/{process}/task").glob("*/children"):
                with suppress(OSError):  # a thread that has just ended
                    unseen += [int(child) for child in task.read_text().split()]
        return found


class Pellucid(Server):
    name, title = "Pellucid", "PELLUCID"

    def command(self) -> list[str]:
        ports = ["--port", str(self.port), "--dimse-port", str(self.dimse_port), "--aet", self.title]
        return [str(Path(sys.executable).with_name("pellucid")), "serve", "--data", str(self.folder / "data"), *ports]

    def version(self) -> str:
        import pellucid

        return pellucid.__version__


class Orthanc(Server):
    name, title = "orthanc", "ORTHANC"

    def command(self) -> list[str]:
        program = shutil.which("Orthanc")
        plugin = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
        if program is None or not plugin.exists():
            raise MissingError("orthanc and orthanc-dicomweb are not installed")
        settings = {
            "Name": "bench",
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "HttpPort": self.port,
            "RemoteAccessAllowed": False,
            "DicomPort": self.dimse_port,
            "DicomAet": self.title,
            "DicomAlwaysAllowEcho": False,
            "DicomAlwaysAllowStore": False,
            "DicomCheckModalityHost": True,
            "DicomModalities": {"bench": ["BENCH", "127.0.0.1", 104]},
            "Plugins": [str(plugin)],
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "StudiesMetadata": "Full", "SeriesMetadata": "Full"},
        }
        (self.folder / "orthanc.json").write_text(json.dumps(settings))
        return [program, str(self.folder / "orthanc.json")]

    def version(self) -> str:
        done = subprocess.run(["Orthanc", "--version"], capture_output=True, text=True, check=False)
        return done.stdout.split()[1]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _cpu_of(process: int) -> float:
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14])) / _TICKS


def _peak_of(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM")), 0)
