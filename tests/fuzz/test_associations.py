"""Damaged PDUs at the listener, over sockets: each conversation is answered or ended, and the next one served."""

import random
import select
import socket
import struct
import threading
from contextlib import suppress

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_context
from pynetdicom.dsutils import encode as encode_data_set
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from tests.archive.samples import CT_STORAGE, dataset, dicom, uid
from tests.dimse.conftest import listening
from tests.fuzz.mutation import mutated
from tests.fuzz.watching import SLOWEST_S, Watch, no_failure_logged

from pellucid.archive import Archive
from pellucid.dimse import command_set
from pellucid.dimse.data_set import decode
from pellucid.dimse.limits import NetworkLimits
from pellucid.dimse.query_keys import keys_of
from pellucid.errors import InvalidInputError

IMPLICIT = "1.2.840.10008.1.2"
VERIFICATION, STUDY_FIND, STUDY_MOVE, STUDY_GET = (
    "1.2.840.10008.1.1",
    "1.2.840.10008.5.1.4.1.2.2.1",
    "1.2.840.10008.5.1.4.1.2.2.2",
    "1.2.840.10008.5.1.4.1.2.2.3",
)
COMMITMENT, WORKLIST, PROCEDURE_STEP = "1.2.840.10008.1.20.1", "1.2.840.10008.5.1.4.31", "1.2.840.10008.3.1.2.3.3"
CLASSES = (VERIFICATION, CT_STORAGE, STUDY_FIND, STUDY_MOVE, STUDY_GET, COMMITMENT, WORKLIST, PROCEDURE_STEP)
ANSWER_S = 0.03
"""How long a piece waits for what comes back before it."""

LIMITS = NetworkLimits(association_request_s=0.5, message_s=0.5, idle_s=0.5, identifier_bytes=1 << 20)
GROWTH_MB = 64
"""Threads, SQLite's cache and the allocator; a leak of 1 kB an association would be 100 MB in 10⁵."""

FULL = [pytest.mark.slow, pytest.mark.timeout(3600)]


def request(who=b"somebody"):
    """An A-ASSOCIATE-RQ with every kind of user information (without an identity where `who` is empty)."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "TESTER", "PELLUCID"
    length, window = MaximumLengthNotification(), AsynchronousOperationsWindowNegotiation()
    length.maximum_length_received = 16382
    window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 3
    role, extended = SCP_SCU_RoleSelectionNegotiation(), SOPClassExtendedNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = CT_STORAGE, True, True
    extended.sop_class_uid, extended.service_class_application_information = STUDY_FIND, b"\1\1\1"
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field = 1, who or b"-"
    primitive.user_information = [length, window, role, extended, *([identity] if who else [])]
    contexts = [build_context(sop_class, IMPLICIT) for sop_class in CLASSES]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    primitive.presentation_context_definition_list = contexts
    return A_ASSOCIATE_RQ(primitive).encode()


def pdu(kind, content):
    return struct.pack(">BBI", kind, 0, len(content)) + content


def message(sop_class, field, data=None, *, parts=2, **elements):
    """A message as P-DATA-TF PDUs: the command, and its data set in parts."""
    context = 2 * CLASSES.index(sop_class) + 1
    word = "Requested" if "RequestedSOPInstanceUID" in elements else "Affected"
    command = {"CommandField": field, f"{word}SOPClassUID": sop_class, "MessageID": field, **elements}
    command["CommandDataSetType"] = 0x0101 if data is None else 1
    pieces = [(3, command_set.encode(command))]
    if data is not None:
        encoded = encode_data_set(data, True, True)
        step = -(-len(encoded) // parts)
        cuts = [encoded[start : start + step] for start in range(0, len(encoded), step)]
        pieces += [(2 * (piece is cuts[-1]), piece) for piece in cuts]
    return [pdu(4, struct.pack(">IBB", len(piece) + 2, context, head) + piece) for head, piece in pieces]


def keys(level=None, **values):
    made = Dataset()
    if level:
        made.QueryRetrieveLevel = level
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def messages():
    """One of each service, as lists of PDUs."""
    item, step = keys(ReferencedSOPClassUID=CT_STORAGE, ReferencedSOPInstanceUID=uid(1, 1, 1)), Dataset()
    commit = keys(TransactionUID=uid(9), ReferencedSOPSequence=[item])
    worklist = keys(PatientName="*", ScheduledProcedureStepSequence=[keys(Modality="CT")])
    step.PerformedProcedureStepStatus, step.PerformedProcedureStepID = "IN PROGRESS", "1"
    step.PerformedStationAETitle, step.Modality, step.PerformedSeriesSequence = "TESTER", "CT", []
    whole = uid(1)
    return [
        message(VERIFICATION, 0x30),
        message(CT_STORAGE, 0x01, dataset(), AffectedSOPInstanceUID=uid(1, 1, 1), Priority=0),
        message(CT_STORAGE, 0x01, dataset(2), parts=5, AffectedSOPInstanceUID=uid(2, 1, 1), Priority=0),
        message(STUDY_FIND, 0x20, keys("STUDY", PatientName="Doe*", StudyDate="20260301-"), Priority=0),
        message(STUDY_FIND, 0x20, keys("IMAGE", StudyInstanceUID=whole, SeriesInstanceUID=uid(1, 1)), Priority=0),
        message(STUDY_MOVE, 0x21, keys("STUDY", StudyInstanceUID=whole), MoveDestination="TESTER", Priority=0),
        message(STUDY_GET, 0x10, keys("STUDY", StudyInstanceUID=whole), Priority=0),
        message(COMMITMENT, 0x130, commit, RequestedSOPInstanceUID=f"{COMMITMENT}.1", ActionTypeID=1),
        message(WORKLIST, 0x20, worklist, Priority=0),
        message(PROCEDURE_STEP, 0x140, step, AffectedSOPInstanceUID=uid(7)),
        message(PROCEDURE_STEP, 0x120, step, RequestedSOPInstanceUID=uid(7)),
        message(VERIFICATION, 0xFFF, MessageIDBeingRespondedTo=0x20),
    ]


class Conversations:
    """Streams of PDUs, one or more of them damaged."""

    def __init__(self, seed):
        self.chance, self.request, self.messages = random.Random(seed), request(), messages()
        self.others = [self.request, *(b"".join(one) for one in self.messages)]
        self.damaged = 0

    def next(self):
        """A stream in pieces; in one of five the association request is damaged, else what comes after it.

        Mostly one piece: what comes while a query is answered ends it. In one of ten each message waits a moment for
        the answer to the one before.
        """
        chance = self.chance
        parts = [self.request] + [part for one in chance.sample(self.messages, chance.randint(1, 3)) for part in one]
        parts.append(pdu(chance.choice((5, 5, 7)), bytes(4)))
        for place in {0} if chance.random() < 0.2 else set(chance.choices(range(1, len(parts)), k=2)):
            parts[place] = self._damage(parts[place])
            self.damaged += 1
        return parts if chance.random() < 0.1 else [b"".join(parts)]

    def _damage(self, data):
        """Often behind the PDU's head and with its length right, so that the damage gets deeper in."""
        if self.chance.random() < 0.5:
            return mutated(data, self.chance, self.others)
        deep = 6 if data[0] != 4 or self.chance.random() < 0.3 else 12
        inner = mutated(data[deep:], self.chance, self.others)
        if deep == 6:
            return pdu(data[0], inner)
        return pdu(4, struct.pack(">I", len(inner) + 2) + data[10:12] + inner)


def converse(port, *pieces):
    """Say everything and hear everything; the types of the PDUs that came back."""
    heard = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=SLOWEST_S) as link, suppress(ConnectionError):
        link.sendall(pieces[0])
        for piece in pieces[1:]:
            while select.select([link], [], [], ANSWER_S)[0] and (part := link.recv(1 << 16)):
                heard += part
            link.sendall(piece)
        with suppress(OSError):  # the other side has closed the connection already
            link.shutdown(socket.SHUT_WR)
        while part := link.recv(1 << 16):
            heard += part
    kinds, place = [], 0
    while place + 6 <= len(heard):
        kinds.append(heard[place])
        place += 6 + int.from_bytes(heard[place + 2 : place + 6], "big")
    return kinds


def echo(port):
    """A partner by pynetdicom; the status of its C-ECHO."""
    entity = AE("TESTER")
    entity.add_requested_context(VERIFICATION)
    association = entity.associate("127.0.0.1", port, ae_title="PELLUCID")
    assert association.is_established
    status = association.send_c_echo().Status
    association.release()
    return status


def converse_often(folder, count):
    """Conversations until as many PDUs were damaged, the next partner is served; how many were."""
    made, watch = Conversations(4), Watch(settled=min(60, 1 + count // 8))
    with no_failure_logged(), Archive(folder) as archive:
        archive.store(dicom(1, 1, 1))
        with listening(archive, limits=LIMITS) as listener:
            while made.damaged < count:
                sent = made.next()
                with watch.case():
                    kinds = converse(listener.port, *sent)
                assert set(kinds) <= {2, 3, 4, 6, 7}, kinds  # accept, reject, data, release, abort
                watch.note(kinds[-1] if kinds else "closed")
            assert echo(listener.port) == 0
        watch.report(f"{made.damaged} damaged PDUs")
        assert list(archive.verify()) == []
        assert not list(archive.incoming.glob("received-*"))
    assert watch.growth_mb < GROWTH_MB
    assert threading.active_count() < 20
    return made.damaged, watch


@pytest.mark.parametrize("count", [5, pytest.param(100_000, marks=FULL)])
def test_damaged_conversations(tmp_path, count):
    """`count` is of damaged PDUs."""
    converse_often(tmp_path / "archive", count)


def test_partners_that_trickle_do_not_hold_others_up(tmp_path):
    """A dozen send their request a few bytes at a time and stop: they are dropped; an echo between is answered."""
    whole = request()
    with Archive(tmp_path / "archive") as archive, listening(archive, limits=LIMITS) as listener:
        links = [socket.create_connection(("127.0.0.1", listener.port), timeout=SLOWEST_S) for _ in range(12)]
        for number, link in enumerate(links):
            link.sendall(whole[: 3 * number])
        assert echo(listener.port) == 0
        for link in links:
            assert select.select([link], [], [], SLOWEST_S)[0]
            with suppress(ConnectionError):
                while link.recv(1 << 10):
                    pass
            link.close()


@pytest.mark.parametrize("count", [10, pytest.param(100_000, marks=FULL)])
def test_damaged_identifiers(count):
    """The data sets of requests, with sequences, taken apart without the network."""
    chance, watch = random.Random(7), Watch(settled=min(400, count // 2))
    nested = keys(ScheduledProcedureStepSequence=[keys(Modality="CT"), keys(ReferencedSOPSequence=[keys(Rows=5)])])
    made = [
        encode_data_set(nested, implicit, little) for implicit, little in ((True, True), (False, True), (False, False))
    ]
    syntaxes = (IMPLICIT, "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
    for _ in range(count):
        number = chance.randrange(3)
        data = mutated(made[number], chance, made)
        with watch.case():
            try:
                decode(data, syntaxes[number], nesting=16)
                watch.note("read")
            except InvalidInputError as error:
                watch.refused(error)
    watch.report()
    assert watch.growth_mb < GROWTH_MB


def test_keys_of_repeating_groups_are_matched_afterwards():
    """One keyword, Overlay Rows, names (6000,0010), (6002,0010) …"""
    asked = {"00080052": {"vr": "CS", "Value": ["IMAGE"]}, "60020010": {"vr": "US", "Value": [3]}}
    asked |= {tag: {"vr": "UI", "Value": ["1.2"]} for tag in ("0020000D", "0020000E")}
    assert "60020010" in keys_of(asked, STUDY_FIND, b"").matched_after
