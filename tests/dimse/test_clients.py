"""The clients, with pynetdicom and this archive's own listener as partners; through the command line."""

import io
import json
import socket

import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)
from tests.archive.samples import CT_STORAGE, SECONDARY_CAPTURE, coded, dicom, uid
from tests.dimse.conftest import listening
from tests.dimse.test_retrieving import Receiver
from tests.dimse.test_worklist import item

from pellucid.archive import Archive
from pellucid.cli.app import run as pellucid
from pellucid.dimse.clients import peer_of
from pellucid.dimse.worklist import Worklist
from pellucid.errors import InvalidInputError


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    (folder / "deeper").mkdir(parents=True)
    for number in range(1, 4):
        (folder / f"{number}.dcm").write_bytes(dicom(1, 1, number))
    (folder / "deeper" / "4").write_bytes(dicom(2, 1, 1, SOPClassUID=SECONDARY_CAPTURE))
    (folder / "readme.txt").write_text("not DICOM")
    return folder


@pytest.fixture
def peer(listener):
    return f"PELLUCID@127.0.0.1:{listener.port}"


@pytest.fixture
def filled(archive):
    for number in range(1, 4):
        archive.store(dicom(1, 1, number))
    archive.store(dicom(1, 2, 1, SOPClassUID=SECONDARY_CAPTURE))
    archive.store(dicom(2, 1, 1, PatientName="Müller^Jörg"))
    return archive


KEPT = (
    "1.2.840.10008.1.2.4.92",
    "1.2.840.10008.1.2.4.103",
    "1.2.840.10008.1.2.4.112",
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.8.1",
    "1.2.826.0.1.3680043.10.1.1",
)
"""Transfer syntaxes that few name: JPEG 2000 part 2, a film, JPEG XL, HTJ2K RPCL, deflated frames, a private one."""


class Taciturn:
    """An archive by pynetdicom that answers queries with identifiers only, without the class of the `unnamed`.

    `available`: the transfer syntaxes that it says it has; `proposed`: those that were proposed to it at last.
    """

    def __init__(self, files, unnamed=(), available=()):
        self.available, self.proposed = list(available), set()
        self.files = {name: pydicom.dcmread(io.BytesIO(data)) for name, data in files.items()}
        self.unnamed = unnamed
        entity = AE("TACITURN")
        entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        entity.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
        syntaxes = sorted({made.file_meta.TransferSyntaxUID for made in self.files.values()})
        entity.add_supported_context(CT_STORAGE, syntaxes, scu_role=True, scp_role=True)
        handlers = [(evt.EVT_C_FIND, self.find), (evt.EVT_C_GET, self.get)]
        self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self.server.socket.getsockname()[1]

    def find(self, event):
        level = event.identifier.QueryRetrieveLevel
        for number, made in enumerate(self.files.values()):
            answer = Dataset()
            answer.QueryRetrieveLevel = level
            answer.StudyInstanceUID, answer.SeriesInstanceUID = made.StudyInstanceUID, made.SeriesInstanceUID
            if level == "IMAGE":
                answer.SOPInstanceUID = made.SOPInstanceUID
                answer.SOPClassUID = "" if made.SOPInstanceUID in self.unnamed else made.SOPClassUID
                answer.AvailableTransferSyntaxUID = self.available
            if level == "IMAGE" or number == 0:
                yield 0xFF00, answer

    def get(self, event):
        wanted = event.identifier.SOPInstanceUID
        wanted = [wanted] if isinstance(wanted, str) else wanted
        contexts = event.assoc.requestor.requested_contexts
        self.proposed = {syntax for context in contexts for syntax in context.transfer_syntax}
        yield len(wanted)
        for name in wanted:
            yield 0xFF00, self.files[name]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_echo(peer, capsys):
    assert pellucid(["echo", peer]) == 0
    assert "PELLUCID answers in" in capsys.readouterr().out


def test_nobody_there(capsys):
    assert pellucid(["echo", f"NOBODY@127.0.0.1:{free_port()}"]) == 1
    assert "cannot be reached" in capsys.readouterr().err


def test_who_refuses_says_why(listener, capsys):
    assert pellucid(["echo", f"OTHER@127.0.0.1:{listener.port}"]) == 1
    assert "refused the association: Called AE title not recognised" in capsys.readouterr().err


class TestSend:
    def test_files_and_folders(self, archive, files, peer, capsys):
        assert pellucid(["send", peer, str(files)]) == 0
        assert "sent 4, already there 0, failed 0, not DICOM 1" in capsys.readouterr().out
        (record,) = archive.instances(uid(2))
        assert archive.fetch(record)[-70:] == (files / "deeper" / "4").read_bytes()[-70:]

    def test_resume(self, archive, files, peer, tmp_path, capsys):
        state = tmp_path / "state"
        assert pellucid(["send", peer, str(files / "1.dcm"), "--resume", str(state)]) == 0
        assert pellucid(["send", peer, str(files), "--resume", str(state)]) == 0
        assert "sent 3, already there 1" in capsys.readouterr().out
        assert len(state.read_text().splitlines()) == 4

    def test_skip_what_is_there(self, archive, files, peer, capsys):
        archive.store(dicom(1, 1, 2))
        assert pellucid(["send", peer, str(files), "--skip-existing"]) == 0
        assert "sent 3, already there 1" in capsys.readouterr().out

    def test_failures_are_told(self, archive, files, peer, capsys):
        archive.store(dicom(1, 1, 2, StudyDescription="another"))
        assert pellucid(["send", peer, str(files)]) == 1
        told = capsys.readouterr()
        assert "sent 3, already there 0, failed 1" in told.out
        assert "status 0111" in told.err

    def test_to_pynetdicom(self, files, capsys):
        receiver = Receiver()
        assert pellucid(["send", f"RECEIVER@127.0.0.1:{receiver.port}", str(files)]) == 0
        assert receiver.got[uid(1, 1, 3)].pixel_array[0, 0] == 3
        receiver.server.shutdown()


class TestQuery:
    def test_table_and_json(self, filled, peer, capsys):
        assert pellucid(["query", peer, "-k", "PatientName=muller*"]) == 0
        table = capsys.readouterr().out
        assert "Müller^Jörg" in table
        assert uid(1) not in table.split()
        assert pellucid(["query", peer, "--json", "--level", "series", "-k", f"StudyInstanceUID={uid(1)}"]) == 0
        assert len(json.loads(capsys.readouterr().out)) == 2

    def test_fuzzy(self, filled, peer, capsys):
        assert pellucid(["query", peer, "--fuzzy", "-k", "PatientName=jor mul", "-r", "PatientID"]) == 0
        assert "Müller" in capsys.readouterr().out

    def test_from_patients_down(self, filled, peer, capsys):
        patients = ["query", peer, "--root", "patient", "--level", "patient", "-k", "PatientID=P*", "--json"]
        assert pellucid(patients) == 0
        (found,) = json.loads(capsys.readouterr().out)
        assert found["00201200"]["Value"] == [2]
        assert pellucid(["query", peer, "--root", "patient", "-k", "PatientID=P1", "--json"]) == 0
        assert len(json.loads(capsys.readouterr().out)) == 2
        assert pellucid(["query", peer, "--root", "patient"]) == 1  # refused by the peer: no patient named
        assert "A900" in capsys.readouterr().err

    def test_wrong_use(self, peer, capsys):
        assert pellucid(["query", peer, "--level", "patient"]) == 2
        assert pellucid(["query", peer, "--root", "series"]) == 2
        assert pellucid(["query", peer, "--level", "frame"]) == 2
        assert pellucid(["query", peer, "-k", "Nonsense=1"]) == 2
        assert pellucid(["query", "nowhere"]) == 2
        assert pellucid(["query", peer, "--level", "image"]) == 1  # refused by the peer: no study named
        assert "A900" in capsys.readouterr().err


class TestFetch:
    @pytest.mark.parametrize("way", ["get", "move"])
    def test_into_a_folder_and_again(self, filled, tmp_path, way, capsys):
        from pellucid.dimse.partners import ApplicationEntity, Partners

        port, target = free_port(), tmp_path / "target"
        Partners(filled).put(ApplicationEntity(title="FETCHER", host="127.0.0.1", port=port))
        with listening(filled) as own:
            command = ["fetch", f"PELLUCID@127.0.0.1:{own.port}", "-k", f"StudyInstanceUID={uid(1)}", "-o", str(target)]
            command += ["--aet", "FETCHER"] + (["--move", str(port)] if way == "move" else [])
            assert pellucid(command) == 0
            assert "fetched 4, already here 0, failed 0" in capsys.readouterr().out
            next(iter(target.glob("*.dcm"))).unlink()
            assert pellucid(command) == 0
            assert "fetched 1, already here 3, failed 0" in capsys.readouterr().out
        found = [pydicom.dcmread(path) for path in target.glob("*.dcm")]
        assert sorted(f.SOPInstanceUID for f in found) == sorted([*(uid(1, 1, n) for n in (1, 2, 3)), uid(1, 2, 1)])
        assert all(f.file_meta.SourceApplicationEntityTitle == "PELLUCID" for f in found)

    def test_into_an_archive(self, filled, peer, tmp_path, capsys):
        data = tmp_path / "mine"
        assert pellucid(["fetch", peer, "-k", "PatientID=P1", "--data", str(data)]) == 0
        with Archive(data) as mine:
            assert len(mine.instances(uid(1))) == 4
            (record,) = mine.instances(uid(2))
            (theirs,) = filled.instances(uid(2))
            assert pydicom.dcmread(io.BytesIO(mine.fetch(record))) == pydicom.dcmread(io.BytesIO(filled.fetch(theirs)))

    @pytest.mark.parametrize("way", ["get", "move"])
    def test_as_the_peer_keeps_them(self, archive, tmp_path, way, capsys):
        from pellucid.dimse.partners import ApplicationEntity, Partners

        for number, syntax in enumerate(KEPT, 1):
            archive.store(coded(syntax, number))
        port, data = free_port(), tmp_path / "mine"
        Partners(archive).put(ApplicationEntity(title="FETCHER", host="127.0.0.1", port=port))
        with listening(archive) as own:
            command = ["fetch", f"PELLUCID@127.0.0.1:{own.port}", "-k", f"StudyInstanceUID={uid(1)}"]
            command += ["--aet", "FETCHER", "--data", str(data)] + (["--move", str(port)] if way == "move" else [])
            assert pellucid(command) == 0, capsys.readouterr().err
        with Archive(data) as mine:
            assert {record.transfer_syntax_uid for record in mine.instances(uid(1))} == set(KEPT)

    def test_from_a_peer_that_says_little(self, tmp_path, capsys):
        """It tells no transfer syntax, and of one instance no SOP class."""
        peer = Taciturn({uid(1, 1, 1): coded("1.2.840.10008.1.2.4.103"), uid(1, 1, 2): dicom(1, 1, 2)}, {uid(1, 1, 2)})
        command = ["fetch", f"TACITURN@127.0.0.1:{peer.port}", "-k", "PatientID=P1", "-o", str(tmp_path / "t")]
        assert pellucid(command) == 1
        told = capsys.readouterr()
        assert "fetched 1, already here 0, failed 1" in told.out
        assert "the peer does not say the SOP class of 1 instances; try --move" in told.err
        (file,) = (tmp_path / "t").iterdir()
        assert pydicom.dcmread(file).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.103"
        peer.server.shutdown()

    def test_what_has_no_pixels_is_not_asked_for(self, tmp_path):
        """A peer that says that it can send addresses of pixels by JPIP, too."""
        jpip, jpeg = "1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.70"
        peer = Taciturn({uid(1, 1, 1): dicom()}, available=[jpip, jpeg])
        command = ["fetch", f"TACITURN@127.0.0.1:{peer.port}", "-k", "PatientID=P1", "-o", str(tmp_path / "t")]
        assert pellucid(command) == 0
        assert jpeg in peer.proposed
        assert jpip not in peer.proposed
        peer.server.shutdown()

    @pytest.mark.parametrize("way", ["get", "move"])
    def test_from_patients_down(self, filled, tmp_path, way, capsys):
        from pellucid.dimse.partners import ApplicationEntity, Partners

        filled.store(dicom(3, PatientID="P2"))
        port, target = free_port(), tmp_path / "target"
        Partners(filled).put(ApplicationEntity(title="FETCHER", host="127.0.0.1", port=port))
        with listening(filled) as own:
            command = ["fetch", f"PELLUCID@127.0.0.1:{own.port}", "--root", "patient", "-o", str(target)]
            command += ["--aet", "FETCHER"] + (["--move", str(port)] if way == "move" else [])
            assert pellucid([*command, "-k", "PatientName=Doe*", "-k", "StudyDescription=Chest"]) == 0
            assert pellucid([*command, "-k", "PatientID=P1", "-k", f"StudyInstanceUID={uid(1)}"]) == 0
            assert pellucid([*command, "-k", f"StudyInstanceUID={uid(1)}"]) == 2
        told = capsys.readouterr()
        assert "fetched 0, already here 4, failed 0" in told.out
        assert "keys: are none of a patient" in told.err
        found = {pydicom.dcmread(path).StudyInstanceUID for path in target.glob("*.dcm")}
        assert found == {uid(1), uid(2), uid(3)}

    def test_a_destination_that_the_peer_does_not_know(self, filled, peer, tmp_path, capsys):
        command = ["fetch", peer, "-k", "PatientID=P1", "-o", str(tmp_path / "t"), "--move", str(free_port())]
        assert pellucid(command) == 1
        assert "A801" in capsys.readouterr().err

    def test_something_must_be_asked_for(self, peer, capsys):
        assert pellucid(["fetch", peer]) == 2


class TestWorklist:
    def test_scheduled_here_asked_for_there(self, archive, tmp_path, listener, capsys):
        file = tmp_path / "step.json"
        file.write_text(json.dumps(item(1)))
        data = ["--data", str(archive.folder)]
        assert pellucid(["schedule", "add", str(file), *data]) == 0
        step_id = capsys.readouterr().out.strip()
        assert pellucid(["worklist", f"PELLUCID@127.0.0.1:{listener.port}", "-k", "Modality=CT"]) == 0
        assert "Doe^Jane" in capsys.readouterr().out
        assert pellucid(["worklist", f"PELLUCID@127.0.0.1:{listener.port}", "--json", "-k", "Modality=MR"]) == 0
        assert json.loads(capsys.readouterr().out) == []
        assert pellucid(["schedule", "list", *data]) == 0
        assert step_id in capsys.readouterr().out
        assert pellucid(["schedule", "remove", step_id, *data]) == 0
        assert Worklist(archive).all() == []
        assert pellucid(["schedule", "remove", step_id, *data]) == 2

    def test_files_that_are_none(self, tmp_path, archive, capsys):
        for content in (b"rubbish", b"[]", b"{}", b'{"a": 1}', dicom()):
            (tmp_path / "file").write_bytes(content)
            assert pellucid(["schedule", "add", str(tmp_path / "file"), "--data", str(archive.folder)]) == 2


def test_application_entities_by_command(archive, listener, capsys):
    data = ["--data", str(archive.folder)]
    add = ["ae", "add", "ARCHIVE2", "--host", "127.0.0.1", "--port", str(listener.port), "--may", "find", *data]
    assert pellucid([*add, "--from", "10.0.0.0/8"]) == 0
    assert pellucid(["ae", "list", *data]) == 0
    assert "10.0.0.0/8" in capsys.readouterr().out
    assert pellucid(["ae", "add", "X", "--may", "everything", *data]) == 2
    assert pellucid(["ae", "add", "X", "--from", "nowhere", *data]) == 2
    assert pellucid(["ae", "add", "A" * 17, *data]) == 2
    assert pellucid(["ae", "remove", "ARCHIVE2", *data]) == 0
    assert pellucid(["ae", "remove", "ARCHIVE2", *data]) == 2


@pytest.mark.parametrize("text", ["", "A@b", "A@b:0", "A@b:99999", "@b:1", "A" * 17 + "@b:1"])
def test_peers_that_are_none(text):
    with pytest.raises(InvalidInputError):
        peer_of(text)


def test_peers():
    assert (peer_of("A B@[::1]:104").host, peer_of("A B@[::1]:104").title) == ("::1", "A B")
