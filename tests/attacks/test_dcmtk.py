"""What DCMTK was open to, tried at the listener and the clients here."""

import json
import shutil
import socket
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityWorklistInformationFind
from tests.archive.samples import CT_STORAGE, dataset, dicom, uid
from tests.attacks.files import grown
from tests.dimse.conftest import listening
from tests.dimse.test_clients import free_port
from tests.dimse.test_storing import sent
from tests.dimse.test_worklist import item, query
from tests.fuzz.storing import answer
from tests.fuzz.test_associations import CLASSES, VERIFICATION, WORKLIST, converse, echo, message, pdu, request

from pellucid.archive import Archive, Policies, Query
from pellucid.cli.app import run as pellucid
from pellucid.dimse.limits import NetworkLimits
from pellucid.dimse.worklist import Worklist

FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{last}" for last in (1, 2, 3))
PATHS = ("../../../../tmp/escaped", "/tmp/escaped", "....//escaped")
"""Not with backslashes, which separate values."""

UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


class HostileArchive:
    """A provider of queries, retrievals and worklists, by pynetdicom, whose identifiers are paths."""

    def __init__(self, name, receiver_port=0):
        self.name, self.receiver_port = name, receiver_port
        entity = AE("HOSTILE")
        for sop_class in (FIND, GET, MOVE, ModalityWorklistInformationFind):
            entity.add_supported_context(sop_class)
        entity.add_supported_context(CT_STORAGE, scu_role=True, scp_role=True)
        entity.add_requested_context(CT_STORAGE)
        handlers = [(evt.EVT_C_FIND, self.find), (evt.EVT_C_GET, self.give), (evt.EVT_C_MOVE, self.move)]
        self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.peer = f"HOSTILE@127.0.0.1:{self.server.socket.getsockname()[1]}"

    def instance(self):
        made = dataset(PatientID=self.name, PatientName=self.name, **dict.fromkeys(UIDS, self.name))
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        return made

    def find(self, event):
        made = self.instance()
        if event.context.abstract_syntax == ModalityWorklistInformationFind:
            step = Dataset()
            step.Modality = step.ScheduledProcedureStepID = self.name[:16]
            made.ScheduledProcedureStepSequence = [step]
        yield 0xFF00, made

    def give(self, event):
        yield 1
        yield 0xFF00, self.instance()

    def move(self, event):
        yield "127.0.0.1", self.receiver_port
        yield from self.give(event)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, deep enough that what climbs out of it stays within `tmp_path`."""
    made = tmp_path / "a" / "b" / "c" / "d" / "work"
    made.mkdir(parents=True)
    monkeypatch.chdir(made)
    yield made
    assert not Path("/tmp/escaped").exists()
    assert not list(tmp_path.rglob("*escaped*"))


@pytest.mark.filterwarnings("ignore:Invalid value", "ignore:The value length")
@pytest.mark.parametrize("name", PATHS)
class TestHostileArchive:
    @pytest.mark.parametrize("way", ["get", "move"])
    @pytest.mark.parametrize("target", ["folder", "archive"])
    def test_cve_2026_50003_names_that_a_server_sends(self, place, name, way, target, capsys):
        """Traversal: the server of a C-GET (or C-MOVE) names its instances so that a client writes elsewhere."""
        port = free_port()
        hostile = HostileArchive(name, port)
        command = ["fetch", hostile.peer, "-k", "PatientID=P1", "--aet", "FETCHER"]
        command += ["--move", str(port)] if way == "move" else []
        command += ["-o", "files"] if target == "folder" else ["--data", "files"]
        code = pellucid(command)
        hostile.server.shutdown()
        assert code in (0, 1)
        assert "\n\n" not in capsys.readouterr().err
        assert [path.name for path in place.iterdir()] == ["files"]
        if target == "folder":
            written = list((place / "files").iterdir())
            assert all(set(path.stem) <= set("0123456789abcdef") for path in written)
            assert way == "move" or len(written) == 1  # the attack was made: it did send something
        else:
            assert len(list((place / "files" / "objects").rglob("*"))) <= 1

    def test_cve_2026_52868_names_in_a_worklist(self, place, name, capsys):
        """The other end of it: a worklist server whose items name files."""
        hostile = HostileArchive(name)
        assert pellucid(["worklist", hostile.peer, "--json"]) == 0
        hostile.server.shutdown()
        (found,) = json.loads(capsys.readouterr().out)
        (place / "step.json").write_text(json.dumps(found))
        assert pellucid(["schedule", "add", "step.json", "--data", "data"]) in (0, 2)
        assert {path.name for path in place.iterdir()} <= {"step.json", "data"}


@pytest.mark.parametrize("called", ["../OTHER", "..", "/etc", ".", "PELLUCID/../X", "PELLUCID/", "*", ""])
def test_cve_2026_52868_a_worklist_of_somebody_else(archive, listener, called):
    """Escape: DCMTK takes the AE title that is called for a folder; here one that is not this archive's ends it."""
    Worklist(archive).add(item(1))
    asked = bytearray(request(who=b""))
    asked[10:26] = called.encode().ljust(16)
    assert converse(listener.port, bytes(asked))[0] in (3, 7)
    asked[10:26] = b"PELLUCID".ljust(16)
    assert converse(listener.port, bytes(asked)) == [2]


def rounds(port, sent, count):
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as link, suppress(ConnectionError):
            link.sendall(sent)
            link.shutdown(socket.SHUT_WR)
            while link.recv(1 << 16):
                pass


@pytest.fixture
def quick(archive):
    limits = NetworkLimits(association_request_s=1, message_s=1, idle_s=1)
    with listening(archive, limits=limits) as started:
        yield started


def leak_mb(port, sent, count=300):
    """What as many associations leave behind, after as many that warmed up [MB]."""
    rounds(port, sent, count // 3)
    return grown(lambda: rounds(port, sent, count))[1]


def test_cve_2026_50254_associations_that_are_accepted_and_dropped(quick):
    """Leak: requests with 60 kB of user identity, accepted, and the connection gone without a release."""
    assert converse(quick.port, request(who=b"x" * 60_000)) == [2]
    assert leak_mb(quick.port, request(who=b"x" * 60_000)) < 6  # were each kept: 18
    assert echo(quick.port) == 0


def test_cve_2026_35505_associations_that_are_rejected(quick):
    """Leak: the same where the request is refused, or ends before it is whole."""
    rejected = request(who=b"x" * 60_000).replace(b"PELLUCID", b"NOTHERE ")
    assert converse(quick.port, rejected) == [3]
    assert leak_mb(quick.port, rejected) < 6
    assert leak_mb(quick.port, request(who=b"x" * 60_000)[:-9]) < 6
    assert echo(quick.port) == 0


def element(tag, value):
    """One in Implicit VR Little Endian."""
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
CRAFTED = {
    "a sequence that is a text": element(0x00400100, b"CT"),
    "a sequence of nothing": element(0x00400100, b""),
    "an item of nothing": element(0x00400100, ITEM),
    "items that are none": element(0x00400100, ITEM[:-1] + b"\xff"),
    "a text that is a sequence": element(0x00100010, ITEM),
    "a date that is a sequence": element(0x00400100, ITEM[:4] + struct.pack("<I", 16) + element(0x00400002, ITEM)),
    "numbers that are texts": element(0x00280010, b"many") + element(0x00400100, element(0x00400002, b"x")),
    "no keys": b"",
    "half an element": b"\x10\0\x10\0\xff\xff",
    "a thousand sequences in each other": element(0x00400100, ITEM) * 1000,
}


@pytest.mark.parametrize("keys", CRAFTED.values(), ids=CRAFTED)
def test_cve_2026_44628_a_worklist_query_of_the_wrong_kinds(archive, quick, associate, keys):
    """Type confusion: one crafted query ended DCMTK's worklist server; here it is answered, and so is the next."""
    Worklist(archive).add(item(1))
    command = message(WORKLIST, 0x20, query(), Priority=0)[0]
    crafted = pdu(4, struct.pack(">IBB", len(keys) + 2, 2 * CLASSES.index(WORKLIST) + 1, 2) + keys)
    with socket.create_connection(("127.0.0.1", quick.port), timeout=10) as link:
        link.sendall(request(who=b""))
        assert answer(link)[0] == 2
        link.sendall(command + crafted)
        assert answer(link)[0] in (4, 7)
    association = associate(ModalityWorklistInformationFind, port=quick.port)
    found = list(association.send_c_find(query(PatientName="*"), ModalityWorklistInformationFind))
    assert [status.Status for status, _ in found] == [0xFF00, 0]


def test_cve_2026_10194_more_than_the_archive_may_hold(tmp_path, empty, associate):
    """Heap overflow: dcmqrscp deletes its oldest images when too many come; here the new ones are refused (A700)."""
    room = 12 * len(dicom())
    with (
        Archive(shutil.copytree(empty, tmp_path / "full"), policies=Policies(quota_bytes=room)) as archive,
        listening(archive) as full,
    ):
        association = associate((CT_STORAGE, ExplicitVRLittleEndian), port=full.port)
        statuses = [sent(association, dataset(study, 1, 1)).Status for study in range(1, 25)]
        association.release()
        stored = statuses.count(0)
        assert 0 < stored <= 12
        assert statuses == [0] * stored + [0xA700] * (24 - stored)
        assert len(archive.find(Query("study"))) == stored
        assert list(archive.verify()) == []


GOOD = message(CT_STORAGE, 1, dataset(), AffectedSOPInstanceUID=uid(1, 1, 1), Priority=0)
INVALID = {
    "a data set that does not come": GOOD[:1],
    "a data set of nothing": [GOOD[0], pdu(4, struct.pack(">IBB", 2, 2 * CLASSES.index(CT_STORAGE) + 1, 2))],
    "no data set": message(CT_STORAGE, 1, AffectedSOPInstanceUID=uid(1, 1, 1), Priority=0),
    "a data set within a command": [GOOD[1], GOOD[0]],
    "no instance named": message(CT_STORAGE, 1, dataset(), Priority=0),
    "another instance named": message(CT_STORAGE, 1, dataset(), AffectedSOPInstanceUID="1.2", Priority=0),
    "a name that is no UID": message(CT_STORAGE, 1, dataset(), AffectedSOPInstanceUID="/" * 200, Priority=0),
    "a response to nothing": message(CT_STORAGE, 0x8001, MessageIDBeingRespondedTo=7, Status=0),
    "an unknown command": message(CT_STORAGE, 0x7FFF),
    "the class of another context": [message(VERIFICATION, 1, dataset(), AffectedSOPInstanceUID="1.2")[0]],
}


@pytest.mark.parametrize("words", INVALID.values(), ids=INVALID)
def test_cve_2024_34509_invalid_messages_to_a_storage_provider(archive, quick, words):
    """Segmentation fault: messages without what a C-STORE must have; each is answered, or ends its association."""
    heard = converse(quick.port, request(who=b"") + b"".join(words))
    assert heard[0] == 2
    assert set(heard[1:]) <= {4, 7}
    assert archive.find(Query("instance")) == []
    assert echo(quick.port) == 0
