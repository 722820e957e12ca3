"""Several servers share one database: each thing in the queue is delivered once, and goes on where one of them ends."""

import threading
import time
from contextlib import ExitStack

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import InstanceAvailabilityNotification
from tests.archive.samples import dicom, uid
from tests.dimse.test_routing import until

from pellucid.archive import Archive, Places
from pellucid.dimse.deliveries import Deliveries
from pellucid.dimse.delivering import Deliverer
from pellucid.dimse.partners import ApplicationEntity, Partners
from pellucid.dimse.routing import Route, Routes, route_new_instances
from pellucid.dimse.service import Doors

STUDIES = 12


class Information:
    """A system that takes its time with each notice."""

    def __init__(self, pause_s=0.0):
        self.studies, self.pause_s = [], pause_s
        self.going, self.came = threading.Event(), threading.Event()
        self.going.set()
        entity = AE("RIS")
        entity.add_supported_context(InstanceAvailabilityNotification)
        self.server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_N_CREATE, self.take)])
        self.port = self.server.socket.getsockname()[1]

    def take(self, event):
        self.studies.append(event.attribute_list.StudyInstanceUID)
        self.came.set()
        self.going.wait(20)
        time.sleep(self.pause_s)
        return 0, None


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def servers(request, tmp_path):
    """Two archives with one index: of one folder, or of one database."""
    with ExitStack() as opened:
        if request.param == "SQLite":
            archives = [opened.enter_context(Archive(tmp_path / "one")) for _ in range(2)]
        else:
            places = Places(database=request.getfixturevalue("new_database")())
            archives = [opened.enter_context(Archive(tmp_path / name, places=places)) for name in ("one", "two")]
        archives[0].on_store.append(route_new_instances)
        Routes(archives[0]).put(Route(name="ris", destination="notify:RIS"))
        yield archives


@pytest.fixture
def ris(servers):
    started = Information()
    Partners(servers[0]).put(ApplicationEntity(title="RIS", host="127.0.0.1", port=started.port))
    yield started
    started.going.set()
    started.server.shutdown()


def test_each_is_delivered_once(servers, ris):
    ris.pause_s = 0.05
    for study in range(1, STUDIES + 1):
        servers[0].store(dicom(study))
    deliverers = [Deliverer(Doors(archive=archive)).start() for archive in servers]
    until(lambda: Deliveries(servers[1]).all() == [])
    for deliverer in deliverers:
        deliverer.close()
    assert ris.studies == [uid(study) for study in range(1, STUDIES + 1)]


def test_a_slow_delivery_keeps_its_claim(servers, ris):
    ris.going.clear()
    servers[0].store(dicom())
    first = Deliverer(Doors(archive=servers[0]), lease_s=1.5).start()
    assert ris.came.wait(10)
    second = Deliverer(Doors(archive=servers[1]), lease_s=1.5).start()
    time.sleep(3)  # twice as long as the claim holds by itself
    ris.going.set()
    until(lambda: Deliveries(servers[0]).all() == [])
    first.close()
    second.close()
    assert ris.studies == [uid(1)]


def test_what_a_lost_process_had_claimed_is_taken_over(servers, ris):
    servers[0].store(dicom())
    assert Deliveries(servers[0]).claim("notify:RIS", "lost", 2.5)
    assert not Deliveries(servers[1]).claim("notify:RIS", "other", 2.5)
    deliverer = Deliverer(Doors(archive=servers[1])).start()
    assert not ris.came.wait(1.8)
    assert ris.came.wait(10)
    deliverer.close()


def test_who_stops_gives_its_claims_back(servers, ris):
    servers[0].store(dicom())
    first = Deliverer(Doors(archive=servers[0])).start()
    until(lambda: Deliveries(servers[0]).all() == [])
    first.close()
    assert Deliveries(servers[1]).claim("notify:RIS", "other", 60)
