"""Finding studies, series and instances by their attributes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal

from pydicom.datadict import dictionary_VR, tag_for_keyword
from sqlalchemy import Connection, Select, exists, join, literal_column, select

from pellucid.archive.finding import Found, found
from pellucid.archive.levels import SERIES_TAGS, STUDY_TAGS
from pellucid.archive.matching import Condition, Kind, condition, listed, listed_codes
from pellucid.archive.portable import FirstNumber, FirstText
from pellucid.archive.schema import EVERY_SERIES, EVERY_STUDY, InstanceRow, SeriesRow, StudyRow
from pellucid.archive.visibility import Visible

Level = Literal["study", "series", "instance"]
LEVELS: tuple[Level, ...] = ("study", "series", "instance")
Tags = Set[str]
"""Tags of attributes, such as "00100010"."""

_TABLES = (StudyRow, SeriesRow, InstanceRow)
_STUDY_UID, _SERIES_UID = StudyRow.study_instance_uid, SeriesRow.series_instance_uid
_NAME_GROUPS = (StudyRow.patient_name_ideographic, StudyRow.patient_name_phonetic)

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
_LOOKED_UP = frozenset(
    [
        "PatientID",
        "PatientName",
        "StudyID",
        "AccessionNumber",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SOPInstanceUID",
    ]
)
"""Those with an index of their own."""
_EVERY = {StudyRow: f"studies.{EVERY_STUDY}", SeriesRow: f"series.{EVERY_SERIES}"}
_SCANNED = {
    StudyRow: frozenset(
        [
            "PatientID",
            "PatientName",
            "PatientBirthDate",
            "PatientSex",
            "ReferringPhysicianName",
            "StudyDescription",
            "StudyID",
            "AccessionNumber",
            "SOPClassesInStudy",
            "SOPClassUID",
        ]
    ),
    SeriesRow: frozenset(["SeriesDescription", "BodyPartExamined", "SeriesDate", "SeriesTime"]),
}
"""Those in the indexes that are gone through."""
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

    def statement(self, visible: Visible) -> Select[Any]:
        """The SQL of this query: the identifiers of each match (study, series, instance), in the usual order."""
        depth = LEVELS.index(self.level)
        identifiers: list[Any] = [_STUDY_UID, _SERIES_UID, InstanceRow.sop_instance_uid]
        statement: Select[Any] = select(*identifiers[: depth + 1])
        statement = statement.select_from(_joined(depth, self.filters)).where(*self._conditions(), *self._scanned())
        statement = statement.where(*visible.conditions(StudyRow.study_instance_uid))
        return statement.order_by(*_order(depth)).limit(self.limit).offset(self.offset)

    def instance_uids(self) -> Select[Any]:
        """The SQL of the SOP Instance UIDs of an instance query's matches, in no order."""
        return (
            select(InstanceRow.sop_instance_uid)
            .join_from(InstanceRow, SeriesRow, InstanceRow.series_instance_uid == SeriesRow.series_instance_uid)
            .join(StudyRow, SeriesRow.study_instance_uid == StudyRow.study_instance_uid)
            .where(*self._conditions())
        )

    def _scanned(self) -> list[Condition]:
        """What lets a search that no index of its own serves go through the indexes that are made for that."""
        if not self.fuzzy and any(_is_looked_up(keyword, value) for keyword, value in self.filters.items()):
            return []
        joined = _TABLES[: LEVELS.index(self.level) + 1]
        scanned = [table for table, keywords in _SCANNED.items() if table in joined and keywords & self.filters.keys()]
        return [literal_column(_EVERY[table]) for table in scanned]

    def _conditions(self) -> list[Condition]:
        conditions = []
        for keyword, value in self.filters.items():
            if keyword == "ModalitiesInStudy":
                conditions.append(_has_modality(value, keyword))
            elif keyword == "SOPClassesInStudy":
                conditions.append(listed(StudyRow.sop_classes, value, keyword))
            elif (target := self._target(keyword)) is not None:
                column, kind = target
                groups = _NAME_GROUPS if keyword == "PatientName" else ()
                conditions.append(condition(column, kind, value, keyword, fuzzy=self.fuzzy, groups=groups))
                if keyword == "Modality":  # says of a study at once whether to look at its series
                    conditions.append(_has_modality(value, keyword))
                if keyword == "SOPClassUID":
                    conditions.append(listed(StudyRow.sop_classes, value, keyword))
        return conditions

    def _target(self, keyword: str) -> tuple[Any, Kind] | None:
        if keyword in ("ModalitiesInStudy", "SOPClassesInStudy"):
            return StudyRow.study_instance_uid, "uid"
        allowed = _TABLES[: LEVELS.index(self.level) + 1]
        if keyword in _COLUMNS:
            column, kind = _COLUMNS[keyword]
            return (column, kind) if column.class_ in allowed else None
        return _other_target(keyword, allowed)


def _is_looked_up(keyword: str, value: str) -> bool:
    """Whether an index leads to the matches: the beginning of the value is known."""
    return keyword in _LOOKED_UP and not value.startswith(("*", "?")) and value != ""


def run(connection: Connection, query: Query, visible: Visible, include: Tags | None = None) -> Iterator[Found]:
    """The matches of `query` among what is visible, with the attributes whose tags are wanted (None: all)."""
    return found(connection, query.statement(visible), include)


def match_of(one: Found) -> Match:
    """What was found, with its attributes read."""
    return Match(
        study_instance_uid=one.study_instance_uid,
        series_instance_uid=one.series_instance_uid,
        sop_instance_uid=one.sop_instance_uid,
        attributes=json.loads(one.text()),
    )


def _joined(depth: int, filters: Mapping[str, str]) -> Any:
    """Studies with their series and instances, looked up in this direction unless a filter names one of the latter.

    An expression cannot be looked up in an index: the database goes through studies in their order, and need not
    sort everything to give the first few.
    """
    named = bool(filters.get("SeriesInstanceUID") or filters.get("SOPInstanceUID"))
    study, series = (column if named else column.concat("") for column in (_STUDY_UID, _SERIES_UID))
    tables: Any = StudyRow
    if depth >= 1:
        tables = join(tables, SeriesRow, SeriesRow.study_instance_uid == study)
    if depth == 2:
        tables = join(tables, InstanceRow, InstanceRow.series_instance_uid == series)
    return tables


def _order(depth: int) -> list[Any]:
    study = [StudyRow.study_date.desc(), StudyRow.study_time.desc(), StudyRow.study_instance_uid.desc()]
    series = [SeriesRow.series_number.nulls_first(), SeriesRow.received, SeriesRow.series_instance_uid]
    instance = [InstanceRow.instance_number.nulls_first(), InstanceRow.sop_instance_uid]
    return [*study, *(series if depth > 0 else []), *(instance if depth > 1 else [])]


def _has_modality(value: str, keyword: str) -> Condition:
    if not re.search(r"[*?]", value):
        return listed_codes(StudyRow.modalities, value)
    inner = SeriesRow.__table__.alias("any_series")
    statement = select(inner.c.series_instance_uid).where(inner.c.study_instance_uid == StudyRow.study_instance_uid)
    return exists(statement.where(condition(inner.c.modality, "code", value, keyword)).correlate(StudyRow))


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
