"""Damaged DICOM files at the doors that take them: the index's parser, the archive, and the reader of images."""

import random

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian
from tests.archive.raw_dicom import BIG, IMPLICIT, UNDEFINED, element, identified, sequence
from tests.archive.samples import dataset, dicom, file_bytes
from tests.fuzz.mutation import mutated
from tests.fuzz.watching import Watch

from pellucid.archive import Archive, StoreRefusedError
from pellucid.archive.metadata import parse
from pellucid.dicom import read_series
from pellucid.errors import InvalidInputError

GROWTH_MB = 48
"""What allocator and caches may still take once warm; a leak of 1 kB in each of 10⁵ cases would be twice that."""

FULL = [pytest.mark.slow, pytest.mark.timeout(3600)]


def originals():
    """Files of every native form, with sequences, private attributes and encapsulated pixels."""
    frames = np.arange(3 * 4 * 5, dtype=np.uint16).reshape(3, 4, 5)
    colours = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    item = element(0x00080100, "SH", b"113100")
    place = {
        "ImagePositionPatient": [1, 2, 3],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelSpacing": [0.5, 0.7],
        "SliceThickness": 2,
    }
    made = [
        dicom(**place),
        dicom(2, 1, 1, pixels=frames),
        dicom(3, 1, 1, pixels=colours),
        file_bytes(dataset(4, 1, 1, **place), ImplicitVRLittleEndian),
        file_bytes(dataset(5, 1, 1, **place), DeflatedExplicitVRLittleEndian),
    ]
    for syntax in (IMPLICIT, BIG):
        inner = element(0x00080100, "SH", b"113100", syntax)
        deep = sequence(0x0040A730, [sequence(0x0040A730, [inner], syntax, undefined=True)], syntax)
        made.append(identified(b"", deep + element(0x00281101, "US", b"\0\1\0\2\0\3", syntax), syntax))
    fragments = b"".join(element(0xFFFEE000, "", piece, IMPLICIT) for piece in (b"", b"\xff\xd8 picture \xff\xd9"))
    end = element(0xFFFEE0DD, "", b"", IMPLICIT)
    coded = identified(sequence(0x00081140, [item, item]), element(0x7FE00010, "OB", fragments + end, length=UNDEFINED))
    made.append(coded.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0"))
    private = element(0x00291010, "UN", b"SV10\4\3\2\1" + bytes(60)) + element(0x00291020, "FD", bytes(16))
    made.append(identified(element(0x00080005, "CS", b"\\ISO 2022 IR 87 "), element(0x00290010, "LO", b"A ") + private))
    return made


def parse_often(count):
    """Take damaged files apart as the index does."""
    chance, made, watch = random.Random(1), originals(), Watch(settled=min(500, count // 2))
    for _ in range(count):
        data = mutated(chance.choice(made), chance, made)
        with watch.case():
            try:
                parse(data, inflated_limit=1 << 20)
                watch.note("parsed")
            except StoreRefusedError as error:
                watch.refused(error)
    watch.report()
    assert watch.outcomes["parsed"] > count // 50
    assert watch.outcomes["refused"] > count // 50
    assert watch.growth_mb < GROWTH_MB
    return watch


@pytest.mark.parametrize("count", [7, pytest.param(100_000, marks=FULL)])
def test_parsing(count):
    parse_often(count)


def store_often(folder, count):
    """Store damaged files; what is taken is whole, and the next one is stored as ever."""
    chance, made, watch = random.Random(2), originals(), Watch(settled=min(120, count // 2))
    with Archive(folder) as archive:
        for _ in range(count):
            # Under a UID of its own, of the same length: else most would be refused as another of the same name.
            own = b"1.%d." % chance.randrange(10**8, 10**9)
            data = mutated(chance.choice(made).replace(b"1.2.826.0.1.", own), chance, made)
            with watch.case():
                try:
                    stored = archive.store(data)
                    watch.note("stored" if stored.new else "known")
                except StoreRefusedError as error:
                    watch.refused(error)
        watch.report()
        assert watch.outcomes["stored"] > count // 100
        assert list(archive.verify()) == []
        assert [path.name for path in archive.incoming.iterdir()] == ["lock"]
        assert archive.store(dicom(99)).new
    assert watch.growth_mb < GROWTH_MB
    return watch


@pytest.mark.parametrize("count", [7, pytest.param(20_000, marks=FULL)])
def test_storing(tmp_path, count):
    store_often(tmp_path / "archive", count)


def read_often(folder, count):
    """Read damaged files as images."""
    chance, made, watch = random.Random(3), originals(), Watch(settled=min(120, count // 2))
    file = folder / "damaged.dcm"
    for _ in range(count):
        file.write_bytes(mutated(chance.choice(made), chance, made))
        with watch.case():
            try:
                read_series(file)
                watch.note("read")
            except InvalidInputError as error:
                watch.refused(error)
    watch.report()
    assert watch.outcomes["read"] > count // 100
    assert watch.growth_mb < GROWTH_MB
    return watch


@pytest.mark.parametrize("count", [7, pytest.param(20_000, marks=FULL)])
def test_reading_images(tmp_path, count):
    read_often(tmp_path, count)
