"""Partners that break the protocol, or wait too long: memory stays bounded, nothing half-received is kept."""

import socket
import struct
import time
import tracemalloc
from contextlib import suppress

import pytest
from pynetdicom import AE
from pynetdicom.pdu import A_ASSOCIATE_RQ
from tests.archive.samples import CT_STORAGE
from tests.dimse.conftest import listening

from pellucid.dimse.limits import NetworkLimits

ABORT, REJECT, ACCEPT, RELEASE_ANSWER = 7, 3, 2, 6


def association_request(title="TESTER"):
    """An A-ASSOCIATE-RQ for CT storage, made by pynetdicom."""
    from pynetdicom import build_context
    from pynetdicom.pdu_primitives import A_ASSOCIATE, MaximumLengthNotification

    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = title, "PELLUCID"
    length = MaximumLengthNotification()
    length.maximum_length_received = 16382
    primitive.user_information = [length]
    context = build_context(CT_STORAGE)
    context.context_id = 1
    primitive.presentation_context_definition_list = [context]
    return A_ASSOCIATE_RQ(primitive).encode()


def pdu(kind, content, length=None):
    return struct.pack(">BBI", kind, 0, len(content) if length is None else length) + content


def value(header, data, context=1):
    return struct.pack(">IBB", len(data) + 2, context, header) + data


@pytest.fixture
def limited(archive):
    limits = NetworkLimits(association_request_s=1, message_s=1, idle_s=1)
    with listening(archive, limits=limits) as started:
        yield started


@pytest.fixture
def call(limited):
    opened = []

    def connect():
        link = socket.create_connection(("127.0.0.1", limited.port), timeout=10)
        opened.append(link)
        return link

    yield connect
    for link in opened:
        link.close()


@pytest.fixture
def established(call):
    link = call()
    link.sendall(association_request())
    assert answer(link) == ACCEPT
    return link


def answer(link):
    """The type of the next PDU, 0 where the connection is closed."""
    try:
        head = link.recv(6, socket.MSG_WAITALL)
        if len(head) == 6:
            link.recv(int.from_bytes(head[2:], "big"), socket.MSG_WAITALL)
    except ConnectionResetError:
        return 0
    return head[0] if head else 0


@pytest.mark.parametrize("kind", [1, 2, 4, 5, 7])
def test_a_length_beyond_the_limit_takes_no_memory(call, kind):
    tracemalloc.start()
    link = call()
    link.sendall(pdu(kind, b"", length=0xFFFFFFFF))
    assert answer(link) in (0, ABORT)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        pdu(4, b"", length=0x7FFFFFFF),
        pdu(4, b"\xff\xff\xff\xff\x01\x03"),
        pdu(4, struct.pack(">IBB", 1, 1, 3)),
        pdu(4, value(3, b"nonsense")),
        pdu(4, value(2, b"a data set without a command")),
        pdu(4, value(3, b"", context=3)),
        pdu(4, value(1, b"\0" * 60_000)) * 2,
        pdu(1, b""),
        pdu(9, b""),
        pdu(4, value(3, struct.pack("<HHIH", 0, 0x100, 2, 1))),
        pdu(4, value(3, struct.pack("<HHI", 0, 0x100, 0xFFFFFFFF))),
    ],
)
def test_broken_messages_abort(established, content):
    established.sendall(content)
    assert answer(established) == ABORT
    assert answer(established) == 0


def test_rubbish_instead_of_an_association(call):
    for rubbish in (b"GET / HTTP/1.1\r\n\r\n", pdu(1, b"\xff" * 200), pdu(1, b""), bytes(100)):
        link = call()
        link.sendall(rubbish)
        assert answer(link) in (0, ABORT)


def test_silence_is_ended(call, established):
    before = time.monotonic()
    assert answer(call()) == 0  # ARTIM
    assert answer(established) == 0  # idle
    assert time.monotonic() - before < 5


def test_one_byte_at_a_time_is_not_waited_for_for_ever(established):
    message = pdu(4, value(3, b"\0" * 100))
    before = time.monotonic()
    with suppress(OSError):  # reset, or a broken pipe
        for number in range(100):
            established.sendall(message[number : number + 1])
            time.sleep(0.1)
    assert time.monotonic() - before < 5


def test_a_partner_that_vanishes_within_a_message_leaves_nothing(archive, established):
    from pellucid.dimse.command_set import encode

    command = encode(
        {
            "CommandField": 1,
            "MessageID": 1,
            "CommandDataSetType": 1,
            "AffectedSOPClassUID": CT_STORAGE,
            "AffectedSOPInstanceUID": "1.2.3",
            "Priority": 0,
        }
    )
    established.sendall(pdu(4, value(3, command)) + pdu(4, value(0, b"half a data set"))[:-4])
    established.close()
    time.sleep(0.3)
    assert [path.name for path in archive.incoming.iterdir() if path.name.startswith("received")] == []


def test_more_associations_than_allowed_are_asked_to_come_back(archive):
    with listening(archive, limits=NetworkLimits(associations=1)) as busy:
        entity = AE("TESTER")
        entity.add_requested_context("1.2.840.10008.1.1")
        first = entity.associate("127.0.0.1", busy.port, ae_title="PELLUCID")
        second = entity.associate("127.0.0.1", busy.port, ae_title="PELLUCID")
        assert first.is_established
        assert second.is_rejected
        assert (second.acceptor.primitive.result, second.acceptor.primitive.result_source) == (2, 3)
        first.release()
        time.sleep(0.3)
        third = entity.associate("127.0.0.1", busy.port, ae_title="PELLUCID")
        assert third.is_established
        third.release()


def test_release_is_answered(established):
    established.sendall(pdu(5, bytes(4)))
    assert answer(established) == RELEASE_ANSWER
    assert answer(established) == 0
