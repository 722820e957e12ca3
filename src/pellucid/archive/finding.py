"""What a search finds, as text: attributes are chosen and put together by the line, no JSON is read or written."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass
from json.encoder import encode_basestring as quoted
from typing import Any

from sqlalchemy import Connection, Select, bindparam, literal, select

from pellucid.archive.levels import SERIES_TAGS, SHORT_TAGS, STUDY_TAGS, tag_of
from pellucid.archive.lines import lines_of, object_of
from pellucid.archive.schema import InstanceRow, SeriesRow, StudyRow

_PAGE = 200
_MODALITIES, _SOP_CLASSES = tag_of("ModalitiesInStudy"), tag_of("SOPClassesInStudy")
_SERIES_IN_STUDY, _IN_STUDY, _IN_SERIES = map(
    tag_of, ("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "NumberOfSeriesRelatedInstances")
)
_AVAILABILITY = tag_of("InstanceAvailability")
_COUNTED = frozenset({_AVAILABILITY, _MODALITIES, _SOP_CLASSES, _SERIES_IN_STUDY, _IN_STUDY, _IN_SERIES})
_PARENTS = STUDY_TAGS | SERIES_TAGS | _COUNTED
_RETRIEVE_URL = tag_of("RetrieveURL")


@dataclass(frozen=True, slots=True)
class Found:
    """One entity that was found: its identifiers, and its attributes as lines, in any order."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    lines: list[str]

    def text(self, root: str | None = None) -> str:
        """The DICOM JSON object, tags in order; with `root`, URLs are below it, and one says where the entity is."""
        if root is None:
            return object_of(sorted(self.lines))
        url = quoted(root + self._path())
        text = object_of(sorted([*self.lines, f'"{_RETRIEVE_URL}":{{"vr":"UR","Value":[{url}]}}']))
        return text.replace('"BulkDataURI":"/', f'"BulkDataURI":"{root}/') if "BulkDataURI" in text else text

    def _path(self) -> str:
        path = f"/studies/{self.study_instance_uid}"
        if self.series_instance_uid:
            path += f"/series/{self.series_instance_uid}"
        return f"{path}/instances/{self.sop_instance_uid}" if self.sop_instance_uid else path


def needs_long(include: Set[str] | None) -> bool:
    """Whether attributes are asked for that may lie apart."""
    return include is None or not include <= SHORT_TAGS


def found(connection: Connection, statement: Select[Any], include: Set[str] | None) -> Iterator[Found]:
    """The matches in order; `statement` gives their identifiers, `include` is the tags that are wanted, None for all.

    Attributes of a study and of a series that are asked for are those of the study and of the series; all attributes
    of an instance are its own. What is sorted is identifiers alone: attributes are looked up a page at a time.
    """
    identifiers = [tuple(row) for row in connection.execute(statement)]
    texts = _Texts(connection, include)
    for start in range(0, len(identifiers), _PAGE):
        page = identifiers[start : start + _PAGE]
        depth = len(page[0])
        texts.look_up(page)
        for uids in page:
            base = texts.bases[uids[1] if depth > 1 else uids[0]]
            lines = base if depth < 3 else _with_own(base, texts.own[uids[2]], texts.own_tags)
            yield Found(uids[0], uids[1] if depth > 1 else "", uids[2] if depth > 2 else "", lines)


class _Texts:
    """The attributes of some matches: `bases` of studies or series, `own` of instances."""

    def __init__(self, connection: Connection, include: Set[str] | None) -> None:
        self._connection, self._include = connection, include
        self.own_tags = include - _PARENTS if include is not None else None
        self._own = _OWN_LONG if needs_long(include) else _OWN
        self.bases: dict[str, list[str]] = {}
        self.own: dict[str, tuple[str, ...]] = {}

    def look_up(self, page: list[tuple[str, ...]]) -> None:
        """Get what is needed for a page of identifiers."""
        depth = len(page[0])
        wanted = {uids[min(depth, 2) - 1] for uids in page}
        self.bases = {uid: base for uid, base in self.bases.items() if uid in wanted}
        new = list(wanted - self.bases.keys())
        if new:
            for row in self._connection.execute(_STUDY_BASES if depth == 1 else _SERIES_BASES, {"uids": new}):
                self.bases[row.uid] = _base(row, self._include)
        if depth == 3:
            rows = self._connection.execute(self._own, {"uids": [uids[2] for uids in page]})
            self.own = {uid: tuple(parts) for uid, *parts in rows}


_STUDY_BASES = select(
    StudyRow.study_instance_uid.label("uid"),
    StudyRow.attributes.label("study_attributes"),
    StudyRow.modalities,
    StudyRow.sop_classes,
    StudyRow.number_of_series,
    StudyRow.number_of_instances,
    literal("").label("series_attributes"),
    literal(-1).label("number_in_series"),
).where(StudyRow.study_instance_uid.in_(bindparam("uids", expanding=True)))
_SERIES_BASES = (
    select(
        SeriesRow.series_instance_uid.label("uid"),
        StudyRow.attributes.label("study_attributes"),
        StudyRow.modalities,
        StudyRow.sop_classes,
        StudyRow.number_of_series,
        StudyRow.number_of_instances,
        SeriesRow.attributes.label("series_attributes"),
        SeriesRow.number_of_instances.label("number_in_series"),
    )
    .join(StudyRow, SeriesRow.study_instance_uid == StudyRow.study_instance_uid)
    .where(SeriesRow.series_instance_uid.in_(bindparam("uids", expanding=True)))
)
_OWN = select(InstanceRow.sop_instance_uid, InstanceRow.attributes).where(
    InstanceRow.sop_instance_uid.in_(bindparam("uids", expanding=True))
)
_OWN_LONG = _OWN.add_columns(InstanceRow.long_attributes)


def _with_own(base: list[str], texts: tuple[str, ...], tags: Set[str] | None) -> list[str]:
    """The attributes of a series, and an instance's own: all of them (None), or those that no parent has."""
    if tags is not None:
        return [*base, *(line for text in texts for line in lines_of(text) if line[1:9] in tags)]
    merged = {line[1:9]: line for line in base}
    for text in texts:
        merged.update((line[1:9], line) for line in lines_of(text) if line[1:9] not in _COUNTED)
    return list(merged.values())


def _base(row: Any, include: Set[str] | None) -> list[str]:
    """What all instances of a series, or a study, have; and what is counted of them."""
    lines = {line[1:9]: line for text in (row.study_attributes, row.series_attributes) for line in lines_of(text)}
    counted = {
        _AVAILABILITY: '{"vr":"CS","Value":["ONLINE"]}',
        _MODALITIES: _list("CS", row.modalities),
        _SOP_CLASSES: _list("UI", row.sop_classes),
        _SERIES_IN_STUDY: _number(row.number_of_series),
        _IN_STUDY: _number(row.number_of_instances),
    }
    if row.number_in_series >= 0:
        counted[_IN_SERIES] = _number(row.number_in_series)
    lines |= {tag: f'"{tag}":{value}' for tag, value in counted.items()}
    return [line for tag, line in lines.items() if include is None or tag in include]


def _number(number: int) -> str:
    return f'{{"vr":"IS","Value":[{number}]}}'


def _list(vr: str, values: str) -> str:
    parts = [quoted(value) for value in values.split("\\") if value]
    return f'{{"vr":"{vr}","Value":[{",".join(parts)}]}}' if parts else f'{{"vr":"{vr}"}}'
