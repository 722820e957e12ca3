"""The running server on a full file system: what is acknowledged is stored, and it goes on when there is room."""

import io
import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydicom import dcmread
from pynetdicom import AE
from tests.archive.raw_dicom import element, identified
from tests.archive.samples import CT_STORAGE
from tests.server.running import Server
from tests.server.test_killed import data_set

from pellucid.archive import Archive

SIZE_MB, KEPT_MB = 100, 64
"""Of the file system; and what the archive leaves free for its index."""

OUT_OF_RESOURCES = 0xA700
NOT_NOTED = "the audit trail cannot be written (OperationalError)"
EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture
def disk(tmp_path):
    """A small file system in memory; skips by name where this user may not make one."""
    if os.geteuid() != 0:
        pytest.skip("not root: no file system can be mounted")
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", place], capture_output=True)
    if made.returncode:
        pytest.skip(f"mount: {made.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def server(disk):
    started = Server(disk)
    yield started
    started.stop()


def instance(number, size=1 << 20):
    return identified(b"", element(0x7FE00010, "OW", number.to_bytes(4, "little") * (size // 4)), instance=number)


class Stow:
    """Stores by HTTP."""

    def __init__(self, server):
        self._server = server

    def store(self, number, size=1 << 20):
        """Whether it was stored; else the answer that the standard has for it came."""
        status, content = self._server.stow([instance(number, size)])
        if status == 409:
            item = (json.loads(content).get("00081198") or json.loads(content)["0008119A"])["Value"][0]
            assert item["00081197"]["Value"] == [OUT_OF_RESOURCES], content
        assert status in (200, 409, 503, 507), content
        return status == 200


class CStore:
    """Stores by associations."""

    def __init__(self, server):
        self._port, self._entity = server.dimse_port, AE("SENDER")
        self._entity.add_requested_context(CT_STORAGE, EXPLICIT)

    def store(self, number, size=1 << 20):
        association = self._entity.associate("127.0.0.1", self._port, ae_title="PELLUCID")
        assert association.is_established
        status = association.send_c_store(dcmread(io.BytesIO(instance(number, size)))).Status
        association.release()
        assert status in (0, OUT_OF_RESOURCES), f"{status:04X}"
        return status == 0


class Ballast:
    """A file that takes what is left of the disk."""

    def __init__(self, disk):
        self._file = disk / "ballast"

    def grow(self):
        with self._file.open("ab", buffering=0) as file:
            try:
                while file.write(bytes(1 << 18)):
                    pass
            except OSError:
                return

    def go(self):
        self._file.unlink(missing_ok=True)


def assert_exactly(server, acknowledged, *, more=()):
    """What is visible is what was acknowledged (and some of `more`), each of it whole; what is visible."""
    status, content = server.request("GET", "/dicom-web/instances?limit=5000", accept="application/dicom+json")
    found = {int(one["00080018"]["Value"][0].rpartition(".")[2]) for one in json.loads(content or b"[]")}
    assert status in (200, 204)
    assert acknowledged <= found <= acknowledged | set(more)
    for number in found:
        path = f"/dicom-web/studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.{number}"
        status, data = server.request("GET", path, accept="application/dicom")
        assert status == 200
        assert data_set(data) in (data_set(instance(number)), data_set(instance(number, 20_000)))
    return found


@pytest.mark.slow
def test_a_disk_that_fills_up(server, disk):
    senders, ballast, stored = [Stow(server), CStore(server)], Ballast(disk), set()
    for sender in senders:
        for _ in range(10):
            assert sender.store(len(stored))
            stored.add(len(stored))
    while any(sender.store(len(stored)) for sender in senders):  # which one is refused first is not said
        stored.add(len(stored))
    assert SIZE_MB - KEPT_MB - 8 < len(stored) < SIZE_MB - KEPT_MB + 8
    ballast.grow()
    assert not any(sender.store(500) for sender in senders)
    assert not any(sender.store(501, size=20 << 20) for sender in senders)  # these do not even find room to arrive
    status, content = server.request("GET", "/dicom-web/studies")
    assert (status, json.loads(content)["detail"]) == (503, NOT_NOTED)
    ballast.go()
    assert_exactly(server, stored)
    for number in range(12):
        assert server.request("DELETE", f"/dicom-web/studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.{number}")[0] == 204
    assert [sender.store(number) for number, sender in enumerate(senders, 500)] == [True, True]
    assert_exactly(server, stored - set(range(12)) | {500, 501})


@pytest.mark.slow
def test_a_disk_that_is_full_now_and_then(server, disk):
    """Others take the room at any moment: between the look whether there is some, and the last byte of the index."""
    acknowledged, refused, until = set(), set(), time.monotonic() + 4

    def send(way, number):
        sender = way(server)
        while time.monotonic() < until:
            (acknowledged if sender.store(number, size=20_000) else refused).add(number)
            number += 1

    def come_and_go():
        ballast = Ballast(disk)
        while time.monotonic() < until:
            ballast.grow()
            time.sleep(0.02)
            ballast.go()
            time.sleep(0.1)

    with ThreadPoolExecutor(3) as pool:
        work = [pool.submit(send, Stow, 0), pool.submit(send, CStore, 2000), pool.submit(come_and_go)]
    for one in work:
        one.result()
    assert acknowledged
    assert refused
    there = assert_exactly(server, acknowledged, more=refused)
    assert Stow(server).store(4000)
    server.stop()
    with Archive(disk / "data") as archive:
        assert list(archive.verify()) == []
        assert len(list(archive.objects.names())) == len(there) + 1
