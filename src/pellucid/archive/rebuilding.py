"""The index made again from the objects alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pydicom
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from pellucid.archive.batch import AcquisitionLabel
from pellucid.archive.dicom_json import UNREADABLE
from pellucid.archive.inserting import insert_new
from pellucid.archive.metadata import Parsed, parse, quiet_pydicom
from pellucid.archive.refusals import StoreRefusedError
from pellucid.archive.schema import AcquisitionRow, InstanceRow, StudyRow
from pellucid.archive.study_use import count_again
from pellucid.archive.versions import data_set_digest, keep, now, received_digest, replace, set_study
from pellucid.errors import InvalidInputError, PellucidError
from pellucid.progress import Progress, no_progress

if TYPE_CHECKING:
    from pellucid.archive.archive import Archive

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_AT_ONCE = 200

Label = Callable[[Path], AcquisitionLabel]
"""Reads the label of a raw signal's file; raises `PellucidError` where it is none."""


@dataclass
class Rebuilt:
    """What the index names again; `versions`: objects that are earlier or other forms of an instance."""

    instances: int = 0
    signals: int = 0
    versions: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def rebuild(archive: Archive, label: Label, progress: Progress = no_progress) -> Rebuilt:
    """Name every object that is there in an empty index. Raises `InvalidInputError` where it is not empty.

    Of several objects with one SOP Instance UID the one that was corrected last is the instance, the others become
    its versions; what only the index knew is lost: projects, who sent what, corrections as such, links to signals.
    """
    with archive.reading() as session:
        if session.scalar(select(func.count()).select_from(InstanceRow)):
            raise InvalidInputError("is not empty; move it away first", field="index")
    rebuilt, waiting = Rebuilt(), list[Parsed]()
    again: list[Parsed] = []
    parts = sorted(archive.objects.parts())
    for number, part in enumerate(parts):
        progress(number / len(parts), f"{rebuilt.instances} instances")
        for name in sorted(archive.objects.names(part)):
            parsed = _parsed(archive, name, label, rebuilt)
            if parsed is not None:
                waiting.append(parsed)
            if len(waiting) >= _AT_ONCE:
                again += _insert(archive, waiting, rebuilt)
                waiting = []
    again += _insert(archive, waiting, rebuilt)
    for parsed in again:
        _add_version(archive, parsed, rebuilt)
    with archive.writing() as session:
        _count_all(session)
    return rebuilt


def _parsed(archive: Archive, name: str, label: Label, rebuilt: Rebuilt) -> Parsed | None:
    try:
        archive.objects.check(name)
        path = archive.objects.path(name)
        with path.open("rb") as file:
            head = file.read(8)
        if head == _SIGNATURE:
            _add_signal(archive, name, path, label(path))
            rebuilt.signals += 1
            return None
        parsed = parse(path, inflated_limit=archive.limits.inflated_bytes)
        parsed.instance.update(object_sha256=name, object_size=path.stat().st_size)
    except (PellucidError, OSError) as error:
        rebuilt.refused[name] = str(error)
        return None
    return parsed


def _insert(archive: Archive, waiting: list[Parsed], rebuilt: Rebuilt) -> list[Parsed]:
    """Name instances; those whose UID is taken, by an earlier one or within these, come back."""
    first: dict[str, Parsed] = {}
    again = [one for one in waiting if first.setdefault(one.sop_instance_uid, one) is not one]
    with archive.writing() as session:
        known = select(InstanceRow.sop_instance_uid).where(InstanceRow.sop_instance_uid.in_(list(first)))
        taken = set(session.scalars(known))
    again += [first.pop(uid) for uid in taken]
    try:
        with archive.writing() as session:
            rebuilt.instances += len(insert_new(session.connection(), first.values(), lambda _one, _row: True))
    except StoreRefusedError:
        for parsed in first.values():
            _insert_one(archive, parsed, rebuilt)
    return again


def _insert_one(archive: Archive, parsed: Parsed, rebuilt: Rebuilt) -> None:
    try:
        with archive.writing() as session:
            rebuilt.instances += len(insert_new(session.connection(), [parsed], lambda _one, _row: True))
    except StoreRefusedError as error:
        name = parsed.instance["object_sha256"]
        archive.quarantine.add(parsed, archive.objects.path(name), str(error), "rebuild")
        rebuilt.refused[name] = f"{error}; in quarantine"


def _add_version(archive: Archive, parsed: Parsed, rebuilt: Rebuilt) -> None:
    """Put the object that was corrected last in place; the other stays as its version."""
    name, reason = parsed.instance["object_sha256"], "found when the index was rebuilt"
    with archive.writing() as session:
        row = session.get_one(InstanceRow, parsed.sop_instance_uid)
        if _corrections(archive, name) > _corrections(archive, row.object_sha256):
            replace(session, parsed, received_digest(archive.objects, row), reason=reason, made_by="")
            set_study(session, parsed)
        else:
            if _corrections(archive, row.object_sha256)[0] and not row.content_sha256:
                row.content_sha256 = data_set_digest(archive.objects, name)
            columns = {"sop_instance_uid": parsed.sop_instance_uid, "sop_class_uid": parsed.sop_class_uid}
            columns |= {"series_instance_uid": parsed.series_instance_uid, "received": now(), **parsed.instance}
            keep(session, parsed.study_instance_uid, columns, reason=reason, made_by="")
    rebuilt.versions += 1


def _corrections(archive: Archive, name: str) -> tuple[int, str]:
    try:
        with quiet_pydicom(), archive.objects.open(name) as file:
            dataset = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=["OriginalAttributesSequence"])
        items = dataset.get("OriginalAttributesSequence") or []
        return len(items), max((str(item.get("AttributeModificationDateTime", "")) for item in items), default="")
    except UNREADABLE:
        return 0, ""


def _add_signal(archive: Archive, name: str, path: Path, label: AcquisitionLabel) -> None:
    with archive.writing() as session:
        session.add(
            AcquisitionRow(
                id=name[:32],
                modality=label.modality,
                description=label.description,
                patient_name=label.patient_name,
                study_instance_uid=label.study_instance_uid,
                object_sha256=name,
                object_size=path.stat().st_size,
                created=now(),
            )
        )


def _count_all(session: Session) -> None:
    count_again(session, list(session.scalars(select(StudyRow.study_instance_uid))))
