"""What a search finds, as text: attributes are chosen and put together by the line, no JSON is read or written."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select

from pellucid.archive.levels import SHORT_TAGS, tag_of
from pellucid.archive.lines import lines_of, object_of

_PAGE = 200
_MOST_BASES = 1000
_MODALITIES, _SOP_CLASSES = tag_of("ModalitiesInStudy"), tag_of("SOPClassesInStudy")
_SERIES_IN_STUDY, _IN_STUDY, _IN_SERIES = map(
    tag_of, ("NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "NumberOfSeriesRelatedInstances")
)
_AVAILABILITY = tag_of("InstanceAvailability")
_RETRIEVE_URL = tag_of("RetrieveURL")

Lines = dict[str, str]
"""Attributes by tag, each as `"00100010":{…}`."""


@dataclass(frozen=True, slots=True)
class Found:
    """One entity that was found: its identifiers, and its attributes."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    lines: Lines

    def text(self, root: str | None = None) -> str:
        """The DICOM JSON object, tags in order; with `root`, URLs are below it, and one says where the entity is."""
        lines = self.lines
        if root is None:
            return object_of([lines[tag] for tag in sorted(lines)])
        lines = {**lines, _RETRIEVE_URL: f'"{_RETRIEVE_URL}":{{"vr":"UR","Value":[{json.dumps(root + self._path())}]}}'}
        text = object_of([lines[tag] for tag in sorted(lines)])
        return text.replace('"BulkDataURI":"/', f'"BulkDataURI":"{root}/') if "BulkDataURI" in text else text

    def _path(self) -> str:
        places = (
            ("studies", self.study_instance_uid),
            ("series", self.series_instance_uid),
            ("instances", self.sop_instance_uid),
        )
        return "".join(f"/{name}/{uid}" for name, uid in places if uid)


def needs_long(include: Container[str] | None) -> bool:
    """Whether attributes are asked for that may lie apart."""
    return include is None or not isinstance(include, frozenset | set) or not include <= SHORT_TAGS


def found(connection: Connection, statement: Select[Any], include: Container[str] | None) -> Iterator[Found]:
    """The matches, as the database gives them; `include` is the tags that are wanted, None for all."""
    bases: dict[str, tuple[Lines, Lines]] = {}
    for row in connection.execute(statement, execution_options={"yield_per": _PAGE}):
        values: Any = row._mapping
        series_uid = values.get("series_uid", "")
        key = series_uid or row.study_uid
        if key not in bases:
            if len(bases) >= _MOST_BASES:
                bases.clear()
            bases[key] = _base(values, include)
        lines, derived = bases[key]
        if "sop_uid" in values:
            lines = {**lines, **_chosen(row.attributes, include)}
            if values.get("long_attributes"):
                lines.update(_chosen(row.long_attributes, include))
            lines.update(derived)
        else:
            lines = {**lines, **derived}
        yield Found(row.study_uid, series_uid, values.get("sop_uid", ""), lines)


def _base(values: Mapping[str, Any], include: Container[str] | None) -> tuple[Lines, Lines]:
    """What all entities of a study, or of a series, have; and what is counted of them."""
    lines = _chosen(values["study_attributes"], include)
    counted: list[tuple[str, Callable[[], str]]] = [
        (_AVAILABILITY, lambda: '{"vr":"CS","Value":["ONLINE"]}'),
        (_MODALITIES, lambda: _list("CS", values["modalities"])),
        (_SOP_CLASSES, lambda: _list("UI", values["sop_classes"])),
        (_SERIES_IN_STUDY, lambda: _number(values["number_of_series"])),
        (_IN_STUDY, lambda: _number(values["number_of_instances"])),
    ]
    if "series_uid" in values:
        lines |= _chosen(values["series_attributes"], include)
        counted.append((_IN_SERIES, lambda: _number(values["number_in_series"])))
    derived = {tag: f'"{tag}":{value()}' for tag, value in counted if include is None or tag in include}
    return lines, derived


def _chosen(text: str, include: Container[str] | None) -> Lines:
    if include is None:
        return {line[1:9]: line for line in lines_of(text)}
    return {line[1:9]: line for line in lines_of(text) if line[1:9] in include}


def _number(number: int) -> str:
    return f'{{"vr":"IS","Value":[{number}]}}'


def _list(vr: str, values: str) -> str:
    parts = [json.dumps(value, ensure_ascii=False) for value in values.split("\\") if value]
    return f'{{"vr":"{vr}","Value":[{",".join(parts)}]}}' if parts else f'{{"vr":"{vr}"}}'
