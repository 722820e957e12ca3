"""ImagingStudy searches: from FHIR's search parameters to queries of the archive (R5, section 3.2.1)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from pellucid.archive import Query, View
from pellucid.archive.levels import tag_of
from pellucid.archive.query import Level
from pellucid.errors import InvalidInputError
from pellucid.fhir.resources import Resource, imaging_study, text

LARGEST_PAGE = 200
_DEFAULT_PAGE = 50
_UID = re.compile(r"(?:urn:oid:)?([0-9.]{1,64})")
_DATE = re.compile(r"(eq|ne|lt|gt|le|ge|sa|eb)?(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_FAR = ("00010101", "99991231")

_STUDY_WORDS = (
    "StudyInstanceUID StudyDate StudyTime TimezoneOffsetFromUTC AccessionNumber ModalitiesInStudy "
    "ReferringPhysicianName StudyDescription PatientName PatientID NumberOfStudyRelatedSeries "
    "NumberOfStudyRelatedInstances"
)
_SERIES_WORDS = (
    "StudyInstanceUID SeriesInstanceUID SeriesNumber Modality SeriesDescription BodyPartExamined Laterality "
    "SeriesDate SeriesTime NumberOfSeriesRelatedInstances"
)
_INSTANCE_WORDS = "SeriesInstanceUID SOPInstanceUID SOPClassUID InstanceNumber"
_STUDY_TAGS, _SERIES_TAGS, _INSTANCE_TAGS = (
    frozenset(map(tag_of, words.split())) for words in (_STUDY_WORDS, _SERIES_WORDS, _INSTANCE_WORDS)
)


@dataclass
class Search:
    """A search: filters of studies, of what they hold, and the page that is asked for.

    Every parameter narrows; `below` are filters by level that a study meets where something in it does.
    """

    studies: list[dict[str, str]] = field(default_factory=list)
    below: list[tuple[Level, dict[str, str]]] = field(default_factory=list)
    nothing: bool = False
    count: int = _DEFAULT_PAGE
    offset: int = 0
    total: bool = False
    only_count: bool = False
    used: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of(cls, parameters: Iterable[tuple[str, str]]) -> Search:
        """From a request's parameters; those that are not known are left out (as FHIR asks)."""
        search = cls()
        for name, value in parameters:
            take = _TAKERS.get(name)
            if take is not None and value:
                take(search, value)
                search.used.append((name, value))
        return search

    def page(self, view: View) -> tuple[list[Resource], bool, int | None]:
        """The studies of this page, whether there are more, and how many in all where that was asked for."""
        if self.nothing:
            return [], False, 0
        uids = self._uids(view)
        total = None
        if self.total or self.only_count:
            uids = iter(known := list(uids))
            total = len(known)
        if self.only_count:
            return [], False, total
        wanted: list[str] = []
        more = False
        for number, uid in enumerate(uids):
            if number >= self.offset + self.count:
                more = True
                break
            if number >= self.offset:
                wanted.append(uid)
        return studies(view, wanted), more, total

    def _uids(self, view: View) -> Iterator[str]:
        """The studies that meet every filter, in the archive's order."""
        sets = [set(_study_uids(view, Query(level, filters))) for level, filters in self.below]
        first, *others = self.studies or [{}]
        sets += [set(_study_uids(view, Query("study", filters))) for filters in others]
        limit = self.offset + self.count + 1 if not sets and not (self.total or self.only_count) else None
        for uid in _study_uids(view, Query("study", first, limit=limit)):
            if all(uid in one for one in sets):
                yield uid


def studies(view: View, uids: list[str], *, instances: bool = False) -> list[Resource]:
    """The ImagingStudy resources of some studies, in this order; those that are not seen are left out."""
    if not uids:
        return []
    asked = {"StudyInstanceUID": ",".join(uids)}
    found = {text(study, "0020000D"): study for study in _found(view, Query("study", asked), _STUDY_TAGS)}
    series: dict[str, list[dict[str, Any]]] = {uid: [] for uid in found}
    by_uid: dict[str, dict[str, Any]] = {}
    for one in _found(view, Query("series", asked), _SERIES_TAGS):
        series[text(one, "0020000D")].append(one)
        by_uid[text(one, "0020000E")] = one
    if instances:
        for one in _found(view, Query("instance", asked), _INSTANCE_TAGS):
            by_uid[text(one, "0020000E")].setdefault("instances", []).append(one)
    return [imaging_study(found[uid], series[uid]) for uid in uids if uid in found]


def _study_uids(view: View, query: Query) -> Iterator[str]:
    seen: set[str] = set()
    for one in _found(view, query, frozenset({"0020000D"})):
        uid = text(one, "0020000D")
        if uid not in seen:
            seen.add(uid)
            yield uid


def _found(view: View, query: Query, tags: frozenset[str]) -> Iterator[dict[str, Any]]:
    return map(json.loads, view.find_text(query, tags))


def _id(search: Search, value: str) -> None:
    search.studies.append({"StudyInstanceUID": ",".join(_uids(value, "_id"))})


def _identifier(search: Search, value: str) -> None:
    """Of several, separated by commas, one must be the study's UID or its accession number."""
    uids, accessions = [], []
    for part in value.split(","):
        system, bar, code = part.rpartition("|")
        uid = _UID.fullmatch(code)
        if system == "urn:dicom:uid" or code.startswith("urn:oid:"):
            uids += _uids(code, "identifier")
        elif bar or not uid or "." not in code:
            accessions.append(_literal(code))
        else:
            uids.append(uid[1])
    if uids and accessions:
        raise InvalidInputError("mixes UIDs and accession numbers; ask for one kind at a time", field="identifier")
    search.studies.append({"StudyInstanceUID": ",".join(uids)} if uids else {"AccessionNumber": "\\".join(accessions)})


def _patient(search: Search, value: str) -> None:
    codes = [_literal(re.sub(r"^.*[/|]", "", part)) for part in value.split(",")]
    search.studies.append({"PatientID": "\\".join(codes)})


def _started(search: Search, value: str) -> None:
    found = _DATE.fullmatch(value)
    try:
        if found is None:
            raise ValueError
        prefix, year, month, day = found.groups()
        first = date(int(year), int(month or 1), int(day or 1))
        last = first if day else _last_day(first, whole_year=not month)
    except (ValueError, OverflowError):
        raise InvalidInputError(
            f"is {value[:40]!r}; expected YYYY, YYYY-MM or YYYY-MM-DD, with eq, lt, gt, le, ge, sa or eb before it",
            field="started",
        ) from None
    low, high, one_day = f"{first:%Y%m%d}".zfill(8), f"{last:%Y%m%d}".zfill(8), timedelta(days=1)
    try:
        before, after = f"{first - one_day:%Y%m%d}".zfill(8), f"{last + one_day:%Y%m%d}".zfill(8)
    except OverflowError:
        raise InvalidInputError(f"is {value[:40]!r}; expected a year from 0002 to 9998", field="started") from None
    if prefix == "ne":
        raise InvalidInputError("ne is not possible for a date; ask with lt and with gt", field="started")
    ranges = {"lt": (_FAR[0], before), "eb": (_FAR[0], before), "gt": (after, _FAR[1]), "sa": (after, _FAR[1])}
    ranges |= {"le": (_FAR[0], high), "ge": (low, _FAR[1])}
    begin, end = ranges.get(prefix or "eq", (low, high))
    search.studies.append({"StudyDate": f"{begin}-{end}"})


def _last_day(first: date, *, whole_year: bool) -> date:
    if whole_year:
        return date(first.year, 12, 31)
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return following - timedelta(days=1)


def _modality(search: Search, value: str) -> None:
    search.studies.append({"ModalitiesInStudy": "\\".join(_codes(value))})


def _body_site(search: Search, value: str) -> None:
    search.below.append(("series", {"BodyPartExamined": "\\".join(code.upper() for code in _codes(value))}))


def _series(search: Search, value: str) -> None:
    search.below.append(("series", {"SeriesInstanceUID": ",".join(_uids(value, "series"))}))


def _instance(search: Search, value: str) -> None:
    search.below.append(("instance", {"SOPInstanceUID": ",".join(_uids(value, "instance"))}))


def _class(search: Search, value: str) -> None:
    search.studies.append({"SOPClassesInStudy": ",".join(_uids(value, "dicom-class"))})


def _status(search: Search, value: str) -> None:
    search.nothing |= "available" not in _codes(value)


def _count(search: Search, value: str) -> None:
    search.count = min(_integer("_count", value), LARGEST_PAGE)
    search.only_count |= search.count == 0


def _offset(search: Search, value: str) -> None:
    search.offset = _integer("_offset", value)


def _total(search: Search, value: str) -> None:
    search.total = value in ("accurate", "estimate")


def _summary(search: Search, value: str) -> None:
    search.only_count |= value == "count"


_TAKERS = {
    "_id": _id,
    "identifier": _identifier,
    "patient": _patient,
    "patient.identifier": _patient,
    "subject": _patient,
    "subject.identifier": _patient,
    "started": _started,
    "modality": _modality,
    "bodysite": _body_site,
    "series": _series,
    "instance": _instance,
    "dicom-class": _class,
    "status": _status,
    "_count": _count,
    "_offset": _offset,
    "_total": _total,
    "_summary": _summary,
}


def _uids(value: str, name: str) -> list[str]:
    found = [_UID.fullmatch(part.rpartition("|")[2]) for part in value.split(",")]
    if not all(found):
        raise InvalidInputError(f"is {value[:80]!r}; expected UIDs separated by commas", field=name)
    return [one[1] for one in found if one]


def _codes(value: str) -> list[str]:
    return [_literal(part.rpartition("|")[2]) for part in value.split(",")]


def _literal(code: str) -> str:
    """A code that is matched as it is: DICOM's wildcards have no meaning in FHIR."""
    if set(code) & set("*?\\"):
        raise InvalidInputError(f"is {code[:40]!r}; wildcards have no meaning here", field="value")
    return code


def _integer(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise InvalidInputError(f"is {value[:40]!r}; expected an integer >= 0", field=name)
    return int(value)


def parameters_of(used: Iterable[tuple[str, str]], changes: Mapping[str, int]) -> list[tuple[str, str]]:
    """The parameters of another page."""
    kept = [(name, value) for name, value in used if name not in changes]
    return [*kept, *((name, str(value)) for name, value in changes.items())]
