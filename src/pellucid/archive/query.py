"""Finding studies, series and instances by their attributes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydicom.datadict import dictionary_VR, tag_for_keyword
from sqlalchemy import Select, exists, func, select
from sqlalchemy.orm import Session

from pellucid.archive.levels import SERIES_TAGS, STUDY_TAGS, tag_of
from pellucid.archive.matching import Condition, Kind, condition
from pellucid.archive.portable import FirstNumber, FirstText
from pellucid.archive.schema import InstanceRow, SeriesRow, StudyRow
from pellucid.archive.visibility import EVERYTHING, Visible

Level = Literal["study", "series", "instance"]
LEVELS: tuple[Level, ...] = ("study", "series", "instance")
_TABLES = (StudyRow, SeriesRow, InstanceRow)

_COLUMNS: dict[str, tuple[Any, Kind]] = {
    "PatientID": (StudyRow.patient_id, "text"),
    "PatientName": (StudyRow.patient_name_folded, "name"),
    "PatientBirthDate": (StudyRow.patient_birth_date, "date"),
    "PatientSex": (StudyRow.patient_sex, "code"),
    "StudyInstanceUID": (StudyRow.study_instance_uid, "uid"),
    "StudyDate": (StudyRow.study_date, "date"),
    "StudyTime": (StudyRow.study_time, "time"),
    "StudyID": (StudyRow.study_id, "text"),
    "StudyDescription": (StudyRow.study_description, "text"),
    "AccessionNumber": (StudyRow.accession_number, "text"),
    "ReferringPhysicianName": (StudyRow.referring_physician_name_folded, "name"),
    "SeriesInstanceUID": (SeriesRow.series_instance_uid, "uid"),
    "Modality": (SeriesRow.modality, "code"),
    "SeriesNumber": (SeriesRow.series_number, "integer"),
    "SeriesDescription": (SeriesRow.series_description, "text"),
    "SeriesDate": (SeriesRow.series_date, "date"),
    "SeriesTime": (SeriesRow.series_time, "time"),
    "BodyPartExamined": (SeriesRow.body_part_examined, "code"),
    "PerformedProcedureStepStartDate": (SeriesRow.performed_procedure_step_start_date, "date"),
    "PerformedProcedureStepStartTime": (SeriesRow.performed_procedure_step_start_time, "time"),
    "SOPInstanceUID": (InstanceRow.sop_instance_uid, "uid"),
    "SOPClassUID": (InstanceRow.sop_class_uid, "uid"),
    "InstanceNumber": (InstanceRow.instance_number, "integer"),
    "ContentDate": (InstanceRow.content_date, "date"),
    "ContentTime": (InstanceRow.content_time, "time"),
    "NumberOfFrames": (InstanceRow.number_of_frames, "integer"),
    "Rows": (InstanceRow.rows, "integer"),
    "Columns": (InstanceRow.columns, "integer"),
    "AvailableTransferSyntaxUID": (InstanceRow.transfer_syntax_uid, "uid"),
}
_OTHER_KINDS: dict[str, Kind] = {
    "DA": "date",
    "TM": "time",
    "UI": "uid",
    "CS": "code",
    "IS": "integer",
    "US": "integer",
}
_NOT_MATCHED = frozenset({"SQ", "OB", "OW", "OF", "OD", "OL", "OV", "UN", "AT", "PN", "OB or OW", "US or SS"})


@dataclass(frozen=True, kw_only=True)
class Match:
    """One found entity: its identifiers, and the DICOM JSON of all that is known of it and what it belongs to."""

    study_instance_uid: str
    series_instance_uid: str = ""
    sop_instance_uid: str = ""
    attributes: Mapping[str, Any]


@dataclass(frozen=True)
class Query:
    """What to find: `filters` maps DICOM keywords to values as PS3.4 C.2.2.2 writes them (wildcards, ranges, lists).

    `fuzzy` matches the beginnings of the words of a person's name. Raises `InvalidInputError` where a filter
    cannot be used; `unsupported` lists keywords that cannot be matched at this level.
    """

    level: Level
    filters: Mapping[str, str] = field(default_factory=dict)
    fuzzy: bool = False
    limit: int | None = None
    offset: int = 0

    @property
    def unsupported(self) -> list[str]:
        """The filters' keywords that cannot be matched at this level."""
        return [keyword for keyword in self.filters if self._target(keyword) is None]

    def statement(self) -> Select[Any]:
        """The SQL of this query: one row per match, in the order people expect."""
        depth = LEVELS.index(self.level)
        statement = _select(*_TABLES[: depth + 1])
        if depth >= 1:
            statement = statement.join(StudyRow, SeriesRow.study_instance_uid == StudyRow.study_instance_uid)
        if depth == 2:
            statement = statement.join_from(
                SeriesRow, InstanceRow, InstanceRow.series_instance_uid == SeriesRow.series_instance_uid
            )
        statement = statement.where(*self._conditions())
        return statement.order_by(*_order(depth)).limit(self.limit).offset(self.offset)

    def instance_uids(self) -> Select[Any]:
        """The SQL of the SOP Instance UIDs of an instance query's matches, in no order."""
        return (
            select(InstanceRow.sop_instance_uid)
            .join_from(InstanceRow, SeriesRow, InstanceRow.series_instance_uid == SeriesRow.series_instance_uid)
            .join(StudyRow, SeriesRow.study_instance_uid == StudyRow.study_instance_uid)
            .where(*self._conditions())
        )

    def _conditions(self) -> list[Condition]:
        found = []
        for keyword, value in self.filters.items():
            if keyword == "ModalitiesInStudy":
                found.append(_in_study(SeriesRow.modality, "code", value, keyword))
            elif keyword == "SOPClassesInStudy":
                found.append(_in_study(InstanceRow.sop_class_uid, "uid", value, keyword))
            elif (target := self._target(keyword)) is not None:
                column, kind = target
                found.append(condition(column, kind, value, keyword, fuzzy=self.fuzzy))
        return found

    def _target(self, keyword: str) -> tuple[Any, Kind] | None:
        if keyword in ("ModalitiesInStudy", "SOPClassesInStudy"):
            return StudyRow.study_instance_uid, "uid"
        allowed = _TABLES[: LEVELS.index(self.level) + 1]
        if keyword in _COLUMNS:
            column, kind = _COLUMNS[keyword]
            return (column, kind) if column.class_ in allowed else None
        return _other_target(keyword, allowed)


def run(session: Session, query: Query, visible: Visible = EVERYTHING) -> list[Match]:
    """The matches of `query` among what is visible."""
    seen = visible.conditions(StudyRow.study_instance_uid)
    rows = [tuple(row) for row in session.execute(query.statement().where(*seen))]
    studies = _study_counts(session, {row[0].study_instance_uid for row in rows})
    series = _series_counts(session, {row[1].series_instance_uid for row in rows if len(row) > 1})
    return [_match(row, studies, series) for row in rows]


def _select(*what: Any) -> Select[Any]:
    """`select` of a number of tables that only the query knows."""
    return select(*what)


def _match(row: Sequence[Any], studies: Mapping[str, Any], series: Mapping[str, Any]) -> Match:
    attributes: dict[str, Any] = {}
    for part in row:
        attributes.update(json.loads(part.attributes))
        if long := getattr(part, "long_attributes", ""):
            attributes.update(json.loads(long))
    uid = row[0].study_instance_uid
    attributes.update(studies[uid])
    if len(row) > 1:
        attributes.update(series[row[1].series_instance_uid])
    attributes["00080056"] = {"vr": "CS", "Value": ["ONLINE"]}
    return Match(
        study_instance_uid=uid,
        series_instance_uid=row[1].series_instance_uid if len(row) > 1 else "",
        sop_instance_uid=row[2].sop_instance_uid if len(row) > 2 else "",
        attributes=attributes,
    )


def _order(depth: int) -> list[Any]:
    study = [StudyRow.study_date.desc(), StudyRow.study_time.desc(), StudyRow.study_instance_uid]
    series = [SeriesRow.series_number.nulls_first(), SeriesRow.received, SeriesRow.series_instance_uid]
    instance = [InstanceRow.instance_number.nulls_first(), InstanceRow.sop_instance_uid]
    return [*study, *(series if depth > 0 else []), *(instance if depth > 1 else [])]


def _in_study(column: Any, kind: Kind, value: str, keyword: str) -> Condition:
    inner = SeriesRow.__table__.alias("any_series")
    statement = select(inner.c.series_instance_uid).where(inner.c.study_instance_uid == StudyRow.study_instance_uid)
    if column.class_ is InstanceRow:
        instance = InstanceRow.__table__.alias("any_instance")
        statement = statement.where(instance.c.series_instance_uid == inner.c.series_instance_uid)
        return exists(statement.where(condition(instance.c[column.key], kind, value, keyword)).correlate(StudyRow))
    return exists(statement.where(condition(inner.c[column.key], kind, value, keyword)).correlate(StudyRow))


def _other_target(keyword: str, allowed: Sequence[type]) -> tuple[Any, Kind] | None:
    """An attribute without a column of its own: looked up in the DICOM JSON."""
    tag = tag_for_keyword(keyword)
    if tag is None or dictionary_VR(tag) in _NOT_MATCHED:
        return None
    key = f"{tag:08X}"
    table = StudyRow if key in STUDY_TAGS else SeriesRow if key in SERIES_TAGS else InstanceRow
    if table not in allowed:
        return None
    kind = _OTHER_KINDS.get(dictionary_VR(tag), "text")
    return (FirstNumber if kind == "integer" else FirstText)(table.attributes, key), kind


def _study_counts(session: Session, uids: Iterable[str]) -> dict[str, dict[str, Any]]:
    modalities: dict[str, set[str]] = {uid: set() for uid in uids}
    series: dict[str, int] = dict.fromkeys(modalities, 0)
    statement = select(SeriesRow.study_instance_uid, SeriesRow.modality)
    for uid, modality in session.execute(statement.where(SeriesRow.study_instance_uid.in_(modalities))):
        modalities[uid].add(modality)
        series[uid] += 1
    instances: dict[str, int] = dict.fromkeys(modalities, 0)
    classes: dict[str, set[str]] = {uid: set() for uid in modalities}
    counting = (
        select(SeriesRow.study_instance_uid, InstanceRow.sop_class_uid, func.count())
        .join(InstanceRow, InstanceRow.series_instance_uid == SeriesRow.series_instance_uid)
        .where(SeriesRow.study_instance_uid.in_(modalities))
        .group_by(SeriesRow.study_instance_uid, InstanceRow.sop_class_uid)
    )
    for uid, sop_class, count in session.execute(counting):
        instances[uid] += count
        classes[uid].add(sop_class)
    return {
        uid: {
            tag_of("ModalitiesInStudy"): {"vr": "CS", "Value": sorted(modalities[uid])},
            tag_of("SOPClassesInStudy"): {"vr": "UI", "Value": sorted(classes[uid])},
            tag_of("NumberOfStudyRelatedSeries"): {"vr": "IS", "Value": [series[uid]]},
            tag_of("NumberOfStudyRelatedInstances"): {"vr": "IS", "Value": [instances[uid]]},
        }
        for uid in modalities
    }


def _series_counts(session: Session, uids: Iterable[str]) -> dict[str, dict[str, Any]]:
    counting = (
        select(InstanceRow.series_instance_uid, func.count())
        .where(InstanceRow.series_instance_uid.in_(list(uids)))
        .group_by(InstanceRow.series_instance_uid)
    )
    key = tag_of("NumberOfSeriesRelatedInstances")
    return {uid: {key: {"vr": "IS", "Value": [count]}} for uid, count in session.execute(counting)}
