"""The archive: an index and the objects it names, in one folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from pellucid.archive import query as queries
from pellucid.archive.batch import Batch, Stored
from pellucid.archive.database import Database
from pellucid.archive.objects import ObjectDamagedError, Objects
from pellucid.archive.query import Match, Query
from pellucid.archive.records import AcquisitionRecord, InstanceRecord, SeriesSource
from pellucid.archive.schema import AcquisitionRow, InstanceRow, SeriesRow, SeriesSourceRow, StudyRow
from pellucid.archive.workplace import Workplace

_RECORD_COLUMNS = [
    getattr(InstanceRow, name) for name in InstanceRecord.__dataclass_fields__ if name != "study_instance_uid"
]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The largest sizes accepted from outside [byte]."""

    instance_bytes: int = 4 << 30
    inflated_bytes: int = 1 << 30


class Archive:
    """Images and raw signals in a folder: `index.sqlite`, `objects/`, and `incoming/` for what is on its way.

    Safe for use from many threads, and from several processes. Every method that stores or deletes is one transaction.
    """

    def __init__(self, folder: Path, *, limits: Limits | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.limits = limits or Limits()
        self._database = Database(folder / "index.sqlite")
        unfinished: list[str] = []
        self._workplace = Workplace(folder / "incoming", unfinished.extend)
        self.objects = Objects(folder / "objects", self._workplace)
        self._remove_unnamed(set(unfinished))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def incoming(self) -> Path:
        """A folder for files on their way in; removed when the archive closes."""
        return self._workplace.folder

    def close(self) -> None:
        """Close the index and remove what was on its way in."""
        self._database.close()
        self._workplace.close()

    # Storing

    def store(self, source: bytes | Path) -> Stored:
        """Store one DICOM file exactly as received; raises `StoreRefusedError` where it cannot be kept."""
        with self.batch() as batch:
            return batch.store(source)

    def batch(self) -> Batch:
        """Several things stored together: all when the `with` block ends, none where it raises."""
        return Batch(self)

    # Finding

    def find(self, query: Query) -> list[Match]:
        """Studies, series or instances that match."""
        with self.reading() as session:
            return queries.run(session, query)

    def instances(
        self, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> list[InstanceRecord]:
        """The instances of a study, of one of its series, or one of them; empty where there are none."""
        statement = (
            select(SeriesRow.study_instance_uid, *_RECORD_COLUMNS)
            .join(SeriesRow, SeriesRow.series_instance_uid == InstanceRow.series_instance_uid)
            .where(*_place(study_uid, series_uid, sop_uid))
            .order_by(SeriesRow.series_number, SeriesRow.series_instance_uid, InstanceRow.instance_number)
        )
        with self.reading() as session:
            return [InstanceRecord(**row) for row in session.execute(statement).mappings()]

    def attributes(self, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None) -> list[str]:
        """The DICOM JSON of each of these instances, as text: bulk data URIs begin at the service's root."""
        statement = (
            select(InstanceRow.attributes)
            .join(SeriesRow, SeriesRow.series_instance_uid == InstanceRow.series_instance_uid)
            .where(*_place(study_uid, series_uid, sop_uid))
            .order_by(SeriesRow.series_number, SeriesRow.series_instance_uid, InstanceRow.instance_number)
        )
        with self.reading() as session:
            return list(session.scalars(statement))

    def fetch(self, record: InstanceRecord) -> bytes:
        """The bytes of an instance as they were received, their checksum verified."""
        return self.objects.get(record.object_sha256)

    # Raw signals

    def acquisitions(self) -> list[AcquisitionRecord]:
        """All raw signals, the newest first."""
        with self.reading() as session:
            rows = session.scalars(select(AcquisitionRow).order_by(AcquisitionRow.created.desc(), AcquisitionRow.id))
            return _with_series(session, list(rows))

    def acquisition(self, acquisition_id: str) -> AcquisitionRecord | None:
        """One raw signal."""
        with self.reading() as session:
            row = session.get(AcquisitionRow, acquisition_id)
            return _with_series(session, [row])[0] if row else None

    def acquisition_file(self, acquisition_id: str) -> Path | None:
        """The file of a raw signal, to be read only."""
        with self.reading() as session:
            row = session.get(AcquisitionRow, acquisition_id)
        if row is None:
            return None
        path = self.objects.path(row.object_sha256)
        if not path.is_file():
            raise ObjectDamagedError(f"object {row.object_sha256} is missing")
        return path

    def source_of(self, series_uid: str) -> SeriesSource | None:
        """What a series was reconstructed from, where it was reconstructed here."""
        with self.reading() as session:
            row = session.get(SeriesSourceRow, series_uid)
        if row is None:
            return None
        return SeriesSource(acquisition_id=row.acquisition_id, method=row.method, parameters=json.loads(row.parameters))

    # Deleting

    def delete(self, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None) -> int:
        """Delete a study, a series or an instance, and what is empty then; how many instances went."""
        chosen = select(InstanceRow.sop_instance_uid, InstanceRow.object_sha256).join(
            SeriesRow, SeriesRow.series_instance_uid == InstanceRow.series_instance_uid
        )
        with self.writing() as session:
            gone = session.execute(chosen.where(*_place(study_uid, series_uid, sop_uid))).all()
            for part in _chunks([uid for uid, _ in gone]):
                session.execute(delete(InstanceRow).where(InstanceRow.sop_instance_uid.in_(part)))
            _delete_empty(session)
        self._remove_unnamed({name for _, name in gone})
        return len(gone)

    def delete_acquisition(self, acquisition_id: str) -> bool:
        """Delete a raw signal; the images made from it stay."""
        with self.writing() as session:
            row = session.get(AcquisitionRow, acquisition_id)
            if row is None:
                return False
            name = row.object_sha256
            session.execute(delete(SeriesSourceRow).where(SeriesSourceRow.acquisition_id == acquisition_id))
            session.execute(delete(AcquisitionRow).where(AcquisitionRow.id == acquisition_id))
        self._remove_unnamed({name})
        return True

    def verify(self) -> Iterator[str]:
        """Read every object again; one line per object that is missing, damaged, or named by nothing."""
        with self.reading() as session:
            named = {
                *session.scalars(select(InstanceRow.object_sha256)),
                *session.scalars(select(AcquisitionRow.object_sha256)),
            }
        for name in sorted(named):
            try:
                self.objects.check(name)
            except ObjectDamagedError as error:
                yield str(error)
        for name in self.objects.names():
            if name not in named and not self.objects.is_held(name):
                yield f"object {name} is named by nothing in the index"

    # For batches

    def reading(self) -> AbstractContextManager[Session]:
        """A session that reads."""
        return self._database.reading()

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """The one transaction that writes now."""
        with self._database.writing() as session:
            yield session

    def release(self, held: Iterable[str], *, named: Iterable[str] = ()) -> None:
        """Let go of objects; those that the index does not name (all but `named`, as is known) are removed."""
        names = list(held)
        for name in names:
            self.objects.release(name)
        self._remove_unnamed(set(names) - set(named))

    def _remove_unnamed(self, names: set[str]) -> None:
        if not names:
            return
        # As the writer: no batch can come to name an object between the look and the removal.
        with self.writing() as session:
            for part in _chunks(sorted(names)):
                kept = {
                    *session.scalars(select(InstanceRow.object_sha256).where(InstanceRow.object_sha256.in_(part))),
                    *session.scalars(
                        select(AcquisitionRow.object_sha256).where(AcquisitionRow.object_sha256.in_(part))
                    ),
                }
                for name in part:
                    if name not in kept:
                        self.objects.remove_unless_held(name)


def _place(study_uid: str, series_uid: str | None, sop_uid: str | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [SeriesRow.study_instance_uid == study_uid]
    if series_uid is not None:
        conditions.append(InstanceRow.series_instance_uid == series_uid)
    if sop_uid is not None:
        conditions.append(InstanceRow.sop_instance_uid == sop_uid)
    return conditions


def _delete_empty(session: Session) -> None:
    """Series without instances (with their link to a raw signal), then studies without series."""
    empty = ~select(InstanceRow).where(InstanceRow.series_instance_uid == SeriesRow.series_instance_uid).exists()
    uids = list(session.scalars(select(SeriesRow.series_instance_uid).where(empty)))
    for part in _chunks(uids):
        session.execute(delete(SeriesSourceRow).where(SeriesSourceRow.series_instance_uid.in_(part)))
        session.execute(delete(SeriesRow).where(SeriesRow.series_instance_uid.in_(part)))
    childless = ~select(SeriesRow).where(SeriesRow.study_instance_uid == StudyRow.study_instance_uid).exists()
    session.execute(delete(StudyRow).where(childless))


def _with_series(session: Session, rows: list[AcquisitionRow]) -> list[AcquisitionRecord]:
    series: dict[str, list[str]] = {row.id: [] for row in rows}
    links = select(SeriesSourceRow.acquisition_id, SeriesSourceRow.series_instance_uid).join(
        SeriesRow, SeriesRow.series_instance_uid == SeriesSourceRow.series_instance_uid
    )
    for acquisition_id, uid in session.execute(links.order_by(SeriesRow.series_number, SeriesRow.received)):
        if acquisition_id in series:
            series[acquisition_id].append(uid)
    return [
        AcquisitionRecord(
            id=row.id,
            modality=row.modality,
            description=row.description,
            patient_name=row.patient_name,
            study_instance_uid=row.study_instance_uid,
            created=row.created,
            object_size=row.object_size,
            series_instance_uids=tuple(series[row.id]),
        )
        for row in rows
    ]


def _chunks(items: list[Any], size: int = 500) -> Iterator[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
