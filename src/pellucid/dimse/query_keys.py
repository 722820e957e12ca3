"""The keys of a query: what they match, and what they ask to be told (PS3.4 section C.4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from pellucid.archive import Query
from pellucid.archive.levels import SERIES_TAGS, STUDY_TAGS, tag_of
from pellucid.dimse.data_set import Attributes, text
from pellucid.dimse.matching import is_universal
from pellucid.dimse.negotiation import DATE_TIME, FUZZY, RELATIONAL
from pellucid.dimse.services import PATIENT_ROOT_FIND, PATIENT_ROOT_GET, PATIENT_ROOT_MOVE
from pellucid.errors import InvalidInputError

Level = Literal["PATIENT", "STUDY", "SERIES", "IMAGE"]
LEVELS: tuple[Level, ...] = ("PATIENT", "STUDY", "SERIES", "IMAGE")
_ARCHIVE_LEVEL: dict[str, Any] = {"PATIENT": "study", "STUDY": "study", "SERIES": "series", "IMAGE": "instance"}
_UNIQUE = dict(zip(LEVELS, ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"), strict=True))
_PATIENT_ROOT = frozenset({PATIENT_ROOT_FIND, PATIENT_ROOT_MOVE, PATIENT_ROOT_GET})

QUERY_LEVEL, RETRIEVE_TITLE, AVAILABILITY = "00080052", "00080054", "00080056"
_PATIENT_COUNTS = frozenset({"00201200", "00201202", "00201204"})
_NOT_KEYS = frozenset({QUERY_LEVEL, RETRIEVE_TITLE, AVAILABILITY, "00080005", "00080201"})
_COUNTS = _PATIENT_COUNTS | {"00201206", "00201208", "00201209"}


_STUDY_KEYS = STUDY_TAGS | {tag_of("ModalitiesInStudy"), tag_of("SOPClassesInStudy")}
_KNOWN = {"PATIENT": _STUDY_KEYS, "STUDY": _STUDY_KEYS, "SERIES": _STUDY_KEYS | SERIES_TAGS}


class QueryError(InvalidInputError):
    """An identifier that does not fit its SOP class."""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """A query taken apart. `filters`: by keyword, for the index; `matched_after`: what the index cannot match.

    `returned`: the tags asked for. `has_unsupported`: keys of a lower level were ignored.
    `fuzzy`: names by their beginnings; `date_time`: study date and time as one.
    """

    level: Level
    filters: Mapping[str, str]
    matched_after: Attributes
    returned: Attributes
    fuzzy: bool = False
    date_time: bool = False
    has_unsupported: bool = False
    retrieve_title: str = ""

    def query(self) -> Query:
        """For the archive."""
        return Query(_ARCHIVE_LEVEL[self.level], self.filters, self.fuzzy)

    def answer(self, found: Attributes) -> Attributes:
        """The attributes asked for, empty where they are unknown."""
        answer = {tag: found.get(tag) or {"vr": key["vr"]} for tag, key in self.returned.items()}
        answer[QUERY_LEVEL] = {"vr": "CS", "Value": [self.level]}
        answer[RETRIEVE_TITLE] = {"vr": "AE", "Value": [self.retrieve_title]}
        answer[AVAILABILITY] = {"vr": "CS", "Value": ["ONLINE"]}
        answer["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}
        return answer


def keys_of(identifier: Attributes, sop_class: str, extended: bytes) -> Keys:
    """The keys of an identifier; raises `QueryError`."""
    level = level_of(identifier, sop_class)
    relational = _asked(extended, RELATIONAL)
    _require_hierarchy(identifier, level, sop_class, relational=relational)
    date_time = _asked(extended, DATE_TIME)
    filters: dict[str, str] = {}
    matched_after: Attributes = {}
    has_unsupported = False
    for tag, key in identifier.items():
        if tag in _NOT_KEYS or tag in _COUNTS or is_universal(key):
            continue
        if not _is_known_at(level, tag):
            has_unsupported = True
            continue
        keyword = keyword_for_tag(tag)
        is_repeated = tag_for_keyword(keyword) is None  # as in groups 60xx, where one keyword names many tags
        if is_repeated or key["vr"] in ("SQ", "DT"):
            matched_after[tag] = key
        elif key["vr"] == "DA" or key["vr"] == "TM":
            filters[keyword] = _without_punctuation(text(identifier, tag), key["vr"])
        else:
            filters[keyword] = text(identifier, tag)
    if date_time and filters.get("StudyDate") and filters.get("StudyTime"):
        matched_after[tag_of("StudyTime")] = {"vr": "TM", "Value": [filters.pop("StudyTime")]}
    else:
        date_time = False
    for keyword in Query(_ARCHIVE_LEVEL[level], filters).unsupported:
        matched_after[tag_of(keyword)] = identifier[tag_of(keyword)]
        del filters[keyword]
    return Keys(
        level=level,
        filters=filters,
        matched_after=matched_after,
        returned={tag: key for tag, key in identifier.items() if tag not in _NOT_KEYS},
        fuzzy=_asked(extended, FUZZY),
        date_time=date_time,
        has_unsupported=has_unsupported,
    )


def level_of(identifier: Attributes, sop_class: str) -> Level:
    """The level of a query or retrieval, which the information model must have."""
    level = text(identifier, QUERY_LEVEL).strip()
    known = LEVELS if sop_class in _PATIENT_ROOT else LEVELS[1:]
    if level not in known:
        raise QueryError(f"is {level!r}; expected {', '.join(known)}", field="QueryRetrieveLevel")
    return level


def _require_hierarchy(identifier: Attributes, level: Level, sop_class: str, *, relational: bool) -> None:
    """Without relational queries, one value for the unique key of each level above is needed (C.4.1.2.1)."""
    if relational:
        return
    above = LEVELS[0 if sop_class in _PATIENT_ROOT else 1 : LEVELS.index(level)]
    for upper in above:
        value = text(identifier, tag_of(_UNIQUE[upper]))
        if not value or any(mark in value for mark in "*?\\"):
            raise QueryError(
                f"needs one value for a query at {level} level without relational queries", field=_UNIQUE[upper]
            )


def _is_known_at(level: Level, tag: str) -> bool:
    """Whether entities of this level, or what they belong to, have the attribute."""
    return level == "IMAGE" or tag in _KNOWN[level]


def _asked(extended: bytes, place: int) -> bool:
    return len(extended) > place and extended[place] == 1


def _without_punctuation(value: str, vr: str) -> str:
    """Dates and times as ACR-NEMA wrote them: 2026.03.01, 10:15:00."""
    return value.replace("." if vr == "DA" else ":", "").replace(" ", "")
