"""Objects in a bucket: what a folder does, and what happens when the bucket misbehaves."""

import io
import time

import numpy as np
import pydicom
import pytest
from tests.archive import test_storing as storing
from tests.archive.buckets import Relay, environment
from tests.archive.samples import dicom, uid

from pellucid.archive import Archive, ArchiveUnavailableError, ObjectDamagedError, Places, Query
from pellucid.archive import bucket as module
from pellucid.errors import InvalidInputError

STORING = [
    storing.test_what_is_stored_comes_back_byte_for_byte,
    storing.test_storing_again_changes_nothing,
    storing.test_file_meta_of_another_sender_does_not_make_another_object,
    storing.test_other_content_under_the_same_uid_is_refused,
    storing.test_a_batch_is_all_or_nothing,
    storing.test_giving_up_keeps_what_others_store,
    storing.test_two_batches_with_the_same_instance,
    storing.test_delete_takes_what_becomes_empty,
]
LARGE = np.random.default_rng(1).integers(0, 4096, (3200, 3200), np.uint16)


@pytest.fixture
def archive(tmp_path, bucket):
    with Archive(tmp_path, places=Places(objects=bucket, copies_bytes=30 << 20)) as opened:
        yield opened


@pytest.fixture
def relay(bucket_server, bucket, monkeypatch):
    """A relay that the archive's requests go through; requests are not tried for long."""
    monkeypatch.setattr(module, "_RETRY_SECONDS", 1)
    monkeypatch.setattr(module, "_MOST_RETRIES", 1)
    monkeypatch.setattr(module, "_REQUEST_SECONDS", 1)
    made = Relay(bucket_server.port)
    for name, value in environment(made.port).items():
        monkeypatch.setenv(name, value)
    yield made
    made.close()


def only(archive):
    (match,) = archive.find(Query("instance"))
    (record,) = archive.instances(match.study_instance_uid)
    return record


@pytest.mark.parametrize("test", STORING, ids=lambda test: test.__name__)
def test_storing(archive, test):
    test(archive)


def test_a_large_object_goes_in_parts_and_is_read_by_ranges(archive, tmp_path):
    data = dicom(pixels=LARGE)
    assert len(data) > module._MULTIPART_BYTES
    (tmp_path / "large.dcm").write_bytes(data)
    archive.store(tmp_path / "large.dcm")
    record = only(archive)
    assert (
        archive.objects.get_range(record.object_sha256, record.pixel_offset + 3200 * 2 * 7, 6400) == LARGE[7].tobytes()
    )
    with archive.objects.open(record.object_sha256) as file:
        read = pydicom.dcmread(file, stop_before_pixels=True)
        assert read.Rows == 3200
        file.seek(-10, io.SEEK_END)
        assert file.read() == data[-10:]
        assert file.read(1) == b""
    assert not list((tmp_path / "copies").glob("??/*"))
    assert archive.objects.path(record.object_sha256).read_bytes() == data
    assert archive.fetch(record) == data
    assert list(archive.verify()) == []


def test_copies_are_bounded(archive, tmp_path, monkeypatch):
    monkeypatch.setattr("pellucid.archive.local_copies._STAYS_SECONDS", -1)
    for instance in range(1, 5):
        archive.store(dicom(instance=instance, pixels=LARGE[:2600] + instance))
    for record in archive.instances(uid(1)):
        archive.objects.path(record.object_sha256)
    kept = list((tmp_path / "copies").glob("??/*"))
    assert len(kept) == 1
    for record in archive.instances(uid(1)):
        assert archive.objects.get_range(record.object_sha256, 128, 4) == b"DICM"


def test_damage_in_the_bucket_is_noticed(archive):
    archive.store(dicom())
    record = only(archive)
    archive.objects._delete(record.object_sha256)
    for read in (
        archive.fetch,
        lambda r: archive.objects.open(r.object_sha256),
        lambda r: archive.objects.path(r.object_sha256),
    ):
        with pytest.raises(ObjectDamagedError, match="missing"):
            read(record)
    archive.objects._write(record.object_sha256, b"something else")
    for read in (archive.fetch, lambda r: archive.objects.path(r.object_sha256)):
        with pytest.raises(ObjectDamagedError, match="checksum"):
            read(record)
    assert len(list(archive.verify())) == 1


@pytest.mark.parametrize(
    "mode", ["error", "slow", *(pytest.param(m, marks=pytest.mark.slow) for m in ("refuse", "cut"))]
)
def test_what_a_failing_bucket_did_not_take_is_not_acknowledged(relay, bucket, tmp_path, mode):
    with Archive(tmp_path, places=Places(objects=bucket)) as archive:
        archive.store(dicom(instance=1))
        relay.mode, relay.seconds, relay.bytes = mode, 3, 10_000
        begun = time.monotonic()
        with pytest.raises(ArchiveUnavailableError, match=r"object store cannot be reached .*; try again later"):
            archive.store(dicom(instance=2, pixels=LARGE[:100]))
        with pytest.raises(ArchiveUnavailableError, match="object store"):
            archive.store(dicom(instance=3, pixels=LARGE))
        assert time.monotonic() - begun < 20
        assert len(archive.find(Query("instance"))) == 1
        relay.mode = "pass"
        archive.store(dicom(instance=2, pixels=LARGE[:100]))
        assert len(archive.find(Query("instance"))) == 2
        assert list(archive.verify()) == []


def test_a_place_that_is_none_is_refused():
    with pytest.raises(InvalidInputError, match="expected s3://bucket/prefix"):
        Places(objects="ftp://somewhere")
