"""Rules that send new instances on, and the queue that survives what may happen."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import InstanceAvailabilityNotification
from tests.archive.samples import dicom, uid
from tests.dimse.test_clients import free_port
from tests.dimse.test_retrieving import Receiver

from pellucid.cli.app import run as pellucid
from pellucid.dimse.deliveries import LONGEST_PAUSE_S, Deliveries, pause_after
from pellucid.dimse.delivering import Deliverer
from pellucid.dimse.partners import ApplicationEntity, Partners
from pellucid.dimse.routing import Route, Routes, route_new_instances
from pellucid.dimse.service import Doors


@pytest.fixture
def routed(archive):
    archive.on_store.append(route_new_instances)
    return archive


@contextmanager
def delivering(archive):
    deliverer = Deliverer(Doors(archive=archive)).start()
    try:
        yield
    finally:
        deliverer.close()


@pytest.fixture
def receiver(routed):
    started = Receiver()
    Partners(routed).put(ApplicationEntity(title="RECEIVER", host="127.0.0.1", port=started.port))
    yield started
    started.server.shutdown()


def until(holds, seconds=15):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_what_matches_goes_to_an_application(routed, receiver):
    Routes(routed).put(Route(name="ct", destination="ae:RECEIVER", match={"Modality": "CT", "PatientName": "doe*"}))
    routed.store(dicom(1, 1, 1))
    routed.store(dicom(1, 2, 1, Modality="MR"))
    routed.store(dicom(2, 1, 1, PatientName="Other"))
    with delivering(routed):
        until(lambda: Deliveries(routed).all() == [])
    assert list(receiver.got) == [uid(1, 1, 1)]


def test_a_folder(routed, tmp_path):
    target = tmp_path / "out"
    Routes(routed).put(Route(name="all", destination=f"folder:{target}"))
    routed.store(dicom(1, 1, 1))
    routed.store(dicom(1, 1, 1))  # nothing new: not delivered again
    with delivering(routed):
        until(lambda: Deliveries(routed).all() == [])
    (file,) = target.iterdir()
    assert file.read_bytes() == dicom(1, 1, 1)


def test_a_notice_for_each_study(routed):
    notices = []
    entity = AE("RIS")
    entity.add_supported_context(InstanceAvailabilityNotification)

    def take(event):
        notices.append(event.attribute_list)
        return 0, None

    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_CREATE, take)])
    Partners(routed).put(ApplicationEntity(title="RIS", host="127.0.0.1", port=server.socket.getsockname()[1]))
    Routes(routed).put(Route(name="ris", destination="notify:RIS"))
    with routed.batch() as batch:
        batch.store(dicom(1, 1, 1))
        batch.store(dicom(1, 1, 2))
    with delivering(routed):
        until(lambda: Deliveries(routed).all() == [])
    (notice,) = notices
    assert notice.StudyInstanceUID == uid(1)
    assert len(notice.ReferencedSeriesSequence[0].ReferencedSOPSequence) == 2
    server.shutdown()


class Web(ThreadingHTTPServer):
    """A STOW-RS service that counts what it gets."""

    def __init__(self, status=200, answer=b"{}"):
        super().__init__(("127.0.0.1", 0), _Stow)
        self.status, self.answer, self.bodies, self.paths = status, answer, [], []
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/dicom-web"


class _Stow(BaseHTTPRequestHandler):
    def do_POST(self):
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.server.bodies.append(body)
        self.server.paths.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.answer)))
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *arguments):
        pass


def test_a_dicomweb_server(routed):
    web = Web()
    Routes(routed).put(Route(name="web", destination=web.url))
    routed.store(dicom(1, 1, 1))
    routed.store(dicom(1, 1, 2))
    with delivering(routed):
        until(lambda: Deliveries(routed).all() == [])
    assert web.paths == ["/dicom-web/studies"]
    assert dicom(1, 1, 1) in web.bodies[0]
    assert dicom(1, 1, 2) in web.bodies[0]
    web.shutdown()
    web.server_close()


def test_a_dicomweb_server_that_refuses(routed):
    refused = (
        b'{"00081198":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["%s"]},'
        b'"00081197":{"vr":"US","Value":[272]}}]}}' % uid(1, 1, 1).encode()
    )
    web = Web(202, refused)
    Routes(routed).put(Route(name="web", destination=web.url))
    routed.store(dicom(1, 1, 1))
    routed.store(dicom(1, 1, 2))
    with delivering(routed):
        until(lambda: [d.error for d in Deliveries(routed).all()] == ["failure reason 0110"])
    web.shutdown()
    web.server_close()


def test_trying_again_until_it_is_there(routed, capsys):
    port = free_port()
    Partners(routed).put(ApplicationEntity(title="LATE", host="127.0.0.1", port=port))
    Routes(routed).put(Route(name="late", destination="ae:LATE"))
    routed.store(dicom(1, 1, 1))
    data = ["--data", str(routed.folder)]
    with delivering(routed):
        until(lambda: any(d.attempts == 1 for d in Deliveries(routed).all()))
        assert pellucid(["route", "queue", *data]) == 0
        assert "cannot be reached" in capsys.readouterr().out
        entity = AE("LATE")
        got = threading.Event()
        entity.add_supported_context("1.2.840.10008.5.1.4.1.1.2")
        server = entity.start_server(
            ("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda event: got.set() or 0)]
        )
        assert pellucid(["route", "queue", "--retry-all", *data]) == 0
        assert got.wait(10)
        until(lambda: Deliveries(routed).all() == [])
        server.shutdown()


def test_pauses_grow():
    assert [pause_after(n) for n in (1, 2, 3)] == [5, 10, 20]
    assert pause_after(30) == LONGEST_PAUSE_S


def test_an_unknown_destination_waits_and_can_be_cancelled(routed, capsys):
    Routes(routed).put(Route(name="nowhere", destination="ae:NOWHERE"))
    routed.store(dicom(1, 1, 1))
    with delivering(routed):
        until(lambda: any("no known" in d.error for d in Deliveries(routed).all()))
    data = ["--data", str(routed.folder)]
    (waiting,) = Deliveries(routed).all()
    assert pellucid(["route", "queue", "--cancel", str(waiting.id), *data]) == 0
    assert Deliveries(routed).all() == []


def test_rules_by_command(archive, capsys):
    data = ["--data", str(archive.folder)]
    assert pellucid(["route", "add", "ct", "ae:X", "-m", "Modality=CT", *data]) == 0
    assert pellucid(["route", "list", *data]) == 0
    assert "Modality=CT" in capsys.readouterr().out
    for wrong in ("X", "ftp://x", "folder:relative", "ae:", "https://"):
        assert pellucid(["route", "add", "bad", wrong, *data]) == 2
    assert pellucid(["route", "add", "bad", "ae:X", "-m", "Nonsense=1", *data]) == 2
    assert pellucid(["route", "remove", "ct", *data]) == 0
    assert pellucid(["route", "remove", "ct", *data]) == 2


def test_a_rule_that_is_off_does_nothing(routed):
    Routes(routed).put(Route(name="off", destination="ae:X", enabled=False))
    routed.store(dicom(1, 1, 1))
    assert Deliveries(routed).all() == []


def test_a_refused_instance_leaves_nothing_in_the_queue(routed):
    Routes(routed).put(Route(name="all", destination="ae:X"))
    batch = routed.batch()
    batch.store(dicom(1, 1, 1))
    batch.discard()
    assert Deliveries(routed).all() == []


_PROGRAM = """
import sys, time
from pathlib import Path
from pellucid.archive import Archive
from pellucid.dimse.delivering import Deliverer
from pellucid.dimse.routing import route_new_instances
from pellucid.dimse.service import Doors
from tests.archive.samples import dicom

with Archive(Path(sys.argv[1])) as archive:
    archive.on_store.append(route_new_instances)
    Deliverer(Doors(archive=archive), lease_s=5).start()
    for number in range(1, 1000):
        archive.store(dicom(1, 1, number))
        print(number, flush=True)
"""


@pytest.mark.slow
def test_nothing_is_lost_where_the_process_is_killed(archive, tmp_path):
    """Each instance that the archive acknowledged before the kill arrives; the next process delivers the rest."""
    target = tmp_path / "out"
    Routes(archive).put(Route(name="all", destination=f"folder:{target}"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(archive.folder)], stdout=subprocess.PIPE, text=True, env=environment
    )
    for line in process.stdout:
        if int(line) >= 40:
            break
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    process.stdout.close()
    acknowledged = max([40, *map(int, rest)])
    with delivering(archive):
        until(lambda: Deliveries(archive).all() == [], 40)
    arrived = {pydicom.dcmread(file).InstanceNumber for file in target.glob("*.dcm")}
    assert set(range(1, acknowledged + 1)) <= arrived
