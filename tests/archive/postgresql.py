"""A PostgreSQL server for tests: Debian's, as the user `postgres`, on loopback, in a temporary folder."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest


def programs():
    """The folder of initdb and pg_ctl; skips by name where PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        pytest.skip("program initdb (postgresql) is not installed")
    return found[-1].parent


def free_port():
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]


class Cluster:
    """A server with one superuser and any number of empty databases."""

    def __init__(self):
        self._bin = programs()
        self._folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self._user = {}
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            owner = pwd.getpwnam("postgres")
            self._user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        self.port = free_port()
        self._made = 0
        self._run(
            "initdb", "-U", "pellucid", "-A", "trust", "--no-sync", "--locale=C", "--encoding=UTF8", "-D", self._data
        )
        self.start()

    @property
    def _data(self):
        return str(self._folder / "data")

    def start(self):
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder}"
        # What is committed must survive a stop; it need not survive a power failure of the test machine.
        quick = "-c fsync=off -c shared_buffers=32MB"
        self._run(
            "pg_ctl", "-D", self._data, "-w", "-l", str(self._folder / "log"), "-o", f"{options} {quick}", "start"
        )

    def stop(self, mode="immediate"):
        self._run("pg_ctl", "-D", self._data, "-w", "-m", mode, "stop")

    def new_database(self, *options):
        """The URL of an empty database."""
        self._made += 1
        name = f"test{self._made}"
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "pellucid", *options, name)
        return f"postgresql://pellucid@127.0.0.1:{self.port}/{name}"

    def close(self):
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, program, *arguments):
        subprocess.run(
            [self._bin / program, *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=60, **self._user
        )
