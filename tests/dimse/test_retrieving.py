"""C-MOVE and C-GET as a provider, seen by pynetdicom and DCMTK."""

import io
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pydicom
import pytest
from pydicom.uid import ImplicitVRLittleEndian, RLELossless
from pynetdicom import AE, build_role, evt
from tests.archive.samples import CT_STORAGE, SECONDARY_CAPTURE, dataset, dicom, file_bytes, uid
from tests.dimse.test_finding import identifier
from tests.fuzz.watching import resident_mb

from pellucid.access import Permission
from pellucid.codecs import named, transcode_into
from pellucid.dimse.partners import ApplicationEntity, Partners

STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
BOTH = (CT_STORAGE, SECONDARY_CAPTURE)
PATIENT_GET = "1.2.840.10008.5.1.4.1.2.1.3"


@pytest.fixture
def filled(archive):
    for number in range(1, 5):
        archive.store(dicom(1, 1, number))
    archive.store(dicom(1, 2, 1, SOPClassUID=SECONDARY_CAPTURE))
    archive.store(dicom(2, 1, 1))
    return archive


class Receiver:
    """A storage provider by pynetdicom that keeps what it gets; `answers`: statuses, by SOP Instance UID."""

    def __init__(self, *contexts):
        self.got, self.answers, self.originators = {}, {}, []
        entity = AE("RECEIVER")
        for context in contexts or (CT_STORAGE, SECONDARY_CAPTURE):
            entity.add_supported_context(*(context if isinstance(context, tuple) else (context,)))
        handlers = [(evt.EVT_C_STORE, self.store)]
        self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self.server.socket.getsockname()[1]

    def store(self, event):
        made = event.dataset
        made.file_meta = event.file_meta
        self.got[made.SOPInstanceUID] = made
        self.originators.append(
            (event.request.MoveOriginatorApplicationEntityTitle, event.request.MoveOriginatorMessageID)
        )
        return self.answers.get(made.SOPInstanceUID, 0)


@pytest.fixture
def receiver(filled):
    started = Receiver()
    Partners(filled).put(ApplicationEntity(title="RECEIVER", host="127.0.0.1", port=started.port))
    yield started
    started.server.shutdown()


def move(associate, level="STUDY", destination="RECEIVER", **keys):
    association = associate(STUDY_MOVE)
    return list(association.send_c_move(identifier(level, **keys), destination, STUDY_MOVE, msg_id=7))


class TestMove:
    def test_a_study(self, associate, receiver, trail):
        answers = move(associate, StudyInstanceUID=uid(1))
        assert len(receiver.got) == 5
        assert receiver.originators[0] == ("TESTER", 7)
        final, _ = answers[-1]
        assert (final.Status, final.NumberOfCompletedSuboperations) == (0, 5)
        assert [status.NumberOfRemainingSuboperations for status, _ in answers[:-1]] == [4, 3, 2, 1]
        assert trail.names() == ["DICOM Instances Transferred"]
        assert trail[0].detail == {"instances": "5", "destination": "RECEIVER"}

    def test_a_series_and_an_instance(self, associate, receiver):
        move(associate, "SERIES", StudyInstanceUID=uid(1), SeriesInstanceUID=uid(1, 2))
        assert list(receiver.got) == [uid(1, 2, 1)]
        wanted = [uid(1, 1, 2), uid(1, 1, 3)]
        move(associate, "IMAGE", StudyInstanceUID=uid(1), SeriesInstanceUID=uid(1, 1), SOPInstanceUID=wanted)
        assert list(receiver.got) == [uid(1, 2, 1), *wanted]

    def test_some_fail(self, associate, receiver):
        receiver.answers = {uid(1, 1, 2): 0xA700, uid(1, 1, 3): 0xB000}
        final, failed = move(associate, StudyInstanceUID=uid(1))[-1]
        assert final.Status == 0xB000
        numbers = (
            final.NumberOfCompletedSuboperations,
            final.NumberOfWarningSuboperations,
            final.NumberOfFailedSuboperations,
        )
        assert numbers == (3, 1, 1)
        assert failed.FailedSOPInstanceUIDList == uid(1, 1, 2)

    def test_a_class_that_the_destination_does_not_take(self, filled, associate):
        only_ct = Receiver(CT_STORAGE)
        Partners(filled).put(ApplicationEntity(title="RECEIVER", host="127.0.0.1", port=only_ct.port))
        final, failed = move(associate, StudyInstanceUID=uid(1))[-1]
        assert final.Status == 0xB000
        assert failed.FailedSOPInstanceUIDList == uid(1, 2, 1)
        only_ct.server.shutdown()

    def test_a_destination_that_is_not_there(self, filled, associate):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            Partners(filled).put(ApplicationEntity(title="GONE", host="127.0.0.1", port=taken.getsockname()[1]))
            final, failed = move(associate, destination="GONE", StudyInstanceUID=uid(1))[-1]
        assert final.Status == 0xA702
        assert len(failed.FailedSOPInstanceUIDList) == 5

    def test_an_unknown_destination(self, filled, associate):
        assert move(associate, destination="NOBODY", StudyInstanceUID=uid(1))[-1][0].Status == 0xA801

    def test_nothing_matches(self, associate, receiver):
        final, _ = move(associate, StudyInstanceUID=uid(77))[-1]
        assert (final.Status, final.NumberOfCompletedSuboperations) == (0, 0)

    def test_the_key_of_the_level_is_needed(self, associate, receiver):
        assert move(associate, PatientID="P1")[-1][0].Status == 0xA900

    def test_who_may_only_search_gets_nothing(self, filled, associate, receiver, trail):
        Partners(filled).put(ApplicationEntity(title="TESTER", permissions=frozenset({Permission.FIND})))
        assert move(associate, StudyInstanceUID=uid(1))[-1][0].Status == 0x0124
        assert receiver.got == {}
        assert trail.names() == ["Security Alert"]

    def test_compressed_images_are_unpacked_for_who_needs_it(self, archive, associate):
        pytest.importorskip("pellucid.codecs")
        made = dataset(5)
        plain = made.PixelData
        made.file_meta = pydicom.dcmread(io.BytesIO(file_bytes(made))).file_meta
        made.compress(RLELossless, encoding_plugin="pydicom")
        archive.store(file_bytes(made, RLELossless))
        simple = Receiver((CT_STORAGE, ImplicitVRLittleEndian))
        Partners(archive).put(ApplicationEntity(title="RECEIVER", host="127.0.0.1", port=simple.port))
        assert move(associate, StudyInstanceUID=uid(5))[-1][0].Status == 0
        (got,) = simple.got.values()
        assert got.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
        assert got.PixelData[: len(plain)] == plain
        simple.server.shutdown()

    def test_cancelling(self, filled, associate, receiver):
        entity = associate(STUDY_MOVE)
        slow = threading.Event()
        original = receiver.store

        def store(event):
            slow.wait(0.3)
            return original(event)

        receiver.server.bind(evt.EVT_C_STORE, store)
        answers = entity.send_c_move(identifier("STUDY", StudyInstanceUID=uid(1)), "RECEIVER", STUDY_MOVE, msg_id=3)
        next(answers)
        entity.send_c_cancel(3, query_model=STUDY_MOVE)
        final = [status for status, _ in answers][-1]
        assert final.Status == 0xFE00
        assert final.NumberOfRemainingSuboperations > 0
        assert len(receiver.got) < 5


class TestGet:
    def get(
        self, associate, model=STUDY_GET, contexts=(CT_STORAGE, SECONDARY_CAPTURE), answers=0, level="STUDY", **keys
    ):
        got = {}

        def store(event):
            made = event.dataset
            made.file_meta = event.file_meta
            got[made.SOPInstanceUID] = made
            return answers

        plain = [c if isinstance(c, tuple) else (c,) for c in contexts]
        roles = [build_role(context[0], scp_role=True) for context in plain]
        association = associate(model, *plain, handlers=[(evt.EVT_C_STORE, store)], ext_neg=roles)
        statuses = [status for status, _ in association.send_c_get(identifier(level, **keys), model)]
        return got, statuses[-1]

    def test_a_study(self, filled, associate):
        got, final = self.get(associate, StudyInstanceUID=uid(1))
        assert (final.Status, final.NumberOfCompletedSuboperations) == (0, 5)
        assert got[uid(1, 1, 2)].pixel_array[0, 0] == 2

    def test_all_of_a_patient(self, filled, associate):
        got, final = self.get(associate, PATIENT_GET, level="PATIENT", PatientID="P1")
        assert (final.Status, len(got)) == (0, 6)

    def test_without_a_context_for_one_kind(self, filled, associate):
        got, final = self.get(associate, contexts=(CT_STORAGE,), StudyInstanceUID=uid(1))
        assert (final.Status, len(got)) == (0xB000, 4)

    def test_refused_by_the_receiver(self, filled, associate):
        _, final = self.get(associate, answers=0xA700, StudyInstanceUID=uid(2))
        assert final.Status == 0xA702

    def test_in_another_transfer_syntax(self, filled, associate):
        pytest.importorskip("pellucid.codecs")
        got, final = self.get(associate, contexts=((CT_STORAGE, ImplicitVRLittleEndian),), StudyInstanceUID=uid(2))
        assert final.Status == 0
        assert got[uid(2, 1, 1)].file_meta.TransferSyntaxUID == ImplicitVRLittleEndian


def test_getscu_gets(run, filled, listener, tmp_path):
    run(
        "getscu", "-S", "-aec", "PELLUCID", "127.0.0.1", listener.port, "-od", tmp_path, "-k",
        "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid(1)}",
    )  # fmt: skip
    files = [pydicom.dcmread(path) for path in tmp_path.iterdir() if path.is_file()]
    assert sorted(f.SOPInstanceUID for f in files) == sorted([uid(1, 2, 1), *(uid(1, 1, n) for n in range(1, 5))])


_LISTENER = """
import sys
from pathlib import Path
from pellucid.archive import Archive
from pellucid.dimse.listener import Listener, listening_socket
from pellucid.dimse.service import Doors

with Archive(Path(sys.argv[1])) as archive:
    listener = Listener(Doors(archive=archive), listening_socket("127.0.0.1", 0)).start()
    print(listener.port, flush=True)
    sys.stdin.readline()
    listener.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("stored", ["explicit", "htj2k"])
def test_what_is_converted_goes_through_a_file(associate, archive, tmp_path, stored):
    """160 MB of frames for one that takes only Implicit VR, from a process whose memory is measured."""
    pixels = np.zeros((300, 512, 512), np.uint16) + np.arange(300, dtype=np.uint16)[:, None, None]
    with (tmp_path / "large.dcm").open("w+b") as file:
        transcode_into(file, io.BytesIO(dicom(pixels=pixels)), named(stored))
    archive.store(tmp_path / "large.dcm")
    command = [sys.executable, "-c", _LISTENER, str(archive.folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    port = int(process.stdout.readline())
    before = resident_mb(process.pid, "VmHWM")
    got = []
    association = associate(
        STUDY_GET,
        (CT_STORAGE, ImplicitVRLittleEndian),
        port=port,
        ext_neg=[build_role(CT_STORAGE, scp_role=True)],
        handlers=[(evt.EVT_C_STORE, lambda event: got.append(event.dataset) or 0)],
    )
    *_, (final, _) = association.send_c_get(identifier("STUDY", StudyInstanceUID=uid(1)), STUDY_GET)
    association.release()
    grown = resident_mb(process.pid, "VmHWM") - before
    process.communicate("", timeout=60)
    assert final.Status == 0
    assert got[0].PixelData == pixels.tobytes()
    assert grown < 80


def test_movescu_moves_to_itself(run, filled, listener, tmp_path):
    port = _free_port()
    Partners(filled).put(ApplicationEntity(title="MOVESCU", host="127.0.0.1", port=port))
    run(
        "movescu", "-S", "-aet", "MOVESCU", "-aem", "MOVESCU", "-aec", "PELLUCID", "--port", port, "-od", tmp_path,
        "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid(1)}", "127.0.0.1", listener.port,
    )  # fmt: skip
    assert len([path for path in tmp_path.iterdir() if path.is_file()]) == 5


def test_moving_to_dcmqrscp(program, run, filled, listener, tmp_path):
    folder, port = tmp_path / "DB", _free_port()
    folder.mkdir()
    config = tmp_path / "dcmqrscp.cfg"
    config.write_text(
        f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 4\nHostTable BEGIN\nHostTable END\n"
        f"VendorTable BEGIN\nVendorTable END\nAETable BEGIN\nSTORE {folder} RW (200, 1024mb) ANY\nAETable END\n"
    )
    server = subprocess.Popen([program("dcmqrscp"), "-c", str(config)])
    try:
        _wait_for(port)
        Partners(filled).put(ApplicationEntity(title="STORE", host="127.0.0.1", port=port))
        run(
            "movescu", "-S", "-aem", "STORE", "-aec", "PELLUCID", "127.0.0.1", listener.port,
            "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={uid(1)}",
        )  # fmt: skip
        found = run(
            "findscu", "-S", "-aec", "STORE", "127.0.0.1", port,
            "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID",
        )  # fmt: skip
        assert uid(1) in found
        assert len(list(folder.glob("*.dcm")) + list(folder.glob("*_*"))) >= 5
    finally:
        server.terminate()
        server.wait(10)


def _free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _wait_for(port):
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the program does not listen")
