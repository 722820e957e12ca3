"""What was acknowledged is there, whatever happens; what was not leaves nothing."""

import errno
import hashlib
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import event, select
from tests.archive.raw_dicom import element, identified
from tests.archive.samples import dataset, dicom, file_bytes, uid
from tests.archive.storing_process import instance, study_of

from pellucid.archive import Archive, ArchiveUnavailableError, FailureReason, Query, StoreRefusedError, database
from pellucid.archive.schema import InstanceRow

ROOT = Path(__file__).parents[2]


# Killed


@pytest.fixture
def storing(tmp_path):
    """A process that stores in `archive/` until it is killed."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "tests.archive.storing_process", str(tmp_path / "archive")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    ) as process:
        yield process
        process.stdin.close()


def store_and_kill(process, first, stores, wait):
    """The numbers that were acknowledged."""
    process.stdin.write(f"{first}\n")
    process.stdin.flush()
    pid = int(process.stdout.readline().split()[1])
    acknowledged = [int(process.stdout.readline()) for _ in range(stores)]
    time.sleep(wait)
    os.kill(pid, signal.SIGKILL)
    while (line := process.stdout.readline()) != "ended\n":
        acknowledged.append(int(line))
    return acknowledged


def assert_whole(folder, acknowledged):
    """All that was acknowledged is there, byte for byte; nothing is there that no one can read; nothing is left."""
    with Archive(folder) as archive:
        for number in acknowledged:
            study = study_of(number)
            (record,) = archive.instances(study, f"{study}.1", f"{study}.1.{number}")
            assert archive.fetch(record) == instance(number)
        with archive.reading() as session:
            named = set(session.scalars(select(InstanceRow.object_sha256)))
        assert set(archive.objects.names()) == named
        for name in named:
            archive.objects.check(name)
        shown = {m.study_instance_uid: m.attributes["00201208"]["Value"][0] for m in archive.find(Query("study"))}
        assert sum(shown.values()) == len(named) == len(archive.find(Query("instance"), set()))
        assert [p for p in (folder / "incoming").iterdir() if p != archive.incoming] == []


def kill_often(process, folder, times, seed):
    chance, first, everything = random.Random(seed), 0, []
    for _ in range(times):
        acknowledged = store_and_kill(process, first, chance.randrange(0, 25), chance.random() * 0.05)
        everything += acknowledged
        assert_whole(folder, acknowledged)
        first += 10_000
    assert_whole(folder, everything)
    return len(everything)


def test_killed_while_storing(storing, tmp_path):
    assert kill_often(storing, tmp_path / "archive", times=4, seed=1) > 0


@pytest.mark.slow
def test_killed_fifty_times_while_storing(storing, tmp_path):
    assert kill_often(storing, tmp_path / "archive", times=60, seed=2) > 500


def place_of(archive, data):
    return archive.objects.path(hashlib.sha256(data).hexdigest())


@pytest.fixture
def steps(archive, monkeypatch):
    """What an archive does to the disk from now on to store an object in a folder that is there."""
    steps = []
    sync, replace = os.fsync, Path.replace

    def note_sync(file):
        steps.append("sync folder" if stat.S_ISDIR(os.fstat(file).st_mode) else "sync file")
        sync(file)

    def note_replace(self, target):
        result = replace(self, target)
        if archive.objects.folder in target.parents:
            steps.append("name")
        return result

    archive.store(dicom(instance=1))
    place_of(archive, dicom(instance=2)).parent.mkdir(exist_ok=True)
    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    event.listen(archive._database.engine, "commit", lambda _connection: steps.append("commit"))
    return steps


def test_an_instance_is_on_disk_before_the_index_names_it(archive, steps):
    """Power may fail at any moment: content, then its name in the folder, then the index, then the answer."""
    archive.objects.names_with_content = False
    archive.store(dicom(instance=2))
    assert steps == ["sync file", "name", "sync folder", "commit"]
    with archive.looking() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_content_and_name_are_synced_together_where_the_file_system_does_so(archive, steps):
    archive.objects.names_with_content = True
    archive.store(dicom(instance=2))
    assert steps == ["name", "sync file", "commit"]


def test_a_new_folder_for_objects_is_on_disk_too(archive, steps):
    archive.objects.names_with_content = True
    place_of(archive, dicom(instance=2)).parent.rmdir()
    archive.store(dicom(instance=2))
    assert steps == ["sync folder", "name", "sync file", "commit"]


@pytest.mark.parametrize("other", ["process", "crash"])
def test_what_others_may_have_written_is_synced_the_long_way(archive, steps, other):
    """Another process may lose what we name first; one that died may have named what is not on disk."""
    archive.objects.names_with_content = True
    name = hashlib.sha256(dicom(instance=2)).hexdigest()
    if other == "process":
        elsewhere = archive.incoming.parent / "process-other"
        elsewhere.mkdir()
        (elsewhere / f"{name}.held").touch()
        expected = ["sync file", "name", "sync folder", "commit"]
    else:
        place_of(archive, dicom(instance=2)).write_bytes(dicom(instance=2))
        expected = ["sync file", "sync folder", "commit"]
    archive.store(dicom(instance=2))
    assert steps == expected


def test_an_object_that_has_its_name_but_does_not_reach_the_disk_is_gone(archive, monkeypatch):
    """The next one of that content must not take it for stored."""
    archive.store(dicom(instance=9))
    place_of(archive, dicom()).parent.mkdir(exist_ok=True)
    before = list(archive.objects.names())
    archive.objects.names_with_content = True

    def fail(_file):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(StoreRefusedError, match="cannot be stored"):
            archive.store(dicom())
    assert list(archive.objects.names()) == before
    assert len(archive.find(Query("instance"))) == 1
    assert archive.store(dicom()).new


def test_the_same_content_at_once_waits_until_it_is_on_disk(archive, monkeypatch):
    place_of(archive, b"content").parent.mkdir()
    archive.objects.names_with_content = True
    syncing, go, sync = threading.Event(), threading.Event(), os.fsync

    def slow(file):
        syncing.set()
        assert go.wait(20)
        sync(file)

    monkeypatch.setattr(os, "fsync", slow)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(archive.objects.put, b"content")
        assert syncing.wait(20)
        second = pool.submit(archive.objects.put, b"content")
        time.sleep(0.1)
        assert archive.objects.exists(hashlib.sha256(b"content").hexdigest())
        assert not second.done()
        go.set()
        assert first.result(20) == second.result(20)


# Full and locked


def assert_nothing_left(archive):
    assert list(archive.objects.names()) == []
    assert archive.find(Query("study")) == []
    assert [p.name for p in archive.incoming.iterdir()] == ["lock"]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (errno.ENOSPC, FailureReason.OUT_OF_RESOURCES),
        (errno.EDQUOT, FailureReason.OUT_OF_RESOURCES),
        (errno.EIO, FailureReason.PROCESSING_FAILURE),
    ],
)
def test_a_disk_that_takes_no_more(archive, monkeypatch, code, reason):
    write = os.write

    def part(file, data):
        if len(data) > 1000:
            raise OSError(code, os.strerror(code))
        return write(file, data)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", part)
        with pytest.raises(StoreRefusedError, match="cannot be stored") as refused:
            archive.store(identified(b"", element(0x7FE00010, "OW", bytes(5000))))
    assert refused.value.reason == reason
    assert_nothing_left(archive)
    archive.store(identified(b"", element(0x7FE00010, "OW", bytes(5000))))


def test_a_limit_of_the_system(archive):
    """A real refusal by the system, first of the object, then of the index."""
    archive.store(dicom())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    large = identified(b"", element(0x7FE00010, "OW", bytes(300_000)))
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        with pytest.raises(StoreRefusedError, match="the disk is full"):
            archive.store(large)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, hard))
        with pytest.raises((ArchiveUnavailableError, StoreRefusedError)):
            archive.store(identified(b"", b""))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(archive.find(Query("instance"))) == 1
    archive.store(large)
    assert len(list(archive.objects.names())) == 2


def test_a_locked_index(tmp_path, empty, monkeypatch):
    monkeypatch.setattr(database, "_BUSY_SECONDS", 0.1)
    with Archive(shutil.copytree(empty, tmp_path / "archive")) as archive:
        other = sqlite3.connect(tmp_path / "archive" / "index.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ArchiveUnavailableError):
            archive.store(dicom(instance=1))
        assert archive.find(Query("instance")) == []
        other.execute("ROLLBACK")
        other.close()
        archive.store(dicom(instance=2))
        assert len(list(archive.objects.names())) == 1


# Several at once


def stored_while_waiting(archive, files):
    """Store, a thread for each file, while somebody else writes; results, and the number of transactions."""
    commits = []
    event.listen(archive._database.engine, "commit", lambda _connection: commits.append(1))

    def store(data):
        try:
            return archive.store(data)
        except StoreRefusedError as error:
            return error

    with ThreadPoolExecutor(len(files)) as pool:
        with archive.writing():
            work = [pool.submit(store, data) for data in files]
            deadline = time.monotonic() + 20
            while len(archive._group._waiting) < len(files) - 1 and time.monotonic() < deadline:
                time.sleep(0.01)
        before = len(commits)
        results = [item.result() for item in work]
    return results, len(commits) - before


def test_who_comes_at_once_shares_a_transaction(archive):
    results, commits = stored_while_waiting(archive, [dicom(instance=n) for n in range(8)])
    assert all(result.new for result in results)
    assert commits <= 3
    assert len(archive.find(Query("instance"))) == 8


def test_what_one_does_wrong_is_no_one_elses(archive):
    """Two of one UID with other content come at once: one is refused, and all others are stored."""
    same = [dicom(instance=9), dicom(instance=9, PatientID="P9"), file_bytes(dataset(instance=9))]
    results, _ = stored_while_waiting(archive, [dicom(instance=n) for n in range(4)] + same)
    refused = [result for result in results if isinstance(result, StoreRefusedError)]
    assert refused
    assert all(error.reason == FailureReason.DUPLICATE_INSTANCE for error in refused)
    found = archive.find(Query("instance"))
    assert len(found) == 5
    assert len(list(archive.objects.names())) == 5
    (study,) = archive.find(Query("study"))
    assert study.attributes["00201208"]["Value"] == [5]


def test_a_listener_that_fails_fails_its_own(archive):
    def listener(_session, stored):
        if stored[0].sop_instance_uid == uid(1, 1, 3):
            raise RuntimeError("no")

    archive.on_store.append(listener)
    errors = []

    def store(number):
        try:
            archive.store(dicom(instance=number))
        except RuntimeError as error:
            errors.append(error)

    threads = [threading.Thread(target=store, args=(number,)) for number in range(6)]
    with archive.writing():
        for thread in threads:
            thread.start()
        time.sleep(0.3)
    for thread in threads:
        thread.join()
    assert len(errors) == 1
    assert len(archive.find(Query("instance"))) == 5
    assert len(list(archive.objects.names())) == 5


def test_the_same_object_under_another_file_meta_is_known_by_its_bytes(archive):
    archive.store(file_bytes(dataset(), ImplementationVersionName="ONE"))
    assert not archive.store(file_bytes(dataset(), ImplementationVersionName="ANOTHER")).new
    with archive.writing() as session:  # as after its pixels were coded otherwise: the digest says what was received
        row = session.scalar(select(InstanceRow))
        plain = file_bytes(dataset())
        row.content_sha256 = hashlib.sha256(plain[144 + int.from_bytes(plain[140:144], "little") :]).hexdigest()
        row.object_sha256 = "0" * 64
    assert not archive.store(file_bytes(dataset(), ImplementationVersionName="THIRD")).new
    with pytest.raises(StoreRefusedError, match="another object"):
        archive.store(dicom(PatientID="P2"))
