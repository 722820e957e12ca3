"""Studies as files: a folder or a zip file, with a DICOMDIR (DICOM PS3.10 section 8, PS3.11)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryDirectory
from typing import Any

import pydicom

from pellucid.archive.dicom_json import UNREADABLE
from pellucid.archive.metadata import quiet_pydicom
from pellucid.archive.records import InstanceRecord
from pellucid.archive.view import View
from pellucid.errors import InvalidInputError
from pellucid.progress import Progress, no_progress

_ROOM = "DICOM"
_DAYS = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate", "InstanceCreationDate")


@dataclass
class Exported:
    """How many instances were written, and which a DICOMDIR cannot list, why."""

    instances: int = 0
    unlisted: dict[str, str] = field(default_factory=dict)


def export(
    view: View, studies: Sequence[str], target: Path, *, dicomdir: bool = True, progress: Progress = no_progress
) -> Exported:
    """Write studies into a new folder, or a zip file where `target` ends in .zip.

    With a DICOMDIR files are called PT000000/ST000000/SE000000/IM000000 and so on, those that it cannot list
    OTHER/00000001; without, DICOM/00000001: nothing that came from outside becomes a name. Raises
    `InvalidInputError` where a study is not there, or the target is.
    """
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise InvalidInputError("exists already; expected a new folder or file", file=target)
    records = [record for study in studies for record in _records(view, study)]
    exported = Exported(instances=len(records))
    with _folder(target) as folder:
        if dicomdir:
            _write_media(view, records, folder, exported, progress)
        else:
            (folder / _ROOM).mkdir(parents=True, exist_ok=True)
            _write(view, records, folder, progress)
        if target.suffix.lower() == ".zip":
            _pack(folder, target)
    return exported


def _records(view: View, study: str) -> list[InstanceRecord]:
    found = view.instances(study)
    if not found:
        raise InvalidInputError(f"there is no study {study}", field="StudyInstanceUID")
    return found


@contextmanager
def _folder(target: Path) -> Iterator[Path]:
    """The folder to write into; for a zip file one beside it, which goes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix.lower() == ".zip":
        with TemporaryDirectory(prefix="export-", dir=target.parent) as folder:
            yield Path(folder)
    else:
        target.mkdir(exist_ok=True)
        yield target


def _write(view: View, records: Sequence[InstanceRecord], folder: Path, progress: Progress) -> None:
    for number, record in enumerate(records, start=1):
        progress((number - 1) / len(records), f"{number} of {len(records)} instances")
        _copy(view, record, folder / _ROOM / f"{number:08d}")


def _write_media(
    view: View, records: Sequence[InstanceRecord], folder: Path, exported: Exported, progress: Progress
) -> None:
    """A file-set: written with data sets that have no pixels, which the whole files then take the place of."""
    from pydicom.fileset import FileSet

    files: Any = FileSet()
    begun, left = files._stage["t"], []
    try:
        with quiet_pydicom():
            for record in records:
                try:
                    files.add(_head(view, record))
                except UNREADABLE as error:
                    exported.unlisted[record.sop_instance_uid] = str(error)
                    left.append(record)
            files.write(folder)
            places = {str(instance.SOPInstanceUID): Path(instance.path) for instance in files}
    finally:
        for stage in (begun, files._stage["t"]):  # writing makes another one
            stage.cleanup()
    for number, record in enumerate(records, start=1):
        progress((number - 1) / len(records), f"{number} of {len(records)} instances")
        if record.sop_instance_uid in places:
            _copy(view, record, places[record.sop_instance_uid])
    for number, record in enumerate(left, start=1):
        (folder / "OTHER").mkdir(exist_ok=True)
        _copy(view, record, folder / "OTHER" / f"{number:08d}")


def _copy(view: View, record: InstanceRecord, file: Path) -> None:
    view.objects.check(record.object_sha256)
    with view.objects.open(record.object_sha256) as source, file.open("wb") as target:
        copyfileobj(source, target, 1 << 20)


def _head(view: View, record: InstanceRecord) -> Any:
    """The data set without its pixels, with what the records of a DICOMDIR must have where it is empty."""
    with view.objects.open(record.object_sha256) as file:
        dataset: Any = pydicom.dcmread(file, stop_before_pixels=True)
    day = next((dataset.get(name) for name in _DAYS if dataset.get(name)), "")
    for keyword, value in (
        ("PatientID", "UNKNOWN"),
        ("StudyDate", day),
        ("StudyTime", "000000"),
        ("StudyID", "1"),
        ("SeriesNumber", "1"),
        ("InstanceNumber", "1"),
    ):
        if not dataset.get(keyword) and value:
            setattr(dataset, keyword, value)
    return dataset


def _pack(folder: Path, target: Path) -> None:
    partial = target.with_suffix(".partial")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED, allowZip64=True) as packed:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            packed.write(file, file.relative_to(folder).as_posix())
    partial.replace(target)
