"""The storage of dcm4chee, laid out as its default path format has it, becomes an archive.

{now,date,yyyy/MM/dd}/{0020000D,hash}/{0020000E,hash}/{00080018,hash}: files without an extension, whose names are the
hash codes that Java gives the UIDs; a random one where there is a file of that name already.
"""

import io
import tarfile
import zipfile

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian
from tests.archive.samples import coded, dataset, dicom, file_bytes, uid

from pellucid.archive import Archive
from pellucid.archive.importing import Importer
from pellucid.cli.app import run as pellucid


def java_hash(text):
    """String.hashCode() as dcm4che writes it: eight hexadecimal digits."""
    code = 0
    for character in text:
        code = (31 * code + ord(character)) & 0xFFFFFFFF
    return f"{code:08X}"


def place(storage, study, series, instance, day="2024/02/29"):
    names = (uid(study), uid(study, series), uid(study, series, instance))
    return storage.joinpath(day, *map(java_hash, names))


@pytest.fixture
def storage(tmp_path):
    """Two studies in several transfer syntaxes, one of them received on two days, and what lies beside objects."""
    root = tmp_path / "fs1"
    files = {
        place(root, 1, 1, 1): dicom(1, 1, 1),
        place(root, 1, 1, 2): coded("1.2.840.10008.1.2.4.90", 2),
        place(root, 1, 1, 3, "2024/03/01"): coded("1.2.840.10008.1.2.4.102", 3),
        place(root, 1, 2, 1): file_bytes(dataset(1, 2, 1), DeflatedExplicitVRLittleEndian),
        place(root, 2, 1, 1): dicom(2, 1, 1),
        place(root, 2, 1, 1).with_name("5D1F7A03"): dicom(2, 1, 2),
    }
    metadata = io.BytesIO()
    with zipfile.ZipFile(metadata, "w") as packed:
        packed.writestr(uid(1, 1, 1), "{}")
    series = io.BytesIO()
    with tarfile.open(fileobj=series, mode="w") as packed:
        packed.addfile(tarfile.TarInfo(uid(1, 1, 1)), io.BytesIO())
    beside = {
        root / "metadata/2024/02/29" / java_hash(uid(1)) / java_hash(uid(1, 1)): metadata.getvalue(),
        root / "tar/2024/02/29" / java_hash(uid(1)) / java_hash(uid(1, 1)): series.getvalue(),
    }
    for path, content in (files | beside).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root, list(files.values())


def held(archive):
    return {archive.fetch(record) for study in (1, 2) for record in archive.instances(uid(study))}


def test_hash_codes_are_javas():
    assert java_hash("hello") == "05E918D2"


@pytest.mark.parametrize("how", ["copy", "link"])
def test_every_object_is_imported_byte_for_byte(archive, storage, how):
    root, files = storage
    outcome = Importer(archive, how=how).run(root)
    assert (outcome.new, outcome.known, outcome.others, outcome.refused) == (6, 0, 2, {})
    assert held(archive) == set(files)


def test_by_command_moved_and_begun_again(storage, tmp_path, capsys):
    root, files = storage
    hidden = place(root, 1, 1, 1).rename(tmp_path / "later")
    command = ["import", str(root), "--how", "move", "--data", str(tmp_path / "data")]
    assert pellucid(command) == 0
    assert "5 new, 0 known, 0 refused, 2 other files" in capsys.readouterr().out
    hidden.rename(place(root, 1, 1, 1))
    assert pellucid(command) == 0
    assert "1 new" in capsys.readouterr().out
    assert len([path for path in root.rglob("*") if path.is_file()]) == 2
    with Archive(tmp_path / "data") as archive:
        assert held(archive) == set(files)
