"""What instances were before they were replaced or corrected; the old objects stay."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from pellucid.archive.metadata import Parsed, file_meta
from pellucid.archive.objects import Objects
from pellucid.archive.policy_tables import InstanceVersionRow
from pellucid.archive.schema import InstanceRow, StudyRow

_KEYS = ("sop_instance_uid", "series_instance_uid")


def now() -> str:
    """The time for a row."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def replace(
    session: Session, parsed: Parsed, content_sha256: str, *, reason: str, made_by: str, correction: int = 0
) -> None:
    """Let an instance be another object of the same UID; what it was is kept as a version.

    `content_sha256`: of the data set as it was received, where the new object is not that.
    """
    row = session.get_one(InstanceRow, parsed.sop_instance_uid, populate_existing=True)
    columns = {column.key: getattr(row, column.key) for column in InstanceRow.__table__.columns}
    keep(session, parsed.study_instance_uid, columns, reason=reason, made_by=made_by, correction=correction)
    values = {**parsed.instance, "content_sha256": content_sha256, "sop_class_uid": parsed.sop_class_uid}
    _set(session, parsed.sop_instance_uid, values)
    session.flush()
    session.expire(row)


def keep(
    session: Session, study_uid: str, columns: dict[str, Any], *, reason: str, made_by: str, correction: int = 0
) -> None:
    """Note a version; `columns`: a row of the index."""
    session.add(
        InstanceVersionRow(
            sop_instance_uid=columns["sop_instance_uid"],
            study_instance_uid=study_uid,
            object_sha256=columns["object_sha256"],
            object_size=columns["object_size"],
            columns=json.dumps(columns),
            correction=correction,
            reason=reason,
            made_by=made_by,
            created=now(),
        )
    )


def restore(session: Session, version: InstanceVersionRow) -> None:
    """Let an instance be what it was; the version is used up. Whoever calls this counts again."""
    columns: dict[str, Any] = json.loads(version.columns)
    known = {column.key for column in InstanceRow.__table__.columns}
    _set(session, version.sop_instance_uid, {k: v for k, v in columns.items() if k in known and k not in _KEYS})
    session.execute(delete(InstanceVersionRow).where(InstanceVersionRow.id == version.id))


def forget(session: Session, sop_uids: Iterable[str]) -> set[str]:
    """Drop the versions of instances that are deleted; the names of their objects."""
    which = InstanceVersionRow.sop_instance_uid.in_(list(sop_uids))
    names = set(session.scalars(select(InstanceVersionRow.object_sha256).where(which)))
    session.execute(delete(InstanceVersionRow).where(which))
    return names


def set_study(session: Session, parsed: Parsed) -> None:
    """Let a study's own columns be what one of its instances says."""
    known = {column.key for column in StudyRow.__table__.columns}
    values = {key: value for key, value in parsed.study.items() if key in known}
    session.execute(update(StudyRow).where(StudyRow.study_instance_uid == parsed.study_instance_uid).values(values))


def received_digest(objects: Objects, row: InstanceRow) -> str:
    """SHA-256 of the data set that was received as an instance."""
    return row.content_sha256 or data_set_digest(objects, row.object_sha256)


def data_set_digest(objects: Objects, name: str) -> str:
    """SHA-256 of the data set in an object, without its file meta."""
    digest = hashlib.sha256()
    with objects.open(name) as file:
        _, start = file_meta(file.read(4096))
        file.seek(start)
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _set(session: Session, sop_uid: str, values: dict[str, Any]) -> None:
    session.execute(update(InstanceRow).where(InstanceRow.sop_instance_uid == sop_uid).values(values))
