"""SIGTERM while instances are being stored: what was acknowledged is there, and nothing is half there."""

import io
import os
import re
import signal
import subprocess
import sys
import threading
import time

import httpx
import pytest
from pydicom import dcmread
from pynetdicom import AE
from tests.archive.samples import CT_STORAGE, dicom, uid

from pellucid.archive import Archive

DICOM = {"content-type": "application/dicom"}


@pytest.fixture
def process(tmp_path):
    command = [sys.executable, "-m", "pellucid.server", "--data", str(tmp_path / "data"), "--port", "0"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    yield running
    running.kill()
    running.communicate()


class Sender(threading.Thread):
    """Stores one instance after the other until the server is gone; remembers what was acknowledged."""

    def __init__(self, address, study):
        super().__init__()
        self.address, self.study = address, study
        self.acknowledged = []

    def run(self):
        with httpx.Client(base_url=self.address, timeout=30) as client:
            for instance in range(1, 100_000):
                try:
                    data = dicom(study=self.study, instance=instance)
                    answer = client.post("/dicom-web/studies", content=data, headers=DICOM)
                except httpx.TransportError:
                    return
                if answer.status_code == 200:
                    self.acknowledged.append(uid(self.study, 1, instance))


def slow_body(finish):
    """An object that is half sent when the server is told to stop."""
    data = dicom(study=9)
    yield data[: len(data) // 2]
    finish.wait(30)
    yield data[len(data) // 2 :]


def test_what_was_acknowledged_is_there(process, tmp_path):
    address = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]
    senders = [Sender(address, study) for study in (1, 2)]
    for sender in senders:
        sender.start()
    finish, answers = threading.Event(), []
    in_flight = threading.Thread(
        target=lambda: answers.append(
            httpx.post(f"{address}/dicom-web/studies", content=slow_body(finish), headers=DICOM, timeout=60)
        )
    )
    in_flight.start()
    while not all(len(sender.acknowledged) >= 5 for sender in senders):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    finish.set()
    in_flight.join(60)
    _, errors = process.communicate(timeout=60)
    for sender in senders:
        sender.join(60)

    assert process.returncode in (0, -signal.SIGTERM)
    assert errors == ""
    # What had begun was finished.
    assert [answer.status_code for answer in answers] == [200]
    with Archive(tmp_path / "data") as archive:
        for sender in senders:
            there = {record.sop_instance_uid for record in archive.instances(uid(sender.study))}
            assert set(sender.acknowledged) <= there
        assert len(archive.instances(uid(9))) == 1
        assert list(archive.verify()) == []


class Associated(threading.Thread):
    """Stores one instance after the other over one association until it is broken off."""

    def __init__(self, port, study):
        super().__init__()
        self.port, self.study = port, study
        self.acknowledged = []

    def run(self):
        entity = AE("SENDER")
        entity.add_requested_context(CT_STORAGE)
        association = entity.associate("127.0.0.1", self.port, ae_title="PELLUCID")
        for instance in range(1, 100_000):
            try:
                answer = association.send_c_store(dcmread(io.BytesIO(dicom(study=self.study, instance=instance))))
            except (RuntimeError, ValueError):
                return
            if not answer:
                return
            if answer.Status == 0:
                self.acknowledged.append(uid(self.study, 1, instance))


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["server", "group"])
def test_what_was_acknowledged_over_dimse_is_there(tmp_path, whom):
    """A terminal or a service manager may signal every process of the group."""
    command = [sys.executable, "-m", "pellucid.server", "--data", str(tmp_path / "data"), "--port", "0"]
    environment = {
        **os.environ,
        "PELLUCID_DIMSE_PORT": "0",
        "PELLUCID_DIMSE_PROCESSES": "2",
        "PELLUCID_LOG_LEVEL": "info",
    }
    running = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment,
        start_new_session=True,
    )
    try:
        line = running.stdout.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", line)[0]
        senders = [Associated(int(re.search(r"127\.0\.0\.1:(\d+)\D*$", line)[1]), study) for study in (1, 2)]
        for sender in senders:
            sender.start()
        while not all(len(sender.acknowledged) >= 5 for sender in senders):
            time.sleep(0.02)
        numbers = httpx.get(f"{address}/metrics", timeout=60).text
        counted = re.search(r'pellucid_stored_instances_total{door="dimse"} ([\d.]+)', numbers)
        assert float(counted[1]) >= 5
        if whom == "group":
            os.killpg(running.pid, signal.SIGTERM)
        else:
            running.send_signal(signal.SIGTERM)
        _, errors = running.communicate(timeout=60)
    finally:
        running.kill()
        running.communicate()
    for sender in senders:
        sender.join(60)
    assert not [word for word in ("Doe", "P1", "1.2.826", "Traceback") if word in errors], errors
    with Archive(tmp_path / "data") as archive:
        for sender in senders:
            there = {record.sop_instance_uid for record in archive.instances(uid(sender.study))}
            assert set(sender.acknowledged) <= there
        assert list(archive.verify()) == []
