"""An information system, by pynetdicom."""

import threading
import time

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import InstanceAvailabilityNotification, ModalityPerformedProcedureStep


class Information:
    """One that notes what it is told of studies and procedure steps; `answers`: statuses, in turn.

    It answers while `going` is set, after a pause.
    """

    def __init__(self, port=0):
        self.told, self.answers, self.pause_s = [], [], 0.0
        self.going, self.came = threading.Event(), threading.Event()
        self.going.set()
        entity = AE("RIS")
        for service in (InstanceAvailabilityNotification, ModalityPerformedProcedureStep):
            entity.add_supported_context(service)
        handlers = [(evt.EVT_N_CREATE, self.create), (evt.EVT_N_SET, self.change)]
        self.server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        self.port = self.server.socket.getsockname()[1]

    @property
    def studies(self):
        return [attributes.StudyInstanceUID for _, _, attributes in self.told]

    def create(self, event):
        return self.note("N-CREATE", event.request.AffectedSOPInstanceUID, event.attribute_list)

    def change(self, event):
        return self.note("N-SET", event.request.RequestedSOPInstanceUID, event.modification_list)

    def note(self, *what):
        self.told.append(what)
        self.came.set()
        self.going.wait(20)
        time.sleep(self.pause_s)
        answer = self.answers.pop(0) if self.answers else 0
        return (answer, Dataset()) if isinstance(answer, int) else (answer, None)
