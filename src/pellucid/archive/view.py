"""Reading the archive: only what one caller may see."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, select
from sqlalchemy.orm import Session

from pellucid.archive import query as queries
from pellucid.archive.database import Database
from pellucid.archive.frames import Frames
from pellucid.archive.lines import merged
from pellucid.archive.objects import ObjectDamagedError, Objects
from pellucid.archive.prepared import Prepared
from pellucid.archive.query import Match, Query
from pellucid.archive.records import AcquisitionRecord, InstanceRecord, SeriesSource
from pellucid.archive.schema import AcquisitionRow, InstanceRow, SeriesRow, SeriesSourceRow
from pellucid.archive.visibility import Visible

if TYPE_CHECKING:
    from pellucid.archive.study_use import Reads

_RECORD_COLUMNS = [
    getattr(InstanceRow, name) for name in InstanceRecord.__dataclass_fields__ if name != "study_instance_uid"
]


_LEVELS = {
    "study": SeriesRow.study_instance_uid,
    "series": InstanceRow.series_instance_uid,
    "instance": InstanceRow.sop_instance_uid,
}


def _instances_of(levels: tuple[str, ...]) -> Select[Any]:
    """Instances in their order, their UIDs at these levels as parameters of these names."""
    return (
        select(SeriesRow.study_instance_uid, *_RECORD_COLUMNS)
        .join(SeriesRow, SeriesRow.series_instance_uid == InstanceRow.series_instance_uid)
        .where(*(_LEVELS[level] == bindparam(level) for level in levels))
        .order_by(SeriesRow.series_number, SeriesRow.series_instance_uid, InstanceRow.instance_number)
    )


_INSTANCES_OF: dict[tuple[str, ...], Prepared] = {
    levels: Prepared(_instances_of(levels))
    for levels in (("study",), ("study", "series"), ("study", "instance"), ("study", "series", "instance"))
}
"""For those who see everything, by what is given."""


class View:
    """The archive as one caller sees it; what is not visible is as if it were not there."""

    def __init__(self, database: Database, objects: Objects, frames: Frames, visible: Visible) -> None:
        self._database = database
        self.objects = objects
        self.frames = frames
        self.visible = visible
        self.reads: Reads | None = None

    def find(self, query: Query, include: queries.Tags | None = None) -> list[Match]:
        """Studies, series or instances that match, with the attributes whose tags are wanted (None: all)."""
        with self.looking() as connection:
            return [queries.match_of(one) for one in queries.run(connection, query, self.visible, include)]

    def find_text(self, query: Query, include: queries.Tags | None = None, *, root: str | None = None) -> Iterator[str]:
        """Like `find`, each match as a DICOM JSON object in text, tags in order, one after the other as they are found.

        With `root`, the URL of a DICOMweb service, each has its Retrieve URL (0008,1190), and bulk data theirs.
        """
        with self.looking() as connection:
            for one in queries.run(connection, query, self.visible, include):
                yield one.text(root)

    def instances(
        self, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> list[InstanceRecord]:
        """The instances of a study, of one of its series, or one of them; empty where there are none."""
        given = {"study": study_uid, "series": series_uid, "instance": sop_uid}
        named = {name: uid for name, uid in given.items() if uid is not None}
        with self.looking() as connection:
            if self.visible.everything:
                rows = _INSTANCES_OF[tuple(named)].run(connection, named).all()
            else:
                statement = _instances_of(tuple(named)).where(*self.visible.conditions(SeriesRow.study_instance_uid))
                rows = list(connection.execute(statement, named))
            found = [InstanceRecord(**row._asdict()) for row in rows]
        if found and self.reads is not None:
            self.reads.note(study_uid)
        return found

    def records(self, sop_uids: Collection[str]) -> dict[str, InstanceRecord]:
        """The instances of these UIDs, by UID. That they are looked up is not noted as reading their studies."""
        statement = _instances_of(()).where(
            InstanceRow.sop_instance_uid.in_(sop_uids), *self.visible.conditions(SeriesRow.study_instance_uid)
        )
        with self.looking() as connection:
            found = [InstanceRecord(**row._asdict()) for row in connection.execute(statement)]
        return {record.sop_instance_uid: record for record in found}

    def attributes(self, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None) -> list[str]:
        """The DICOM JSON of each of these instances, as text: bulk data URIs begin at the service's root."""
        statement = (
            select(InstanceRow.attributes, InstanceRow.long_attributes)
            .join(SeriesRow, SeriesRow.series_instance_uid == InstanceRow.series_instance_uid)
            .where(*self._place(study_uid, series_uid, sop_uid))
            .order_by(SeriesRow.series_number, SeriesRow.series_instance_uid, InstanceRow.instance_number)
        )
        with self.reading() as session:
            return [merged(*row) for row in session.execute(statement)]

    def fetch(self, record: InstanceRecord) -> bytes:
        """The bytes of an instance as they were received, their checksum verified."""
        return self.objects.get(record.object_sha256)

    def acquisitions(self) -> list[AcquisitionRecord]:
        """All raw signals, the newest first."""
        statement = (
            select(AcquisitionRow)
            .where(*self.visible.conditions(AcquisitionRow.study_instance_uid))
            .order_by(AcquisitionRow.created.desc(), AcquisitionRow.id)
        )
        with self.reading() as session:
            return _with_series(session, list(session.scalars(statement)))

    def acquisition(self, acquisition_id: str) -> AcquisitionRecord | None:
        """One raw signal."""
        with self.reading() as session:
            row = self._acquisition_row(session, acquisition_id)
            return _with_series(session, [row])[0] if row else None

    def acquisition_file(self, acquisition_id: str) -> Path | None:
        """The file of a raw signal, to be read only."""
        with self.reading() as session:
            row = self._acquisition_row(session, acquisition_id)
        if row is None:
            return None
        path = self.objects.path(row.object_sha256)
        if not path.is_file():
            raise ObjectDamagedError(f"object {row.object_sha256} is missing")
        return path

    def source_of(self, series_uid: str) -> SeriesSource | None:
        """What a series was reconstructed from, where it was reconstructed here."""
        statement = (
            select(SeriesSourceRow)
            .join(SeriesRow, SeriesRow.series_instance_uid == SeriesSourceRow.series_instance_uid)
            .where(SeriesRow.series_instance_uid == series_uid)
            .where(*self.visible.conditions(SeriesRow.study_instance_uid))
        )
        with self.reading() as session:
            row = session.scalar(statement)
        if row is None:
            return None
        return SeriesSource(acquisition_id=row.acquisition_id, method=row.method, parameters=json.loads(row.parameters))

    def looking(self) -> AbstractContextManager[Connection]:
        """Like `reading`, without the mapping to objects, which costs more than a short look."""
        return self._database.looking()

    def reading(self) -> AbstractContextManager[Session]:
        """A session that reads; it sees everything, whatever this view does."""
        return self._database.reading()

    def _acquisition_row(self, session: Session, acquisition_id: str) -> AcquisitionRow | None:
        visible = self.visible.conditions(AcquisitionRow.study_instance_uid)
        return session.scalar(select(AcquisitionRow).where(AcquisitionRow.id == acquisition_id, *visible))

    def _place(self, study_uid: str, series_uid: str | None, sop_uid: str | None) -> list[ColumnElement[bool]]:
        return [*place(study_uid, series_uid, sop_uid), *self.visible.conditions(SeriesRow.study_instance_uid)]


def place(study_uid: str, series_uid: str | None, sop_uid: str | None) -> list[ColumnElement[bool]]:
    """Conditions for a study, a series or an instance; the series table must be joined."""
    conditions: list[ColumnElement[bool]] = [SeriesRow.study_instance_uid == study_uid]
    if series_uid is not None:
        conditions.append(InstanceRow.series_instance_uid == series_uid)
    if sop_uid is not None:
        conditions.append(InstanceRow.sop_instance_uid == sop_uid)
    return conditions


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
