"""Instances into the index, within the writer's transaction, and the counts that change with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from pellucid.archive.metadata import Parsed
from pellucid.archive.prepared import Prepared
from pellucid.archive.refusals import FailureReason, StoreRefusedError
from pellucid.archive.schema import InstanceRow, SeriesRow, StudyRow

_STUDIES: Any = StudyRow.__table__
_SERIES: Any = SeriesRow.__table__
_INSTANCES: Any = InstanceRow.__table__

_KNOWN = Prepared(
    select(
        _INSTANCES.c.sop_instance_uid,
        _INSTANCES.c.object_sha256,
        _INSTANCES.c.object_size,
        _INSTANCES.c.content_sha256,
    ).where(_INSTANCES.c.sop_instance_uid == bindparam("uid"))
)
_STUDY_OF = Prepared(select(_SERIES.c.study_instance_uid).where(_SERIES.c.series_instance_uid == bindparam("uid")))
_STUDY = Prepared(select(_STUDIES.c.study_instance_uid).where(_STUDIES.c.study_instance_uid == bindparam("uid")))
_COUNT_IN_SERIES = Prepared(
    update(_SERIES)
    .where(_SERIES.c.series_instance_uid == bindparam("in_series"), _SERIES.c.study_instance_uid == bindparam("study"))
    .values(number_of_instances=_SERIES.c.number_of_instances + bindparam("instances"))
)
_COUNT_IN_STUDY = Prepared(
    update(_STUDIES)
    .where(_STUDIES.c.study_instance_uid == bindparam("study"))
    .values(
        number_of_instances=_STUDIES.c.number_of_instances + bindparam("instances"),
        number_of_series=_STUDIES.c.number_of_series + bindparam("more_series"),
    )
    .returning(_STUDIES.c.modalities, _STUDIES.c.sop_classes)
)
_LIST_IN_STUDY = Prepared(
    update(_STUDIES)
    .where(_STUDIES.c.study_instance_uid == bindparam("study"))
    .values(modalities=bindparam("new_modalities"), sop_classes=bindparam("new_sop_classes"))
)
_ADD_STUDY, _ADD_SERIES, _ADD_INSTANCES = (
    Prepared(insert(table), table.columns.keys()) for table in (_STUDIES, _SERIES, _INSTANCES)
)

_NOTHING_YET = {"number_of_series": 0, "number_of_instances": 0, "modalities": "", "sop_classes": ""}

Same = Callable[[Parsed, Any], bool]
"""Whether an instance has the content of the one in a row of `_KNOWN`."""


def known(connection: Connection, sop_uids: Sequence[str]) -> dict[str, Any]:
    """The instances that are there already: where their object is, and what it is."""
    rows = ((uid, _KNOWN.run(connection, {"uid": uid}).first()) for uid in sop_uids)
    return {uid: row for uid, row in rows if row is not None}


def study_of(connection: Connection, series_uid: str) -> str | None:
    """The study that a series belongs to."""
    found: str | None = _STUDY_OF.run(connection, {"uid": series_uid}).scalar()
    return found


def insert_new(connection: Connection, parsed: Iterable[Parsed], same: Same) -> list[Parsed]:
    """Name instances that are not there yet; those that were new.

    Raises `StoreRefusedError` where one contradicts what is there: another caller may have been quicker.
    """
    staged = list(parsed)
    there = known(connection, [one.sop_instance_uid for one in staged])
    new = [one for one in staged if is_new(one, there.get(one.sop_instance_uid), same)]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    by_series: dict[str, list[Parsed]] = {}
    for one in new:
        by_series.setdefault(one.series_instance_uid, []).append(one)
    for members in by_series.values():
        _count(connection, members, now)
    if new:
        _ADD_INSTANCES.run_all(connection, [_instance_row(one, now) for one in new])
    return new


def is_new(parsed: Parsed, row: Any, same: Same) -> bool:
    """Whether the instance of `row` (None: there is none) is not yet there; raises where it is another one."""
    if row is None:
        return True
    if not same(parsed, row):
        raise duplicate(parsed)
    return False


def recount(connection: Connection, study_uids: Iterable[str]) -> None:
    """Count anew what studies and their series hold, after something else than storing changed it."""
    for part in chunks(sorted(study_uids)):
        in_series = select(func.count()).where(_INSTANCES.c.series_instance_uid == _SERIES.c.series_instance_uid)
        connection.execute(
            update(_SERIES)
            .where(_SERIES.c.study_instance_uid.in_(part))
            .values(number_of_instances=in_series.scalar_subquery())
        )
        of_study = _SERIES.c.study_instance_uid == _STUDIES.c.study_instance_uid
        total = select(func.coalesce(func.sum(_SERIES.c.number_of_instances), 0)).where(of_study)
        connection.execute(
            update(_STUDIES)
            .where(_STUDIES.c.study_instance_uid.in_(part))
            .values(
                number_of_series=select(func.count()).select_from(_SERIES).where(of_study).scalar_subquery(),
                number_of_instances=total.scalar_subquery(),
            )
        )
        _list_anew(connection, part)


def chunks(items: Sequence[str], size: int = 500) -> Iterator[list[str]]:
    """Parts that a statement can name."""
    return (list(items[start : start + size]) for start in range(0, len(items), size))


def require_study(parsed: Parsed, study_uid: str, message: str) -> None:
    """Raise where an instance is not of a study."""
    if study_uid != parsed.study_instance_uid:
        raise StoreRefusedError(
            message,
            FailureReason.DATA_SET_MISMATCH,
            field="StudyInstanceUID",
            sop_class_uid=parsed.sop_class_uid,
            sop_instance_uid=parsed.sop_instance_uid,
        )


def require_same_study(parsed: Parsed, study_uid: str) -> None:
    """Raise where an instance's series is known as one of another study."""
    require_study(parsed, study_uid, f"its series belongs to study {study_uid} already")


def duplicate(parsed: Parsed) -> StoreRefusedError:
    """Why an instance is refused whose UID is taken."""
    return StoreRefusedError(
        "another object is stored under this UID; its content differs",
        FailureReason.DUPLICATE_INSTANCE,
        field="SOPInstanceUID",
        sop_class_uid=parsed.sop_class_uid,
        sop_instance_uid=parsed.sop_instance_uid,
    )


def _count(connection: Connection, members: list[Parsed], now: str) -> None:
    """Raise the counts of a series and its study by new members; either is made where it is not there."""
    first = members[0]
    values = {
        "study": first.study_instance_uid,
        "in_series": first.series_instance_uid,
        "instances": len(members),
        "more_series": 0,
    }
    if not _COUNT_IN_SERIES.run(connection, values).rowcount:
        values["more_series"] = 1
        _add_series(connection, first, len(members), now)
    there = _COUNT_IN_STUDY.run(connection, values).one()
    modalities = _joined(there.modalities, [first.series["modality"]])
    sop_classes = _joined(there.sop_classes, [one.sop_class_uid for one in members])
    if (modalities, sop_classes) != tuple(there):
        _list(connection, first.study_instance_uid, modalities, sop_classes)


def _list(connection: Connection, study_uid: str, modalities: str, sop_classes: str) -> None:
    values = {"study": study_uid, "new_modalities": modalities, "new_sop_classes": sop_classes}
    _LIST_IN_STUDY.run(connection, values)


def _add_series(connection: Connection, first: Parsed, instances: int, now: str) -> None:
    study = study_of(connection, first.series_instance_uid)
    if study is not None:
        require_same_study(first, study)
    if _STUDY.run(connection, {"uid": first.study_instance_uid}).first() is None:
        study_row = {"study_instance_uid": first.study_instance_uid, "received": now, **_NOTHING_YET, **first.study}
        _ADD_STUDY.run(connection, study_row)
    series_row = {
        "series_instance_uid": first.series_instance_uid,
        "study_instance_uid": first.study_instance_uid,
        "received": now,
        "number_of_instances": instances,
        **first.series,
    }
    _ADD_SERIES.run(connection, series_row)


def _instance_row(parsed: Parsed, now: str) -> dict[str, Any]:
    return {
        "sop_instance_uid": parsed.sop_instance_uid,
        "series_instance_uid": parsed.series_instance_uid,
        "sop_class_uid": parsed.sop_class_uid,
        "received": now,
        **parsed.instance,
    }


def _joined(there: str, more: Iterable[str]) -> str:
    return "\\".join(sorted({*there.split("\\"), *more} - {""}))


def _list_anew(connection: Connection, study_uids: list[str]) -> None:
    lists: dict[str, tuple[set[str], set[str]]] = {uid: (set(), set()) for uid in study_uids}
    pairs = (
        select(_SERIES.c.study_instance_uid, _SERIES.c.modality, _INSTANCES.c.sop_class_uid)
        .join_from(_SERIES, _INSTANCES, _INSTANCES.c.series_instance_uid == _SERIES.c.series_instance_uid)
        .where(_SERIES.c.study_instance_uid.in_(study_uids))
        .distinct()
    )
    for uid, modality, sop_class in connection.execute(pairs):
        lists[uid][0].add(modality)
        lists[uid][1].add(sop_class)
    for uid, (modalities, sop_classes) in lists.items():
        _list(connection, uid, _joined("", modalities), _joined("", sop_classes))
