"""Partners whose connections are encrypted are never called in the clear, whatever this side has of certificates."""

import socket
import threading
from contextlib import closing, contextmanager

import pytest
from tests.archive.samples import CT_STORAGE, dicom, uid
from tests.dimse.conftest import listening
from tests.dimse.test_commitment import request
from tests.dimse.test_finding import identifier
from tests.dimse.test_retrieving import STUDY_MOVE
from tests.dimse.test_routing import until

from pellucid.archive import Archive
from pellucid.dimse.deliveries import Deliveries
from pellucid.dimse.partners import ApplicationEntity, Partners
from pellucid.dimse.routing import Route, Routes
from pellucid.dimse.server import DimseServer, DimseSettings, start_deliveries
from pellucid.dimse.services import STORAGE_COMMITMENT
from pellucid.dimse.tls import TlsFiles

HANDSHAKE = 0x16
"""First byte of a TLS record that opens a connection; a DICOM association in the clear begins with 1."""


class Wire:
    """Listens, and keeps the first byte of what comes."""

    def __init__(self):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.first = []
        self.thread = threading.Thread(target=self._listen, daemon=True)
        self.thread.start()

    def _listen(self):
        while True:
            try:
                link, _ = self._socket.accept()
            except OSError:
                return
            with link:
                link.settimeout(5)
                self.first += link.recv(1)

    def close(self):
        self._socket.shutdown(socket.SHUT_RDWR)  # it wakes who waits for a call; closing alone does not
        self.thread.join(10)
        self._socket.close()


@pytest.fixture
def wire(archive):
    opened = Wire()
    Partners(archive).put(ApplicationEntity(title="TESTER", host="127.0.0.1", port=opened.port, tls=True))
    yield opened
    opened.close()
    assert not opened.thread.is_alive()


@contextmanager
def serving(archive, **files):
    """Listener and deliveries as the server runs them, in this process."""
    settings = DimseSettings(port=0, processes=0, tls=TlsFiles(**files))
    with closing(start_deliveries(archive, settings)), closing(DimseServer(archive, settings).start()) as server:
        yield server


@pytest.mark.parametrize("destination", ["ae:TESTER", "notify:TESTER"])
def test_routing_and_notices(archive, wire, destination):
    Routes(archive).put(Route(name="on", destination=destination))
    with serving(archive):
        archive.store(dicom())
        until(lambda: any(delivery.attempts for delivery in Deliveries(archive).all()))
    assert wire.first == [HANDSHAKE]


def test_moves(archive, wire, associate):
    archive.store(dicom())
    with serving(archive) as server:
        association = associate(STUDY_MOVE, port=server.port)
        answers = list(association.send_c_move(identifier("STUDY", StudyInstanceUID=uid(1)), "TESTER", STUDY_MOVE))
        association.release()
    assert answers[-1][0].Status == 0xA702
    assert wire.first == [HANDSHAKE]


def test_reports_of_commitment(archive, wire, associate):
    with serving(archive) as server:
        association = associate(STORAGE_COMMITMENT, port=server.port)
        association.send_n_action(request(uid(1, 1, 1)), 1, STORAGE_COMMITMENT, "1.2.840.10008.1.20.1.1")
        association.release()
        until(lambda: wire.first)
    assert wire.first == [HANDSHAKE]


def test_authorities_alone_are_enough_to_call(archive, pki, tmp_path):
    """A server without a certificate of its own delivers to one that has one."""
    files = TlsFiles(certificate=pki / "server.crt", key=pki / "server.key")
    with Archive(tmp_path / "other") as other, listening(other, tls=files.for_listening()) as partner:
        Partners(archive).put(ApplicationEntity(title="PELLUCID", host="127.0.0.1", port=partner.port, tls=True))
        Routes(archive).put(Route(name="on", destination="ae:PELLUCID"))
        with serving(archive, authorities=pki / "authority.crt"):
            archive.store(dicom())
            until(lambda: Deliveries(archive).all() == [])
        assert len(other.instances(uid(1))) == 1


def test_files_that_became_unfit_refuse_the_call(archive, wire, pki, associate, tmp_path):
    authorities = tmp_path / "authorities.crt"
    authorities.write_bytes((pki / "authority.crt").read_bytes())
    archive.store(dicom())
    with serving(archive, authorities=authorities) as server:
        authorities.unlink()
        association = associate(STUDY_MOVE, CT_STORAGE, port=server.port)
        *_, (final, _) = association.send_c_move(identifier("STUDY", StudyInstanceUID=uid(1)), "TESTER", STUDY_MOVE)
        association.release()
    assert final.Status == 0xA702
    assert final.ErrorComment == "no TLS to the destination"
    assert wire.first == []
