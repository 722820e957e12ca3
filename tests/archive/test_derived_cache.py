"""What was made from objects: kept, thrown away when it is damaged or too much, gone with the object."""

import os
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from tests.archive.samples import dataset, dicom, file_bytes, uid

from pellucid.archive import Archive
from pellucid.archive.derived_cache import DerivedCache
from pellucid.errors import UnsupportedError

SHA = "ab" * 32
HTJ2K = "1.2.840.10008.1.2.4.202"


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_was_put_is_got(tmp_path):
    cache = DerivedCache(tmp_path)
    assert cache.get(SHA, "frame 0") is None
    cache.put(SHA, "frame 0", b"one")
    cache.put(SHA, "../../frame 1", b"")
    assert (cache.get(SHA, "frame 0"), cache.get(SHA, "../../frame 1")) == (b"one", b"")
    assert DerivedCache(tmp_path).get(SHA, "frame 0") == b"one"
    cache.forget(SHA)
    assert cache.get(SHA, "frame 0") is None
    assert files(tmp_path) == []


@pytest.mark.parametrize("damage", [lambda d: d[:-1], lambda d: d[:-1] + b"x", lambda d: b"", lambda d: b"x" + d[1:]])
def test_damaged_values_are_thrown_away(tmp_path, damage):
    cache = DerivedCache(tmp_path)
    cache.put(SHA, "frame 0", b"one")
    (path,) = files(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get(SHA, "frame 0") is None
    assert not path.exists()


def test_a_folder_that_goes_while_it_is_looked_through(tmp_path, monkeypatch):
    cache = DerivedCache(tmp_path)
    cache.put(SHA, "one", b"one")
    cache.wait()
    cache.limit_bytes = 0
    cache.put("cd" * 32, "empty", b"")
    scan = os.scandir

    def gone_when_it_is_opened(path):
        if str(path).endswith(SHA):
            shutil.rmtree(path, ignore_errors=True)
        return scan(path)

    monkeypatch.setattr(os, "scandir", gone_when_it_is_opened)
    cache._remove_oldest()
    assert files(tmp_path) == []


def test_a_value_under_another_name_is_not_taken_for_it(tmp_path):
    cache = DerivedCache(tmp_path)
    cache.put(SHA, "one", b"one")
    cache.put(SHA, "two", b"two")
    first, second = files(tmp_path)
    first.write_bytes(second.read_bytes())
    assert {cache.get(SHA, "one"), cache.get(SHA, "two")} in ({b"one", None}, {b"two", None})


def test_the_longest_unused_go_first(tmp_path):
    cache = DerivedCache(tmp_path, limit_bytes=100_000)
    for number in range(9):
        cache.put(SHA, str(number), bytes(10_000))
        cache.wait()
    for age, path in enumerate(sorted(files(tmp_path))):
        os.utime(path, (time.time() - 1000 - age, time.time() - 1000 - age))
    assert cache.get(SHA, "3") == bytes(10_000)  # used now
    for number in range(9, 13):
        cache.put(SHA, str(number), bytes(10_000))
        cache.wait()
    assert cache.get(SHA, "3") is not None
    assert cache.get(SHA, "12") is not None
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 100_000
    cache.put(SHA, "huge", bytes(50_000))
    assert cache.get(SHA, "huge") is None


def test_several_processes_share_it(tmp_path):
    program = (
        "import sys; from pathlib import Path; from pellucid.archive.derived_cache import DerivedCache;"
        "cache = DerivedCache(Path(sys.argv[1]), 200_000)\n"
        "for n in range(150):\n"
        "    value = bytes([n]) * 5000\n"
        "    cache.put('cd' * 32, str(n % 60), bytes([n % 60]) * 5000)\n"
        "    found = cache.get('cd' * 32, str(n % 7))\n"
        "    assert found is None or found == bytes([n % 7]) * 5000\n"
        "cache.wait()"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path)]) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    cache = DerivedCache(tmp_path, 200_000)  # what came in while the last of them looked is seen now
    cache.put(SHA, "last", bytes(5000))
    cache.wait()
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 200_000


def test_what_was_used_last_is_given_from_memory_until_it_is_forgotten(tmp_path):
    cache = DerivedCache(tmp_path)
    cache.put(SHA, "frame 0", b"value")
    assert cache.get(SHA, "frame 0") == b"value"
    for path in files(tmp_path):
        path.unlink()
    assert cache.get(SHA, "frame 0") == b"value"
    cache.forget(SHA)
    assert cache.get(SHA, "frame 0") is None


def test_frames_of_the_archive_are_kept_until_the_object_goes(tmp_path):
    with Archive(tmp_path) as archive:
        archive.store(dicom(pixels=np.arange(600, dtype=np.uint16).reshape(2, 15, 20)))
        (record,) = archive.instances(uid(1))
        coded = archive.frames.encoded(record, 1, HTJ2K)
        assert archive.frames.cache.get(record.object_sha256, f"frame 1 {HTJ2K}") == coded
        assert archive.frames.encoded(record, 1, HTJ2K) == coded
        values, photometric = archive.frames.decoded(record, 1)
        assert photometric == "MONOCHROME2"
        assert np.array_equal(values, np.arange(300, 600).reshape(15, 20))
        assert archive.frames.choose(record, ["1.2.840.10008.1.2.4.50", HTJ2K, "1.2.840.10008.1.2.4.80"]) == HTJ2K
        archive.delete(uid(1))
        assert files(tmp_path / "derived") == []


def test_what_no_codec_holds_says_so(tmp_path):
    made = dataset(pixels=np.zeros((4, 5), np.uint16))
    del made.PixelData
    made.BitsAllocated = 32
    made.FloatPixelData = bytes(80)
    with Archive(tmp_path) as archive:
        archive.store(file_bytes(made))
        (record,) = archive.instances(uid(1))
        assert archive.frames.refusal(record, "1.2.840.10008.1.2.2") is None
        with pytest.raises(UnsupportedError):
            archive.frames.encoded(record, 0, HTJ2K)
        assert archive.frames.choose(record, [HTJ2K]) is None
