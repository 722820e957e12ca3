"""Stored instances become another transfer syntax: same pixels, one transaction, originals dropped only then."""

import io
import subprocess
import sys
import time

import numpy as np
import pydicom
import pytest
from sqlalchemy import select
from tests.archive.samples import dataset, dicom, file_bytes, uid

from pellucid.archive import Archive, Query, StoreRefusedError
from pellucid.archive.transcoding import ChangedMeanwhileError, Transcoder
from pellucid.archive.transcoding_queue import TranscodingQueue
from pellucid.archive.transcoding_rules import TranscodingRule
from pellucid.archive.transcoding_tables import TranscodingRow
from pellucid.codecs import NotLosslessError, named, require_same_pixels, transcode
from pellucid.errors import CancelledError, InvalidInputError, UnsupportedError

HTJ2K = named("htj2k")
PIXELS = np.arange(35 * 40, dtype=np.uint16).reshape(35, 40)


@pytest.fixture
def archive(tmp_path):
    with Archive(tmp_path / "archive") as opened:
        yield opened


def names(archive):
    return set(archive.objects.names())


def test_an_instance_becomes_another_transfer_syntax(archive):
    data = dicom(pixels=PIXELS)
    archive.store(data)
    (before,) = archive.instances(uid(1))
    sizes = Transcoder(archive).transcode(uid(1, 1, 1), HTJ2K)
    (after,) = archive.instances(uid(1))
    assert sizes == (before.object_size, after.object_size)
    assert after.object_size < before.object_size
    assert after.transfer_syntax_uid == HTJ2K
    assert names(archive) == {after.object_sha256}
    assert list(archive.verify()) == []
    require_same_pixels(data, archive.fetch(after))
    (text,) = archive.attributes(uid(1))
    assert f'"00083002":{{"vr":"UI","Value":["{HTJ2K}"]}}' in text
    assert np.array_equal(archive.frames.decoded(after, 0)[0], PIXELS)
    assert Transcoder(archive).transcode(uid(1, 1, 1), HTJ2K) == (0, 0)


def test_what_was_received_may_come_again(archive):
    data = dicom(pixels=PIXELS)
    archive.store(data)
    Transcoder(archive).transcode(uid(1, 1, 1), HTJ2K)
    Transcoder(archive).transcode(uid(1, 1, 1), named("jpeg-ls"))
    assert not archive.store(data).new
    with pytest.raises(StoreRefusedError):
        archive.store(dicom(pixels=PIXELS + 1))


def test_an_original_may_be_kept_and_goes_with_its_instance(archive):
    archive.store(dicom(pixels=PIXELS))
    (before,) = archive.instances(uid(1))
    Transcoder(archive, keep_original=True).transcode(uid(1, 1, 1), HTJ2K)
    Transcoder(archive, keep_original=True).transcode(uid(1, 1, 1), named("rle"))
    (after,) = archive.instances(uid(1))
    assert names(archive) == {before.object_sha256, after.object_sha256}
    assert list(archive.verify()) == []
    archive.delete(uid(1))
    assert names(archive) == set()


def test_all_that_match_and_again_from_where_it_stopped(archive):
    with archive.batch() as batch:
        for number in range(1, 8):
            batch.store(dicom(1, 1, number, pixels=PIXELS + number))
        batch.store(dicom(2, 1, 1, pixels=PIXELS, Modality="MR"))
        bits = dataset(3, 1, 1, pixels=np.zeros((8, 8), np.uint8))
        bits.BitsAllocated = bits.BitsStored = 1
        bits.HighBit = 0
        bits.PixelData = bytes(8)
        batch.store(file_bytes(bits))
    seen = []

    def until(fraction, message="", preview=None):
        seen.append(message)
        if message.startswith("3 of"):
            raise CancelledError

    transcoder = Transcoder(archive)
    with pytest.raises(CancelledError):
        transcoder.run(HTJ2K, {"Modality": "CT"}, until)
    assert seen[0] == "0 of 8 instances"
    assert list(archive.verify()) == []
    outcome = transcoder.run(HTJ2K, {"Modality": "CT"})
    assert 1 <= outcome.done <= 4
    assert list(outcome.refused.values()) == [1]
    assert "BitsAllocated is 1" in next(iter(outcome.refused))
    assert {r.transfer_syntax_uid for r in archive.instances(uid(1))} == {HTJ2K}
    assert archive.instances(uid(2))[0].transfer_syntax_uid != HTJ2K
    assert list(archive.verify()) == []
    assert transcoder.run(HTJ2K, {"Modality": "CT"}).done == 0


@pytest.mark.slow
@pytest.mark.parametrize("wait", [0.4, 0.6, 0.8, 1.0, 1.3])
def test_nothing_is_lost_when_it_is_killed(tmp_path, wait):
    noise = np.random.default_rng(0).integers(0, 4096, (100, 128, 128), np.uint16)
    with Archive(tmp_path) as archive, archive.batch() as batch:
        for number, pixels in enumerate(noise, 1):
            batch.store(dicom(1, 1, number, pixels=pixels))
    arguments = ["archive", "transcode", "--to", "htj2k", "--data", str(tmp_path)]
    program = f"import sys; from pellucid.cli.app import run; print('.', flush=True); sys.exit(run({arguments!r}))"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        process.stdout.read(1)
        time.sleep(wait)
        process.kill()
    with Archive(tmp_path) as archive:
        assert list(archive.verify()) == []
        records = archive.instances(uid(1))
        assert len(records) == len(noise)
        for record in records[::10]:
            assert np.array_equal(archive.frames.decoded(record, 0)[0], noise[record.instance_number - 1])
        left = sum(record.transfer_syntax_uid != HTJ2K for record in records)
        assert Transcoder(archive, grace_seconds=60).run(HTJ2K, {}).done == left
        assert list(archive.verify()) == []


def test_filters_that_cannot_be_used(archive):
    with pytest.raises(InvalidInputError, match="PixelData"):
        Transcoder(archive).run(HTJ2K, {"PixelData": "1"})
    with pytest.raises(InvalidInputError, match=r"TransferSyntaxUID: is '1\.2'"):
        Transcoder(archive).run("1.2", {})


def test_other_pixels_are_never_named(archive, monkeypatch):
    archive.store(dicom(pixels=PIXELS))
    wrong = transcode(dicom(pixels=PIXELS + 1), HTJ2K)
    monkeypatch.setattr(archive.frames, "write", lambda target, record, syntax: target.write(wrong))
    with pytest.raises(NotLosslessError):
        Transcoder(archive).transcode(uid(1, 1, 1), HTJ2K)
    (record,) = archive.instances(uid(1))
    assert names(archive) == {record.object_sha256}
    assert pydicom.dcmread(io.BytesIO(archive.fetch(record))).pixel_array[0, 1] == 1


def test_an_instance_deleted_meanwhile_stays_deleted(archive, monkeypatch):
    archive.store(dicom(pixels=PIXELS))
    write = archive.frames.write

    def slowly(target, record, syntax):
        write(target, record, syntax)
        archive.delete(uid(1))

    monkeypatch.setattr(archive.frames, "write", slowly)
    with pytest.raises(Exception):  # noqa: B017, PT011 (its object is gone, or its row)
        Transcoder(archive).transcode(uid(1, 1, 1), HTJ2K)
    assert archive.find(Query("instance")) == []
    assert names(archive) == set()
    with pytest.raises(ChangedMeanwhileError):
        Transcoder(archive).transcode(uid(1, 1, 1), HTJ2K)


def test_rules_for_what_arrives(tmp_path):
    rules = [TranscodingRule(to="htj2k", where={"Modality": "CT"}), TranscodingRule(to=named("rle"))]
    with Archive(tmp_path, transcoding=rules) as archive:
        follow_rules(archive)


def follow_rules(archive):
    queue = TranscodingQueue(archive)
    archive.store(dicom(1, 1, 1, pixels=PIXELS))
    archive.store(dicom(2, 1, 1, pixels=PIXELS, Modality="MR"))
    archive.store(dicom(1, 1, 1, pixels=PIXELS))
    assert archive.instances(uid(1))[0].transfer_syntax_uid == "1.2.840.10008.1.2.1"  # not while it arrives
    assert queue.waiting() == 2
    queue.start()
    for _ in range(200):
        if queue.waiting() == 0:
            break
        time.sleep(0.05)
    queue.stop()
    assert archive.instances(uid(1))[0].transfer_syntax_uid == HTJ2K
    assert archive.instances(uid(2))[0].transfer_syntax_uid == named("rle")
    assert len(names(archive)) == 2


def test_a_rule_that_cannot_be_followed_is_remembered_with_its_reason(tmp_path):
    with Archive(tmp_path, transcoding=[TranscodingRule(to="jpeg")]) as archive:
        archive.store(dicom(pixels=PIXELS))
        queue = TranscodingQueue(archive)
        assert queue.step()
        assert not queue.step()
        with archive.reading() as session:
            (row,) = session.scalars(select(TranscodingRow))
    assert row.refused
    assert "loses something" in row.error


def test_rules_that_make_no_sense():
    with pytest.raises(InvalidInputError, match="transcoding rule"):
        TranscodingRule(to=HTJ2K, where={"Nonsense": "1"})
    with pytest.raises(InvalidInputError):
        TranscodingRule(to="htj3k")


def test_video_and_floating_point_are_refused(archive):
    made = dataset(pixels=np.zeros((4, 5), np.uint16))
    del made.PixelData
    made.BitsAllocated = 32
    made.FloatPixelData = bytes(80)
    archive.store(file_bytes(made))
    with pytest.raises(UnsupportedError):
        Transcoder(archive).transcode(uid(1, 1, 1), HTJ2K)
