"""Mutated conversations: the listener answers or ends each within seconds, and serves the next partner as ever."""

import random
import socket
import time
from contextlib import suppress

import pytest
from pynetdicom import AE
from pynetdicom.dsutils import encode as encode_data_set
from tests.archive.samples import CT_STORAGE, dataset, uid
from tests.dimse.conftest import listening
from tests.dimse.test_bad_partners import pdu, value
from tests.dimse.test_finding import STUDY_ROOT, identifier

from pellucid.dimse import command_set
from pellucid.dimse.command_set import CommandError, Operation
from pellucid.dimse.data_set import decode
from pellucid.dimse.limits import NetworkLimits
from pellucid.errors import InvalidInputError

IMPLICIT = "1.2.840.10008.1.2"


def conversation():
    """Association, C-STORE, C-FIND and release, as bytes."""
    from pynetdicom import build_context
    from pynetdicom.pdu import A_ASSOCIATE_RQ
    from pynetdicom.pdu_primitives import A_ASSOCIATE, MaximumLengthNotification

    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "TESTER", "PELLUCID"
    length = MaximumLengthNotification()
    length.maximum_length_received = 16382
    primitive.user_information = [length]
    contexts = [build_context(CT_STORAGE, IMPLICIT), build_context(STUDY_ROOT, IMPLICIT)]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    primitive.presentation_context_definition_list = contexts
    store = {
        "CommandField": Operation.C_STORE,
        "MessageID": 1,
        "CommandDataSetType": 1,
        "AffectedSOPClassUID": CT_STORAGE,
        "AffectedSOPInstanceUID": uid(1, 1, 1),
        "Priority": 0,
    }
    find = {**store, "CommandField": Operation.C_FIND, "MessageID": 2, "AffectedSOPClassUID": STUDY_ROOT}
    del find["AffectedSOPInstanceUID"]
    instance = encode_data_set(dataset(), True, True)
    keys = encode_data_set(
        identifier("STUDY", PatientName="Doe*", StudyDate="20260301-", StudyInstanceUID=""), True, True
    )
    return [
        A_ASSOCIATE_RQ(primitive).encode(),
        pdu(4, value(3, command_set.encode(store)) + value(0, instance[:100])) + pdu(4, value(2, instance[100:])),
        pdu(4, value(3, command_set.encode(find), context=3) + value(2, keys, context=3)),
        pdu(5, bytes(4)),
    ]


def mutated(whole, chance):
    """The conversation with bytes changed, left out, doubled or cut off."""
    data = bytearray(whole)
    for _ in range(chance.randint(1, 6)):
        place = chance.randrange(len(data))
        kind = chance.randrange(5)
        if kind == 0:
            data[place] = chance.randrange(256)
        elif kind == 1:
            del data[place : place + chance.randint(1, 8)]
        elif kind == 2:
            data[place:place] = data[place : place + chance.randint(1, 64)]
        elif kind == 3:
            data[place : place + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
        else:
            del data[place:]
        if not data:
            break
    return bytes(data)


@pytest.mark.parametrize("count", [80, pytest.param(5000, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_mutated_conversations(archive, count):
    limits = NetworkLimits(association_request_s=0.5, message_s=0.5, idle_s=0.5)
    chance = random.Random(20260301)
    whole = conversation()
    with listening(archive, limits=limits) as listener:
        for _ in range(count):
            keep = chance.randrange(len(whole))  # what comes before is whole, so that every state is reached
            sent = b"".join(whole[:keep]) + mutated(b"".join(whole[keep:]), chance)
            _converse(listener.port, sent)
        entity = AE("TESTER")
        entity.add_requested_context("1.2.840.10008.1.1")
        association = entity.associate("127.0.0.1", listener.port, ae_title="PELLUCID")
        assert association.send_c_echo().Status == 0
        association.release()
    assert not list(archive.incoming.glob("received-*"))


def _converse(port, data):
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=10) as link, suppress(ConnectionError):
        link.sendall(data)
        link.shutdown(socket.SHUT_WR)
        while link.recv(1 << 16):
            pass
    assert time.monotonic() - start < 5


def test_mutated_command_sets_and_identifiers():
    chance = random.Random(1)
    keys = encode_data_set(identifier("STUDY", PatientName="Doe*", StudyInstanceUID=""), True, True)
    command = command_set.encode({"CommandField": 1, "CommandDataSetType": 1, "AffectedSOPClassUID": CT_STORAGE})
    for _ in range(3000):
        with suppress(CommandError):
            command_set.decode(mutated(command, chance))
        with suppress(InvalidInputError):
            decode(mutated(keys, chance), IMPLICIT, nesting=8)


def test_sequences_too_deep_are_refused():
    nested = b""
    for _ in range(3000):
        item = b"\xfe\xff\x00\xe0" + len(nested).to_bytes(4, "little") + nested
        nested = b"\x40\x00\x00\x01" + len(item).to_bytes(4, "little") + item
    with pytest.raises(InvalidInputError):
        decode(nested, IMPLICIT, nesting=16)
