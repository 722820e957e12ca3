"""What is larger than a server may hold, and very many, stored into a running one (`tests.server.running`)."""

import http.client
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

from tests.archive.raw_dicom import EXPLICIT, IMPLICIT, element, identified
from tests.archive.samples import CT_STORAGE
from tests.fuzz.test_associations import CLASSES, pdu, request

from pellucid.dimse import command_set

FRAMES, FRAME_BYTES = 7629, 512 * 512 * 2
"""4.0e9 bytes."""

SENDERS = 8
PART = 240 << 10
CONTEXT = 2 * CLASSES.index(CT_STORAGE) + 1


def large_by_http(server, frames=FRAMES):
    """Store a multi-frame object by STOW-RS; the status."""
    first, size = _head(EXPLICIT, 1, frames), frames * FRAME_BYTES
    headers = {"Content-Type": "application/dicom", "Content-Length": str(len(first) + size)}
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)) as link:
        link.request("POST", "/dicom-web/studies", _pieces(first, frames), headers)
        return link.getresponse().status


def large_by_association(server, frames=FRAMES):
    """Store another one by C-STORE; the status."""
    first = _data_set(_head(IMPLICIT, 2, frames))
    with association(server) as link:
        return send(link, "1.2.3.1.2", _pieces(first, frames, PART))


def store_many(server, first, count):
    """Store so many small instances by C-STORE, over a few associations at once."""

    def some(start):
        with association(server) as link:
            for number in range(start, first + count, SENDERS):
                pixels = element(0x7FE00010, "OW", bytes(1000), IMPLICIT)
                data = _data_set(identified(b"", pixels, IMPLICIT, instance=number))
                assert send(link, f"1.2.3.1.{number}", [data], 1 + number % 60_000) == 0

    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(some, range(first, first + SENDERS)))


@contextmanager
def association(server):
    """A socket on which an association is open; released at the end."""
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


def _head(syntax, instance, frames):
    """A multi-frame file up to its pixels."""
    shape = element(0x00280008, "IS", b"%d" % frames, syntax)
    shape += b"".join(element(tag, "US", b"\0\2", syntax) for tag in (0x00280010, 0x00280011))
    shape += element(0x00280100, "US", b"\x10\0", syntax)
    pixels = element(0x7FE00010, "OW", b"", syntax, length=frames * FRAME_BYTES)
    return identified(b"", shape + pixels, syntax, instance=instance)


def _data_set(file):
    return file[file.index(b"\x08\0\x16\0") :]


def _pieces(first, frames, size=1 << 20):
    """The file, or data set, in pieces; no two frames are the same."""
    yield first
    left, number = frames * FRAME_BYTES, 0
    while left:
        number += 1
        yield (number.to_bytes(4, "little") * (size // 4))[: min(size, left)]
        left -= min(size, left)
