"""SIGKILL of the running server while storescu and STOW-RS store into it: what was acknowledged is there."""

import io
import json
import os
import random
import re
import shutil
import subprocess
import threading
import time
from contextlib import suppress
from http.client import HTTPException

import pytest
from pydicom import dcmread
from tests.archive.storing_process import instance, study_of
from tests.server.running import Server

from pellucid.archive import Archive

ANSWERED = re.compile(r"Sending file: \S*?(\d+)\.dcm|Received Store Response \((\w+)")
EACH = 400
"""Of instances that one sender has for one life of a server: more than it sends."""


def path_of(number):
    study = study_of(number)
    return f"/dicom-web/studies/{study}/series/{study}.1/instances/{study}.1.{number}"


def data_set(data):
    """A file without its meta information, which differs between ways of sending."""
    return data[144 + int.from_bytes(data[140:144], "little") :]


class StoreScu:
    """DCMTK's storescu with files of its own; `acknowledged` reads what it says at its end."""

    def __init__(self, program, port, folder, first):
        self._files = folder / f"send{first}"
        self._files.mkdir()
        for number in range(first, first + EACH):
            (self._files / f"{number}.dcm").write_bytes(instance(number))
        command = [program, "-v", "-aec", "PELLUCID", "127.0.0.1", str(port), "+sd", str(self._files)]
        self._process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, "TCP_NODELAY": "1"},
        )

    def acknowledged(self):
        said, sending, found = self._process.communicate(timeout=60)[0], None, []
        for file, status in ANSWERED.findall(said):
            sending = int(file) if file else sending
            if status == "Success":
                found.append(sending)
        shutil.rmtree(self._files)
        return found


class Stow(threading.Thread):
    """STOW-RS of one to five instances at a time, until the server is gone."""

    def __init__(self, server, first, seed):
        super().__init__()
        self._server, self._first, self._chance = server, first, random.Random(seed)
        self._found = []
        self.start()

    def run(self):
        number = self._first
        with suppress(OSError, HTTPException):
            while number < self._first + EACH:
                batch = range(number, number + self._chance.randint(1, 5))
                number = batch.stop
                status, content = self._server.stow([instance(each) for each in batch])
                assert status == 200, content
                named = json.loads(content)["00081199"]["Value"]
                assert len(named) == len(batch)
                self._found += batch

    def acknowledged(self):
        self.join(60)
        return self._found


def visible(server):
    """Numbers of the instances that a search finds, which studies count, too."""
    status, content = server.request("GET", "/dicom-web/instances?limit=100000", accept="application/dicom+json")
    found = json.loads(content) if status == 200 else []
    numbers = {int(one["00080018"]["Value"][0].rpartition(".")[2]) for one in found}
    status, content = server.request("GET", "/dicom-web/studies", accept="application/dicom+json")
    studies = json.loads(content) if status == 200 else []
    counted = sum(one["00201208"]["Value"][0] for one in studies)
    assert counted == len(found) == len(numbers), (counted, len(found), len(numbers))
    return numbers


def assert_there(server, acknowledged, before):
    """All that was acknowledged is found, and what is new is whole; what is visible."""
    numbers = visible(server)
    assert set(acknowledged) <= numbers, sorted(set(acknowledged) - numbers)
    for number in sorted(numbers - before):
        status, data = server.request("GET", path_of(number), accept="application/dicom")
        assert status == 200, (number, status, data[:300])
        assert data_set(data) == data_set(instance(number)), f"{number} has {len(data)} bytes"
    return numbers


def kill_often(folder, storescu, times, seed):
    """Kill as often, start again, and look each time; how many instances were acknowledged in all."""
    chance, everything, there = random.Random(seed), [], set()
    server = Server(folder)
    try:
        for life in range(times):
            first = 10_000 * life
            senders = [StoreScu(storescu, server.dimse_port, folder, first), Stow(server, first + 5000, seed + life)]
            time.sleep(0.1 + chance.random())
            server.kill(alone=life % 2 == 1)
            everything += [number for sender in senders for number in sender.acknowledged()]
            server = Server(folder)
            there = assert_there(server, everything, there)
    finally:
        server.stop()
    with Archive(folder / "data") as archive:
        problems = list(archive.verify())
        assert problems == [], problems
        assert [path for path in (folder / "data" / "incoming").iterdir() if path != archive.incoming] == []
        for number in everything:
            study = study_of(number)
            (record,) = archive.instances(study, f"{study}.1", f"{study}.1.{number}")
            file = dcmread(io.BytesIO(archive.fetch(record)))
            assert file.PixelData == number.to_bytes(4, "little") * (len(file.PixelData) // 4)
    return len(everything)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_while_clients_store(tmp_path, program):
    assert kill_often(tmp_path, program("storescu"), 50, seed=50) > 500
