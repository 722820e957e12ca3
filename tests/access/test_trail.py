"""The audit trail: whatever is done to it shows, and its messages are those of PS3.15 section A.5."""

import json
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET

import pytest

from pellucid.access import LOCAL, AuditEvent, Caller, Outcome
from pellucid.access.audit_export import (
    Anchoring,
    SyslogForwarder,
    SyslogServer,
    read_anchors,
    syslog_line,
    write_anchor,
)
from pellucid.access.audit_message import EVENTS, message_of
from pellucid.access.trail import AuditSearch, AuditTrail, AuditTrailError
from pellucid.archive import EVERYTHING
from pellucid.errors import InvalidInputError

DOCTOR = Caller(name="dr who", kind="account", permissions=frozenset(), visible=EVERYTHING, address="192.0.2.9")


def event(number=0, name="Query", action="E", **more):
    return AuditEvent(event=name, action=action, caller=DOCTOR, detail={"query": f"PatientID={number}"}, **more)


@pytest.fixture
def trail(tmp_path):
    opened = AuditTrail(tmp_path / "audit.sqlite")
    for number in range(5):
        opened.write(event(number))
    yield opened
    opened.close()


def tamper(trail, *statements):
    trail.close()
    connection = sqlite3.connect(trail.file)
    for name in ("never_changed", "never_deleted", "only_after"):
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_an_untouched_trail_is_whole(trail):
    assert list(trail.verify([trail.head()])) == []
    assert [r.sequence for r in trail.search(AuditSearch())] == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("statement", ["UPDATE records SET caller = 'x'", "DELETE FROM records"])
def test_the_database_itself_refuses_changes(trail, statement):
    connection = sqlite3.connect(trail.file)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    "column", ["time", "event", "action", "outcome", "caller", "kind", "address", "studies", "detail"]
)
def test_every_change_is_found(trail, column):
    tamper(trail, f"UPDATE records SET {column} = '7' WHERE sequence = 3")
    assert any("record 3 was changed" in fault for fault in trail.verify())


def test_what_is_taken_out_is_found(trail):
    tamper(trail, "DELETE FROM records WHERE sequence = 3")
    assert "records 3 to 3 are missing" in list(trail.verify())


def test_what_is_inserted_is_found(trail):
    tamper(
        trail,
        "UPDATE records SET sequence = sequence + 10 WHERE sequence > 2",
        "INSERT INTO records SELECT 3, time, event, action, outcome, 'forged', kind, address, studies, detail, previous"
        ", digest FROM records WHERE sequence = 13",
        "UPDATE records SET sequence = sequence - 9 WHERE sequence > 10",
    )
    assert list(trail.verify())


def test_what_is_exchanged_is_found(trail):
    tamper(
        trail,
        "UPDATE records SET sequence = 99 WHERE sequence = 2",
        "UPDATE records SET sequence = 2 WHERE sequence = 3",
        "UPDATE records SET sequence = 3 WHERE sequence = 99",
    )
    assert list(trail.verify())


def test_a_shortened_trail_is_found_by_an_anchor(trail, tmp_path):
    write_anchor(tmp_path / "anchors", trail.head())
    tamper(trail, "DELETE FROM records WHERE sequence > 3")
    assert list(trail.verify()) == []
    (fault,) = trail.verify(read_anchors(tmp_path / "anchors"))
    assert fault.startswith("record 5, anchored on")


def test_a_trail_that_was_written_anew_is_found_by_an_anchor(trail, tmp_path):
    anchor = trail.head()
    other = AuditTrail(tmp_path / "other.sqlite")
    for number in range(5):
        other.write(event(number + 1))
    assert list(other.verify()) == []
    assert "is not the one that was anchored" in next(iter(other.verify([anchor])))
    other.close()


def test_a_file_without_anchors_is_refused(tmp_path):
    (tmp_path / "a").write_text("nothing")
    with pytest.raises(InvalidInputError, match="holds no anchors"):
        read_anchors(tmp_path / "a")


def test_anchors_are_made_by_themselves(trail, tmp_path):
    stopping = threading.Event()
    stopping.set()
    Anchoring(trail, tmp_path / "anchors", interval_s=3600).run(stopping)
    assert read_anchors(tmp_path / "anchors") == [trail.head()]


def test_many_threads_make_one_chain(trail):
    threads = [threading.Thread(target=lambda n=n: [trail.write(event(n)) for _ in range(20)]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert trail.head().sequence == 165
    assert list(trail.verify()) == []


def test_what_was_written_survives_the_process(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from pellucid.access import LOCAL, AuditEvent;"
        "from pellucid.access.trail import AuditTrail; trail = AuditTrail(Path(sys.argv[1]));"
        "trail.write(AuditEvent(event='Query', action='E', caller=LOCAL)); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.sqlite")], check=False)
    assert done.returncode == -9
    assert AuditTrail(tmp_path / "a.sqlite").head().sequence == 1


def test_what_cannot_be_noted_must_not_happen(tmp_path, monkeypatch):
    trail = AuditTrail(tmp_path / "a.sqlite")
    monkeypatch.setattr("pellucid.access.trail._append", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(AuditTrailError, match="cannot be written"):
        trail.write(event())
    trail.close()


def test_a_trail_that_cannot_be_opened_for_a_while(tmp_path, monkeypatch):
    """As on a full disk: who waits is told, and what comes when there is room again is written."""
    trail = AuditTrail(tmp_path / "audit.sqlite")

    def full(_trail):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(AuditTrail, "_connect", full)
        for _ in range(2):
            with pytest.raises(AuditTrailError, match="cannot be written"):
                trail.write(event())
    trail.write(event())
    trail.close()
    assert trail.head().sequence == 1


def test_reading_the_same_study_again_is_summarised(trail):
    read = event(name="DICOM Instances Transferred", action="R", studies={"1.2": "P"})
    for _ in range(100):
        trail.write(read)
    trail.write(event(name="DICOM Instances Transferred", action="R", studies={"1.3": "P"}))
    assert trail.head().sequence == 7
    assert [r.sequence for r in trail.search(AuditSearch(subject="1.2"))] == [6]
    assert [r.sequence for r in trail.search(AuditSearch(subject="P"))] == [7, 6]


def test_search(trail):
    trail.write(AuditEvent(event="Security Alert", action="E", caller=LOCAL, outcome=Outcome.SERIOUS_FAILURE))
    day = trail.head().time[:10]
    assert len(trail.search(AuditSearch(caller="dr who", event="Query", since=day, until=day))) == 5
    assert [r.sequence for r in trail.search(AuditSearch(failures_only=True))] == [6]
    assert [r.sequence for r in trail.search(AuditSearch(before=3))] == [2, 1]
    assert trail.search(AuditSearch(until="2020")) == []
    assert trail.search(AuditSearch(caller="' OR 1=1 --")) == []


def test_the_message_is_that_of_the_standard(trail):
    trail.write(event(name="DICOM Instances Transferred", action="R", studies={"1.2.3": "P<1>"}))
    (record,) = trail.after(5)
    root = ET.fromstring(message_of(record, source="pellucid", site="here"))
    assert [child.tag for child in root] == [
        "EventIdentification",
        "ActiveParticipant",
        "ActiveParticipant",
        "AuditSourceIdentification",
        "ParticipantObjectIdentification",
        "ParticipantObjectIdentification",
    ]
    identification = root.find("EventIdentification")
    assert identification.attrib["EventActionCode"] == "R"
    assert identification.attrib["EventOutcomeIndicator"] == "0"
    assert identification.find("EventID").attrib == {
        "csd-code": "110104",
        "codeSystemName": "DCM",
        "originalText": "DICOM Instances Transferred",
    }
    person, program = root.findall("ActiveParticipant")
    assert person.attrib["UserID"] == "dr who"
    assert person.attrib["NetworkAccessPointID"] == "192.0.2.9"
    assert (person.attrib["UserIsRequestor"], program.attrib["UserIsRequestor"]) == ("true", "false")
    assert [p.find("RoleIDCode").attrib["csd-code"] for p in (person, program)] == ["110152", "110153"]
    study, patient = root.findall("ParticipantObjectIdentification")
    assert study.attrib["ParticipantObjectID"] == "1.2.3"
    assert study.find("ParticipantObjectIDTypeCode").attrib["csd-code"] == "110180"
    assert patient.attrib == {
        "ParticipantObjectID": "P<1>",
        "ParticipantObjectTypeCode": "1",
        "ParticipantObjectTypeCodeRole": "1",
    }


def test_every_event_has_a_code_of_the_standard():
    codes = [code for code, _ in EVENTS.values()]
    assert sorted(codes) == [str(code) for code in range(110100, 110115)]


def test_messages_go_to_syslog_by_udp_once_and_in_order(trail, tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        address = SyslogServer.at(f"udp://127.0.0.1:{server.getsockname()[1]}")
        forwarder = SyslogForwarder(trail, address, source="pellucid", cursor=tmp_path / "cursor")
        assert forwarder.forward() == 5
        got = [server.recv(65536) for _ in range(5)]
        assert forwarder.forward() == 0
        forwarder._close()
    header, _, message = got[0].partition(b"\xef\xbb\xbf")
    words = header.split()
    assert words[0] == b"<85>1"
    assert words[5] == b"DICOM+RFC3881"
    assert ET.fromstring(message).tag == "AuditMessage"
    assert [r.sequence for r in trail.after(0)] == [1, 2, 3, 4, 5]


def test_messages_go_to_syslog_by_tls(trail, tmp_path, certificates):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    got = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def receive():
            link, _ = server.accept()
            with context.wrap_socket(link, server_side=True) as secure:
                while part := secure.recv(65536):
                    got.extend(part)

        thread = threading.Thread(target=receive)
        thread.start()
        address = SyslogServer.at(f"tls://localhost:{server.getsockname()[1]}", certificates.authority)
        forwarder = SyslogForwarder(trail, address, source="pellucid", cursor=tmp_path / "cursor")
        forwarder.forward()
        forwarder._close()
        thread.join(10)
    length, _, rest = bytes(got).partition(b" ")
    first = rest[: int(length)]
    assert first == syslog_line(trail.after(0)[0], source="pellucid", host=socket.gethostname())


@pytest.mark.parametrize("address", ["log.example", "http://x", "udp://", "udp://x:port"])
def test_wrong_syslog_addresses_are_refused(address):
    with pytest.raises(InvalidInputError, match="expected udp://host:port"):
        SyslogServer.at(address)


def test_a_damaged_file_is_one_line(tmp_path):
    (tmp_path / "a.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(InvalidInputError, match="cannot be used as the audit trail"):
        AuditTrail(tmp_path / "a.sqlite")


def test_records_are_json(trail):
    from dataclasses import asdict

    assert json.loads(json.dumps(asdict(trail.after(0)[0])))["caller"] == "dr who"


def test_who_reads_at_the_same_time_waits_for_the_note_that_stands_for_both(trail):
    """Where it cannot be written neither gets an answer, and the next reading is noted anew."""
    read, before = event(name="DICOM Instances Transferred", action="R", studies={"1.2": ""}), trail.head().sequence
    began, go_on, outcomes = threading.Event(), threading.Event(), []

    def fails(_event):
        began.set()
        go_on.wait(5)
        raise AuditTrailError("no room")

    def reads(complete):
        try:
            trail.write(read, complete)
        except AuditTrailError:
            outcomes.append("refused")
        else:
            outcomes.append("given")

    first = threading.Thread(target=reads, args=(fails,))
    first.start()
    began.wait(5)
    second = threading.Thread(target=reads, args=(lambda event: event,))
    second.start()
    second.join(0.2)
    assert outcomes == []
    go_on.set()
    first.join()
    second.join()
    assert outcomes == ["refused", "refused"]
    reads(lambda event: event)
    assert outcomes[-1] == "given"
    assert trail.head().sequence == before + 1
