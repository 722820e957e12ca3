"""Several servers share one database: each thing in the queue is delivered once, and goes on where one of them ends."""

import threading
import time
from contextlib import ExitStack, closing, contextmanager

import pytest
from tests.archive.samples import dicom, uid
from tests.dimse.information import Information
from tests.dimse.test_routing import until

from pellucid.archive import Archive, Places
from pellucid.dimse import delivering
from pellucid.dimse.deliveries import Deliveries
from pellucid.dimse.delivering import Deliverer
from pellucid.dimse.partners import ApplicationEntity, Partners
from pellucid.dimse.routing import Route, Routes, route_new_instances
from pellucid.dimse.service import Doors

STUDIES = 12


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


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Deliverers look often, so that each claim is renewed many times before it would end."""
    monkeypatch.setattr(delivering, "_POLL_S", 0.1)


@contextmanager
def deliverer(archive, **more):
    with closing(Deliverer(Doors(archive=archive), **more).start()) as started:
        yield started


def test_each_is_delivered_once(servers, ris):
    ris.pause_s = 0.05
    for study in range(1, STUDIES + 1):
        servers[0].store(dicom(study))
    with deliverer(servers[0]), deliverer(servers[1]):
        until(lambda: Deliveries(servers[1]).all() == [])
    assert ris.studies == [uid(study) for study in range(1, STUDIES + 1)]


def test_a_slow_delivery_keeps_its_claim(servers, ris):
    ris.going.clear()
    servers[0].store(dicom())
    with deliverer(servers[0], lease_s=3):
        assert ris.came.wait(20)
        with deliverer(servers[1], lease_s=3):
            time.sleep(4)  # longer than the claim holds by itself
            ris.going.set()
            until(lambda: Deliveries(servers[0]).all() == [])
    assert ris.studies == [uid(1)]


def test_so_does_one_that_is_made_at_once(servers, ris, monkeypatch):
    renewed, renew = threading.Event(), Deliveries.renew

    def noted(*args):
        renew(*args)
        renewed.set()
        ris.going.set()

    monkeypatch.setattr(Deliveries, "renew", noted)
    ris.going.clear()
    servers[0].store(dicom())
    Deliverer(Doors(archive=servers[0]), lease_s=0.4).deliver_now("notify:RIS")
    assert renewed.is_set()
    assert ris.studies == [uid(1)]


def test_a_claim_that_cannot_be_renewed_once_stops_nothing(servers, ris, monkeypatch, caplog):
    """Such as by a deadlock, which is no sign that the database is away."""
    failed = threading.Event()

    def fail(*_args):
        failed.set()
        raise RuntimeError("deadlock detected")

    ris.going.clear()
    servers[0].store(dicom(1))
    with deliverer(servers[0], lease_s=0.4):
        assert ris.came.wait(20)
        with monkeypatch.context() as broken:
            broken.setattr(Deliveries, "renew", fail)
            assert failed.wait(20)
        ris.going.set()
        servers[0].store(dicom(2))
        until(lambda: Deliveries(servers[0]).all() == [])
    assert ris.studies == [uid(1), uid(2)]
    assert "cannot be renewed: RuntimeError" in caplog.text


def test_what_a_lost_process_had_claimed_is_taken_over(servers, ris):
    servers[0].store(dicom())
    assert Deliveries(servers[0]).claim("notify:RIS", "lost", 3600)
    assert not Deliveries(servers[1]).claim("notify:RIS", "other", 3600)
    with deliverer(servers[1]):
        assert not ris.came.wait(0.5)
        assert Deliveries(servers[0]).claim("notify:RIS", "lost", 0)  # its time is over
        assert ris.came.wait(20)


def test_who_stops_gives_its_claims_back(servers, ris):
    servers[0].store(dicom())
    with deliverer(servers[0]):
        until(lambda: Deliveries(servers[0]).all() == [])
    assert Deliveries(servers[1]).claim("notify:RIS", "other", 60)
