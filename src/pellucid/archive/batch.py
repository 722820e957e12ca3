"""Things stored together: all of them, or none."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import select
from sqlalchemy.orm import Session

from pellucid.archive.metadata import Parsed, parse
from pellucid.archive.objects import ObjectDamagedError
from pellucid.archive.refusals import FailureReason, StoreRefusedError
from pellucid.archive.schema import AcquisitionRow, InstanceRow, SeriesRow, SeriesSourceRow, StudyRow
from pellucid.archive.sender import ANYONE, Sender

if TYPE_CHECKING:
    from pellucid.archive.archive import Archive


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An instance that is (or with the batch will be) stored; `new` is False where it was already there.

    `size` [byte]: of the file, where it is new; `source`: the AE title or the account that sent it.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    new: bool
    size: int = 0
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class AcquisitionLabel:
    """What is said of a raw signal in lists; the archive does not look inside the file."""

    modality: str
    description: str
    patient_name: str
    study_instance_uid: str


@dataclass
class _Staged:
    parsed: dict[str, Parsed] = field(default_factory=dict)
    rows: list[AcquisitionRow] = field(default_factory=list)
    sources: dict[str, SeriesSourceRow] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)


class Batch:
    """A set of objects that becomes visible at once when the `with` block ends, or leaves nothing behind.

    Objects are written as they come; the index names them in one transaction at the end.
    """

    def __init__(self, archive: Archive, sender: Sender = ANYONE) -> None:
        self._archive = archive
        self._sender = sender
        self._staged = _Staged()

    def store(self, source: bytes | Path, *, study_uid: str | None = None) -> Stored:
        """Add one DICOM file as received; with `study_uid` only where it belongs to that study.

        Raises `StoreRefusedError`; the batch goes on without the file.
        """
        limits = self._archive.limits
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > limits.instance_bytes:
            raise StoreRefusedError(
                f"is {size} bytes; expected up to {limits.instance_bytes}", FailureReason.OUT_OF_RESOURCES
            )
        parsed = parse(source, inflated_limit=limits.inflated_bytes)
        if study_uid is not None:
            _require_study(parsed, study_uid, f"is {parsed.study_instance_uid}; expected {study_uid}")
        parsed.instance["content_sha256"] = _digest(source, parsed.data_set)
        new = self._is_new(parsed)
        if new:
            name = self._put(source)
            parsed.instance.update(object_sha256=name, object_size=size)
            self._staged.parsed[parsed.sop_instance_uid] = parsed
        return _stored(parsed, self._sender, new=new)

    def add_acquisition(self, file: Path, label: AcquisitionLabel) -> str:
        """Add a raw signal's file; its id. Raises `StoreRefusedError` where its study belongs to others."""
        with self._archive.reading() as session:
            self._sender.require_own(session, label.study_instance_uid)
        row = AcquisitionRow(
            id=uuid.uuid4().hex,
            modality=label.modality,
            description=label.description,
            patient_name=label.patient_name,
            study_instance_uid=label.study_instance_uid,
            object_sha256=self._put(file),
            object_size=file.stat().st_size,
            created=_now(),
        )
        self._staged.rows.append(row)
        return row.id

    def link(self, series_uid: str, acquisition_id: str, method: str, parameters: Mapping[str, Any]) -> None:
        """Record what a series of this batch (or a stored one) was reconstructed from."""
        self._staged.sources[series_uid] = SeriesSourceRow(
            series_instance_uid=series_uid,
            acquisition_id=acquisition_id,
            method=method,
            parameters=json.dumps(dict(parameters)),
        )

    def series_in_study(self, study_uid: str) -> set[str]:
        """UIDs of the series that this batch adds to a study."""
        staged = self._staged.parsed.values()
        return {p.series_instance_uid for p in staged if p.study_instance_uid == study_uid}

    def commit(self) -> None:
        """Make everything visible in one transaction; called by the end of the `with` block."""
        staged, self._staged = self._staged, _Staged()
        named: set[str] = set()
        try:
            with self._archive.writing() as session:
                brought = self._sender.brought(session, (p.study_instance_uid for p in staged.parsed.values()))
                new = [parsed for parsed in staged.parsed.values() if _insert(session, parsed)]
                inserted = {parsed.instance["object_sha256"] for parsed in new}
                session.add_all(staged.rows)
                self._require_objects(staged.held)
                session.flush()
                session.add_all(staged.sources.values())
                self._sender.claim(session, brought)
                self._tell_listeners(session, [_stored(parsed, self._sender, new=True) for parsed in new])
                inserted |= {row.object_sha256 for row in staged.rows}
            named = inserted
        finally:
            self._archive.release(staged.held, named=named)

    def discard(self) -> None:
        """Leave nothing behind."""
        staged, self._staged = self._staged, _Staged()
        self._archive.release(staged.held)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.discard()

    def _tell_listeners(self, session: Session, stored: list[Stored]) -> None:
        if stored:
            session.flush()
            for listener in self._archive.on_store:
                listener(session, stored)

    def _require_objects(self, names: list[str]) -> None:
        """The index must never name an object that is not there."""
        for name in names:
            if not self._archive.objects.exists(name):
                raise ObjectDamagedError(f"object {name} was removed while it was being stored")

    def _put(self, source: bytes | Path) -> str:
        name = self._archive.objects.put(source)
        self._staged.held.append(name)
        return name

    def _is_new(self, parsed: Parsed) -> bool:
        """False where the same object is there already; raises where it contradicts what is there."""
        staged = self._staged.parsed.get(parsed.sop_instance_uid)
        if staged is not None:
            if staged.instance["content_sha256"] != parsed.instance["content_sha256"]:
                raise _duplicate(parsed)
            return False
        for other in self._staged.parsed.values():
            if other.series_instance_uid == parsed.series_instance_uid:
                _require_same_study(parsed, other.study_instance_uid)
                break
        with self._archive.reading() as session:
            self._sender.require_own(session, parsed.study_instance_uid, parsed.sop_class_uid, parsed.sop_instance_uid)
            return _is_new_in_index(session, parsed)


def _digest(source: bytes | Path, start: int) -> str:
    """SHA-256 of the data set alone: a sender's file meta says nothing about the image."""
    if isinstance(source, bytes):
        return hashlib.sha256(memoryview(source)[start:]).hexdigest()
    digest = hashlib.sha256()
    with source.open("rb") as file:
        file.seek(start)
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _stored(parsed: Parsed, sender: Sender, *, new: bool) -> Stored:
    return Stored(
        study_instance_uid=parsed.study_instance_uid,
        series_instance_uid=parsed.series_instance_uid,
        sop_instance_uid=parsed.sop_instance_uid,
        sop_class_uid=parsed.sop_class_uid,
        new=new,
        size=parsed.instance.get("object_size", 0) if new else 0,
        source=sender.title,
    )


def _is_new_in_index(session: Session, parsed: Parsed) -> bool:
    content = session.scalar(
        select(InstanceRow.content_sha256).where(InstanceRow.sop_instance_uid == parsed.sop_instance_uid)
    )
    if content is not None:
        if content != parsed.instance["content_sha256"]:
            raise _duplicate(parsed)
        return False
    study = session.scalar(
        select(SeriesRow.study_instance_uid).where(SeriesRow.series_instance_uid == parsed.series_instance_uid)
    )
    if study is not None:
        _require_same_study(parsed, study)
    return True


def _insert(session: Session, parsed: Parsed) -> bool:
    """Under the writer's lock: look again, for another batch may have been quicker."""
    if not _is_new_in_index(session, parsed):
        return False
    now = _now()
    if session.get(StudyRow, parsed.study_instance_uid) is None:
        session.add(StudyRow(study_instance_uid=parsed.study_instance_uid, received=now, **parsed.study))
        session.flush()
    if session.get(SeriesRow, parsed.series_instance_uid) is None:
        session.add(
            SeriesRow(
                series_instance_uid=parsed.series_instance_uid,
                study_instance_uid=parsed.study_instance_uid,
                received=now,
                **parsed.series,
            )
        )
        session.flush()
    session.add(
        InstanceRow(
            sop_instance_uid=parsed.sop_instance_uid,
            series_instance_uid=parsed.series_instance_uid,
            sop_class_uid=parsed.sop_class_uid,
            received=now,
            **parsed.instance,
        )
    )
    return True


def _require_same_study(parsed: Parsed, study_uid: str) -> None:
    _require_study(parsed, study_uid, f"its series belongs to study {study_uid} already")


def _require_study(parsed: Parsed, study_uid: str, message: str) -> None:
    if study_uid != parsed.study_instance_uid:
        raise StoreRefusedError(
            message,
            FailureReason.DATA_SET_MISMATCH,
            field="StudyInstanceUID",
            sop_class_uid=parsed.sop_class_uid,
            sop_instance_uid=parsed.sop_instance_uid,
        )


def _duplicate(parsed: Parsed) -> StoreRefusedError:
    return StoreRefusedError(
        "another object is stored under this UID; its content differs",
        FailureReason.DUPLICATE_INSTANCE,
        field="SOPInstanceUID",
        sop_class_uid=parsed.sop_class_uid,
        sop_instance_uid=parsed.sop_instance_uid,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
