"""Storage commitment in both directions, with pynetdicom as the partner."""

import threading
import time

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import StorageCommitmentPushModel
from tests.archive.samples import CT_STORAGE, dicom, uid

from pellucid.dimse.commitment import ask, commitments
from pellucid.dimse.deliveries import Deliveries
from pellucid.dimse.delivering import Deliverer
from pellucid.dimse.partners import ApplicationEntity, Partners
from pellucid.dimse.requestor import Peer, Wanted, associated, context_for
from pellucid.dimse.service import Doors
from pellucid.dimse.services import MESSAGE_SYNTAXES, STORAGE_COMMITMENT

INSTANCE = "1.2.840.10008.1.20.1.1"


def request(*instances, transaction=None, sop_class=CT_STORAGE):
    made = Dataset()
    made.TransactionUID = transaction or uid(900)
    made.ReferencedSOPSequence = []
    for instance in instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, instance
        made.ReferencedSOPSequence.append(item)
    return made


class Modality:
    """Receives reports over associations that the archive opens."""

    def __init__(self, status=0):
        self.reports, self.came, self.status = [], threading.Event(), status
        entity = AE("TESTER")
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=False, scp_role=True)
        entity.supported_contexts[0].scu_role = True
        self.server = entity.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_EVENT_REPORT, self.take)]
        )
        self.port = self.server.socket.getsockname()[1]

    def take(self, event):
        self.reports.append((event.event_type, event.event_information))
        self.came.set()
        return self.status, None


@pytest.fixture
def modality(archive):
    started = Modality()
    Partners(archive).put(ApplicationEntity(title="TESTER", host="127.0.0.1", port=started.port))
    yield started
    started.server.shutdown()


@pytest.fixture
def deliverer(archive):
    started = Deliverer(Doors(archive=archive)).start()
    yield started
    started.close()


def ask_for(associate, *instances, **more):
    association = associate(StorageCommitmentPushModel)
    status, _ = association.send_n_action(request(*instances, **more), 1, StorageCommitmentPushModel, INSTANCE)
    association.release()
    return status.Status


def test_the_report_comes_over_a_new_association(archive, associate, modality, deliverer):
    archive.store(dicom(1, 1, 1))
    assert ask_for(associate, uid(1, 1, 1)) == 0
    assert modality.came.wait(10)
    ((kind, information),) = modality.reports
    assert kind == 1
    assert information.TransactionUID == uid(900)
    assert information.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == uid(1, 1, 1)
    _until(lambda: Deliveries(archive).all() == [])


def test_what_is_not_there_is_told(archive, associate, modality, deliverer):
    archive.store(dicom(1, 1, 1))
    archive.store(dicom(1, 1, 2))
    (damaged,) = archive.instances(uid(1), uid(1, 1), uid(1, 1, 2))
    archive.objects.path(damaged.object_sha256).write_bytes(b"rubbish")
    assert ask_for(associate, uid(1, 1, 1), uid(1, 1, 2), uid(7)) == 0
    assert modality.came.wait(10)
    ((kind, information),) = modality.reports
    assert kind == 2
    failed = {item.ReferencedSOPInstanceUID: item.FailureReason for item in information.FailedSOPSequence}
    assert failed == {uid(1, 1, 2): 0x0110, uid(7): 0x0112}
    assert len(information.ReferencedSOPSequence) == 1


def test_a_class_that_is_another(archive, associate, modality, deliverer):
    archive.store(dicom(1, 1, 1))
    assert ask_for(associate, uid(1, 1, 1), sop_class="1.2.840.10008.5.1.4.1.1.4") == 0
    assert modality.came.wait(10)
    assert modality.reports[0][1].FailedSOPSequence[0].FailureReason == 0x0119


def test_the_report_waits_for_the_partner(archive, associate, modality):
    archive.store(dicom(1, 1, 1))
    modality.status = 0x0110
    with_deliverer = Deliverer(Doors(archive=archive)).start()
    assert ask_for(associate, uid(1, 1, 1)) == 0
    _until(lambda: any(d.attempts for d in Deliveries(archive).all()))
    with_deliverer.close()
    (waiting,) = Deliveries(archive).all()
    assert waiting.kind == "commit"
    assert "status 0110" in waiting.error
    modality.status = 0
    Deliveries(archive).retry()
    again = Deliverer(Doors(archive=archive)).start()
    _until(lambda: Deliveries(archive).all() == [])
    again.close()


def test_a_partner_without_an_address_is_told_at_once(archive, listener):
    archive.store(dicom(1, 1, 1))
    reports = []
    entity = AE("NOWHERE")
    entity.add_requested_context(StorageCommitmentPushModel)
    take = [(evt.EVT_N_EVENT_REPORT, lambda event: (reports.append(event.event_type), (0, None))[1])]
    association = entity.associate("127.0.0.1", listener.port, ae_title="PELLUCID", evt_handlers=take)
    status, _ = association.send_n_action(request(uid(1, 1, 1)), 1, StorageCommitmentPushModel, INSTANCE)
    assert status.Status == 0
    _until(lambda: reports == [1])
    association.release()


def test_malformed_requests(associate, modality):
    association = associate(StorageCommitmentPushModel)
    send = association.send_n_action
    assert send(request(), 1, StorageCommitmentPushModel, INSTANCE)[0].Status == 0x0115
    assert send(request(uid(1)), 2, StorageCommitmentPushModel, INSTANCE)[0].Status == 0x0123
    assert send(request(uid(1)), 1, StorageCommitmentPushModel, uid(3))[0].Status == 0x0112


def test_as_a_user(archive, listener):
    """The partner reports over an association of its own to our listener."""
    entity = AE("ARCHIVE2")
    entity.add_supported_context(StorageCommitmentPushModel)
    asked = []

    def action(event):
        asked.append(event.action_information)
        return 0, None

    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_ACTION, action)])
    peer = Peer(title="ARCHIVE2", host="127.0.0.1", port=server.socket.getsockname()[1])
    wanted = [Wanted(abstract_syntax=STORAGE_COMMITMENT, transfer_syntaxes=MESSAGE_SYNTAXES)]
    with associated(peer, wanted) as association:
        context = context_for(association, STORAGE_COMMITMENT)
        ask(archive, association, context, uid(901), [(CT_STORAGE, uid(1, 1, 1)), (CT_STORAGE, uid(1, 1, 2))])
    assert [entry.state for entry in commitments(archive)] == ["asked"]
    reporter = AE("ARCHIVE2")
    reporter.add_requested_context(StorageCommitmentPushModel)
    role = build_role(StorageCommitmentPushModel, scp_role=True)
    association = reporter.associate("127.0.0.1", listener.port, ae_title="PELLUCID", ext_neg=[role])
    report = request(uid(1, 1, 1), transaction=uid(901))
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID, item.FailureReason = CT_STORAGE, uid(1, 1, 2), 0x0112
    report.FailedSOPSequence = [item]
    status, _ = association.send_n_event_report(report, 2, StorageCommitmentPushModel, INSTANCE)
    assert status.Status == 0
    unknown, _ = association.send_n_event_report(
        request(uid(1), transaction=uid(999)), 1, StorageCommitmentPushModel, INSTANCE
    )
    assert unknown.Status == 0x0110
    association.release()
    (entry,) = commitments(archive)
    assert (entry.state, dict(entry.failed)) == ("failed", {uid(1, 1, 2): 0x0112})
    server.shutdown()


def _until(holds, seconds=10):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
