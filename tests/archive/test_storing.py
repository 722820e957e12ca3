"""What is stored comes back byte for byte; what cannot be kept is refused with one line and leaves nothing."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from pydicom.filewriter import write_file_meta_info
from tests.archive.samples import dataset, dicom, file_bytes, uid

from pellucid.archive import Archive, FailureReason, ObjectDamagedError, Query, StoreRefusedError
from pellucid.archive import batch as batches
from pellucid.archive.archive import Limits


def objects_in(archive):
    return sorted(archive.objects.names())


def only(archive):
    (match,) = archive.find(Query("instance"))
    (record,) = archive.instances(match.study_instance_uid, match.series_instance_uid, match.sop_instance_uid)
    return record


def test_what_is_stored_comes_back_byte_for_byte(archive):
    data = dicom()
    stored = archive.store(data)
    assert stored.new
    assert stored.sop_instance_uid == uid(1, 1, 1)
    assert archive.fetch(only(archive)) == data


def test_a_file_is_stored_like_bytes(archive, tmp_path):
    data = dicom(pixels=np.zeros((300, 301), np.int16))
    (tmp_path / "a.dcm").write_bytes(data)
    archive.store(tmp_path / "a.dcm")
    record = only(archive)
    assert archive.fetch(record) == data
    assert data[record.pixel_offset :][: record.pixel_length] == bytes(300 * 301 * 2)


def test_objects_are_named_by_content_and_nothing_else(archive):
    data = dicom()
    archive.store(data)
    name = hashlib.sha256(data).hexdigest()
    files = [p.relative_to(archive.objects.folder) for p in archive.objects.folder.rglob("*") if p.is_file()]
    assert sorted(str(f) for f in files) == [".layout-1", f"{name[:2]}/{name}"]


def test_storing_again_changes_nothing(archive):
    archive.store(dicom())
    again = archive.store(dicom())
    assert not again.new
    assert len(archive.find(Query("instance"))) == 1


def test_file_meta_of_another_sender_does_not_make_another_object(archive):
    archive.store(file_bytes(dataset(), ImplementationVersionName="ONE"))
    again = archive.store(file_bytes(dataset(), ImplementationVersionName="ANOTHER"))
    assert not again.new
    assert len(objects_in(archive)) == 1


def test_other_content_under_the_same_uid_is_refused(archive):
    first = dicom()
    archive.store(first)
    with pytest.raises(StoreRefusedError, match=r"SOPInstanceUID: another object is stored") as refused:
        archive.store(dicom(PatientID="P2"))
    assert refused.value.reason == FailureReason.DUPLICATE_INSTANCE
    assert archive.fetch(only(archive)) == first
    assert len(objects_in(archive)) == 1


def test_a_series_belongs_to_one_study(archive):
    archive.store(dicom())
    stray = dicom(study=2, SeriesInstanceUID=uid(1, 1))
    with pytest.raises(StoreRefusedError, match=r"StudyInstanceUID: its series belongs to study"):
        archive.store(stray)
    batch = archive.batch()
    batch.store(dicom(study=3))
    with pytest.raises(StoreRefusedError, match="belongs to study"):
        batch.store(dicom(study=4, SeriesInstanceUID=uid(3, 1)))
    batch.discard()


def broken(kind):
    good = dicom(pixels=np.zeros((64, 64), np.uint16))
    return {
        "empty": b"",
        "text": b"not DICOM " * 50,
        "no mark": good[:128] + b"XXXX" + good[132:],
        "only a head": good[:200],
        "truncated attributes": good[:600],
        "truncated pixels": good[:-2],
        "no syntax": good.replace(b"\x02\x00\x10\x00UI", b"\x02\x00\x11\x00UI"),
        "no study": dicom(StudyInstanceUID=None),
        "empty uid": dicom(SeriesInstanceUID=""),
        "path as uid": good.replace(uid(1, 1, 1).encode(), b"../../../etc/pa"[: len(uid(1, 1, 1))]),
        "few pixels": dicom(Rows=50),
        "false length": good.replace(b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00US\xff\xff"),
        "many rows": good.replace(b"\x28\x00\x10\x00US\x02\x00\x40\x00", b"\x28\x00\x10\x00US\x02\x00\xff\xff"),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "empty",
        "text",
        "no mark",
        "only a head",
        "truncated attributes",
        "truncated pixels",
        "no syntax",
        "no study",
        "empty uid",
        "path as uid",
        "few pixels",
        "false length",
        "many rows",
    ],
)
def test_what_is_broken_is_refused_in_one_line_and_leaves_nothing(archive, kind):
    with pytest.raises(StoreRefusedError) as refused:
        archive.store(broken(kind))
    assert refused.value.reason == FailureReason.CANNOT_UNDERSTAND
    assert "\n" not in str(refused.value)
    assert objects_in(archive) == []
    assert archive.find(Query("study")) == []


def test_every_truncation_is_refused(archive):
    """But for those between two attributes, where nothing shows that something followed."""
    data = dicom()
    kept = 0
    for length in range(600, len(data), 1):
        try:
            archive.store(data[:length])
            kept += 1
        except StoreRefusedError:
            continue
    assert kept <= len(dataset())


def test_a_large_file_is_refused_before_it_is_read(tmp_path):
    with Archive(tmp_path, limits=Limits(instance_bytes=1000)) as small:
        with pytest.raises(StoreRefusedError, match="expected up to 1000") as refused:
            small.store(dicom(pixels=np.zeros((100, 100), np.uint16)))
        assert refused.value.reason == FailureReason.OUT_OF_RESOURCES


def deflated(made):
    plain = file_bytes(made)
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    start = 144 + int.from_bytes(plain[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(plain[start:]) + packer.flush()
    made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    head = io.BytesIO()
    write_file_meta_info(head, made.file_meta)
    return b"\0" * 128 + b"DICM" + head.getvalue() + body


def test_a_deflated_file_is_kept(archive):
    data = deflated(dataset())
    archive.store(data)
    assert archive.fetch(only(archive)) == data


def test_a_deflated_bomb_is_refused(tmp_path):
    bomb = deflated(dataset(pixels=np.zeros((2000, 2000), np.uint16)))
    small = Limits(inflated_bytes=1 << 20)
    with Archive(tmp_path, limits=small) as archive, pytest.raises(StoreRefusedError, match="inflates to more than"):
        archive.store(bomb)


def store_two_and_fail(archive):
    with archive.batch() as batch:
        batch.store(dicom(instance=1))
        batch.store(dicom(instance=2))
        assert len(objects_in(archive)) == 2
        assert archive.find(Query("instance")) == []
        raise RuntimeError


def test_a_batch_is_all_or_nothing(archive):
    with pytest.raises(RuntimeError):
        store_two_and_fail(archive)
    assert objects_in(archive) == []
    with archive.batch() as batch:
        batch.store(dicom(instance=1))
        with pytest.raises(StoreRefusedError):
            batch.store(b"broken")
        batch.store(dicom(instance=2))
    assert len(archive.find(Query("instance"))) == 2
    assert list(archive.verify()) == []


def test_giving_up_keeps_what_others_store(archive):
    """Two batches hold the same content; one gives up, the other's object must stay."""
    first, second = archive.batch(), archive.batch()
    first.store(dicom())
    second.store(dicom())
    first.discard()
    second.commit()
    assert archive.fetch(only(archive)) == dicom()
    third = archive.batch()
    third.store(dicom())
    third.discard()
    assert archive.fetch(only(archive)) == dicom()


def test_two_batches_with_the_same_instance(archive):
    first, second = archive.batch(), archive.batch()
    first.store(file_bytes(dataset(), ImplementationVersionName="ONE"))
    second.store(file_bytes(dataset(), ImplementationVersionName="TWO"))
    first.commit()
    second.commit()
    assert len(archive.find(Query("instance"))) == 1
    assert list(archive.verify()) == []
    third, fourth = archive.batch(), archive.batch()
    third.store(dicom(instance=2))
    fourth.store(dicom(instance=2, PatientID="P9"))
    fourth.store(dicom(instance=3))
    third.commit()
    with pytest.raises(StoreRefusedError, match="another object"):
        fourth.commit()
    assert len(archive.find(Query("instance"))) == 2
    assert list(archive.verify()) == []


def test_many_threads_store_and_find_at_once(archive):

    def store(worker):
        for instance in range(12):
            archive.store(dicom(series=worker % 3 + 1, instance=worker * 100 + instance))

    def look():
        for _ in range(20):
            for match in archive.find(Query("instance")):
                place = match.study_instance_uid, match.series_instance_uid, match.sop_instance_uid
                archive.fetch(archive.instances(*place)[0])

    with ThreadPoolExecutor(8) as pool:
        work = [pool.submit(store, n) for n in range(6)] + [pool.submit(look)]
        for item in work:
            item.result()
    (study,) = archive.find(Query("study"))
    assert study.attributes["00201208"]["Value"] == [72]
    assert study.attributes["00201206"]["Value"] == [3]
    assert list(archive.verify()) == []


def test_a_crash_leaves_nothing(tmp_path):
    """A process dies between writing an object and naming it; the next one cleans up."""
    code = (
        "import os, sys; from pathlib import Path; from pellucid.archive import Archive;"
        "a = Archive(Path(sys.argv[1])); b = a.batch(); b.store(sys.stdin.buffer.read());"
        "(a.incoming / 'half').write_bytes(b'x'); os._exit(9)"
    )
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", code, tmp_path], input=dicom(), env=environment, check=False)
    assert done.returncode == 9
    assert len(list((tmp_path / "objects").glob("*/*"))) == 1
    with Archive(tmp_path) as archive:
        assert objects_in(archive) == []
        assert [p for p in (tmp_path / "incoming").iterdir() if p != archive.incoming] == []


def test_a_second_process_leaves_the_first_ones_work_alone(archive):
    """Two archives open on one folder, as when the command line imports while the server runs."""
    batch = archive.batch()
    batch.store(dicom())
    with Archive(archive.folder) as other:
        assert archive.incoming.is_dir()
        giving_up = other.batch()
        giving_up.store(dicom())
        giving_up.discard()
    batch.commit()
    assert archive.fetch(only(archive)) == dicom()


def test_delete_takes_what_becomes_empty(archive):
    for series, instance in [(1, 1), (1, 2), (2, 1)]:
        archive.store(dicom(series=series, instance=instance))
    assert archive.delete(uid(1), uid(1, 1), uid(1, 1, 2)) == 1
    assert len(objects_in(archive)) == 2
    assert archive.delete(uid(1), uid(1, 1)) == 1
    assert [m.series_instance_uid for m in archive.find(Query("series"))] == [uid(1, 2)]
    assert archive.delete(uid(1)) == 1
    assert archive.find(Query("study")) == []
    assert objects_in(archive) == []
    assert archive.delete(uid(1)) == 0


def test_damage_is_noticed(archive):
    archive.store(dicom(instance=1))
    archive.store(dicom(instance=2))
    first, second = (archive.objects.path(name) for name in objects_in(archive))
    first.write_bytes(first.read_bytes()[:-1] + b"!")
    second.unlink()
    (archive.objects.folder / "stray").write_bytes(b"x")
    problems = list(archive.verify())
    assert len(problems) == 3
    assert sum("checksum" in p for p in problems) == 1
    assert sum("missing" in p for p in problems) == 1
    for record in archive.instances(uid(1)):
        with pytest.raises(ObjectDamagedError):
            archive.fetch(record)


def test_a_full_disk_refuses(archive, monkeypatch):
    usage = shutil.disk_usage(archive.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1 << 20))
    with pytest.raises(StoreRefusedError, match="the disk is full") as refused:
        archive.store(dicom())
    assert refused.value.reason == FailureReason.OUT_OF_RESOURCES
    assert objects_in(archive) == []


def test_a_received_data_set_is_a_file_with_its_file_meta(archive):
    data = dicom()
    start = 144 + int.from_bytes(data[140:144], "little")
    archive.store_received(memoryview(data)[start:], file_meta=data[:start])
    assert archive.fetch(only(archive)) == data


def test_a_large_file_of_others_is_copied_before_it_is_looked_at(archive, tmp_path, monkeypatch):
    """So that what is indexed is what is stored, whatever becomes of their file meanwhile."""
    data = dicom(pixels=np.zeros((1000, 1000), np.int16))
    file = tmp_path / "a.dcm"
    file.write_bytes(data)
    parse = batches.parse

    def parse_and_change(source, **limits):
        file.write_bytes(b"other")
        return parse(source, **limits)

    monkeypatch.setattr(batches, "parse", parse_and_change)
    archive.store(file)
    assert archive.fetch(only(archive)) == data
    assert [p.name for p in archive.incoming.iterdir()] == ["lock"]
    (tmp_path / "b.dcm").write_bytes(bytes(2 << 20))
    with pytest.raises(StoreRefusedError, match="not a DICOM file"):
        archive.store(tmp_path / "b.dcm")


def test_a_file_of_the_archives_own_folder_becomes_the_object(archive):
    file = archive.incoming / "received"
    file.write_bytes(dicom(pixels=np.zeros((1000, 1000), np.int16)))
    archive.store(file)
    assert archive.objects.path(only(archive).object_sha256).samefile(file)


def test_objects_of_an_older_layout_are_found(tmp_path):
    with Archive(tmp_path) as archive:
        archive.store(dicom())
        (name,) = objects_in(archive)
        path = archive.objects.path(name)
    (path.parent / name[2:4]).mkdir()
    path.rename(path.parent / name[2:4] / name)
    (tmp_path / "objects" / ".layout-1").unlink()
    with Archive(tmp_path) as archive:
        assert archive.fetch(only(archive)) == dicom()
        assert list(archive.verify()) == []
