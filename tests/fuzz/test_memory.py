"""The memory of a running server while it stores what is larger than it may hold, and very many."""

import http.client
import shutil
import socket
import sys
from contextlib import closing

import pytest
from tests.archive.raw_dicom import EXPLICIT, IMPLICIT, element, identified
from tests.archive.samples import CT_STORAGE
from tests.fuzz.test_associations import CLASSES, pdu, request
from tests.server.running import Server

from pellucid.dimse import command_set

LARGEST_MB = 400
FRAMES, FRAME_BYTES = 7629, 512 * 512 * 2
"""4.0e9 bytes."""

PART = 240 << 10
CONTEXT = 2 * CLASSES.index(CT_STORAGE) + 1
FREE_BYTES = 16 << 30


def head(syntax, instance):
    """A multi-frame file up to its pixels."""
    shape = element(0x00280008, "IS", b"%d" % FRAMES, syntax)
    shape += b"".join(element(tag, "US", b"\0\2", syntax) for tag in (0x00280010, 0x00280011))
    shape += element(0x00280100, "US", b"\x10\0", syntax)
    pixels = element(0x7FE00010, "OW", b"", syntax, length=FRAMES * FRAME_BYTES)
    return identified(b"", shape + pixels, syntax, instance=instance)


def pieces(first, size=1 << 20):
    """The file, or data set, in pieces; no two frames are the same."""
    yield first
    left, number = FRAMES * FRAME_BYTES, 0
    while left:
        number += 1
        yield (number.to_bytes(4, "little") * (size // 4))[: min(size, left)]
        left -= min(size, left)


@pytest.fixture
def server(tmp_path):
    if shutil.disk_usage(tmp_path).free < FREE_BYTES:
        pytest.skip("less than 16 GB of disk are free")
    started = Server(tmp_path)
    yield started
    started.stop()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def association(server):
    with socket.create_connection(("127.0.0.1", server.dimse_port), timeout=300) as link:
        link.sendall(request(who=b""))
        assert answer(link)[0] == 2
        yield link
        link.sendall(pdu(5, bytes(4)))


def answer(link):
    """The next PDU: its type and content."""
    start = link.recv(6, socket.MSG_WAITALL)
    return start[0], link.recv(int.from_bytes(start[2:], "big"), socket.MSG_WAITALL)


def send(link, name, parts, number=1):
    """C-STORE of a data set that comes in parts; the status."""
    command = {"CommandField": 1, "MessageID": number, "CommandDataSetType": 1, "Priority": 0}
    command |= {"AffectedSOPClassUID": CT_STORAGE, "AffectedSOPInstanceUID": name}
    link.sendall(_fragment(3, command_set.encode(command)))
    waiting = None
    for part in parts:
        if waiting is not None:
            link.sendall(_fragment(0, waiting))
        waiting = part
    link.sendall(_fragment(2, waiting))
    return command_set.decode(answer(link)[1][6:])["Status"]


def _fragment(kind, data):
    return pdu(4, (len(data) + 2).to_bytes(4, "big") + bytes((CONTEXT, kind)) + data)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_four_gigabytes_by_http(server):
    first, size = head(EXPLICIT, 1), FRAMES * FRAME_BYTES
    headers = {"Content-Type": "application/dicom", "Content-Length": str(len(first) + size)}
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)) as link:
        link.request("POST", "/dicom-web/studies", pieces(first), headers)
        response = link.getresponse()
        assert response.status == 200, response.read()
    frame = "/dicom-web/studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.1/frames/7000"
    assert server.request("GET", frame)[0] == 200
    sys.stderr.write(f"\npeak {server.peak_mb():.0f} MB\n")
    assert server.peak_mb() < LARGEST_MB


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_four_gigabytes_by_association(server, association):
    whole = head(IMPLICIT, 2)
    first = whole[whole.index(b"\x08\0\x16\0") :]
    assert send(association, "1.2.3.1.2", pieces(first, PART)) == 0
    sys.stderr.write(f"\npeak {server.peak_mb():.0f} MB\n")
    assert server.peak_mb() < LARGEST_MB


@pytest.mark.parametrize("count", [pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.timeout(1800)
def test_many_small_instances(server, association, count):
    """After the first thousands nothing more is taken: less than 1 kB for each instance."""
    warm = count // 4
    for number in range(count):
        if number == warm:
            before = server.resident_mb()
        whole = identified(b"", element(0x7FE00010, "OW", bytes(1000), IMPLICIT), IMPLICIT, instance=number)
        data = whole[whole.index(b"\x08\0\x16\0") :]
        assert send(association, f"1.2.3.1.{number}", [data], 1 + number % 60_000) == 0
    grown = server.resident_mb() - before
    sys.stderr.write(f"\ngrown {grown:.1f} MB in {count - warm} instances, {server.resident_mb():.0f} MB in all\n")
    assert grown * 1e6 / (count - warm) < 1000
    assert server.peak_mb() < LARGEST_MB
