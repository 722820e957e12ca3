"""QIDO-RS: from a query string to matches, and from matches to the attributes that were asked for (PS3.18 10.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from pellucid.archive import Match, Query
from pellucid.archive.levels import tag_of
from pellucid.archive.query import LEVELS, Level
from pellucid.dicomweb.problems import RequestError

MAXIMUM_RESULTS = 5000
"""More matches than this are not given at once, with a Warning header (PS3.18 section 8.3.4.4)."""

_STUDY = (
    "SpecificCharacterSet StudyDate StudyTime AccessionNumber InstanceAvailability ModalitiesInStudy "
    "ReferringPhysicianName TimezoneOffsetFromUTC PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID "
    "StudyID StudyDescription NumberOfStudyRelatedSeries NumberOfStudyRelatedInstances"
)
_SERIES = (
    "SpecificCharacterSet Modality TimezoneOffsetFromUTC SeriesDescription SeriesInstanceUID SeriesNumber SeriesDate "
    "SeriesTime BodyPartExamined NumberOfSeriesRelatedInstances PerformedProcedureStepStartDate "
    "PerformedProcedureStepStartTime RequestAttributesSequence StudyInstanceUID InstanceAvailability"
)
_INSTANCE = (
    "SpecificCharacterSet SOPClassUID SOPInstanceUID InstanceAvailability TimezoneOffsetFromUTC InstanceNumber Rows "
    "Columns BitsAllocated NumberOfFrames AvailableTransferSyntaxUID StudyInstanceUID SeriesInstanceUID"
)
_RETURNED: dict[Level, frozenset[str]] = {
    level: frozenset(map(tag_of, words.split()))
    for level, words in zip(LEVELS, (_STUDY, _SERIES, _INSTANCE), strict=True)
}
_TRUE, _FALSE = ("true",), ("false", "")


class Search:
    """A QIDO-RS request; `fixed` holds the identifiers of its path."""

    def __init__(self, level: Level, fixed: Mapping[str, str], parameters: Iterable[tuple[str, str]]) -> None:
        self.level = level
        self._fixed = dict(fixed)
        self._filters: dict[str, str] = {}
        self._included: set[str] = set()
        self._all = False
        self._fuzzy = False
        self._limit = MAXIMUM_RESULTS
        self._offset = 0
        for name, value in parameters:
            self._take(name, value)
        self.query = Query(level, {**self._filters, **self._fixed}, self._fuzzy, self._limit + 1, self._offset)

    def results(self, matches: list[Match], base: str) -> tuple[list[dict[str, Any]], list[str]]:
        """The DICOM JSON of the matches, and warnings."""
        warnings = [f"{keyword} cannot be matched at this level and was ignored" for keyword in self.query.unsupported]
        if len(matches) > self._limit == MAXIMUM_RESULTS:
            warnings.append(f"there are more than {MAXIMUM_RESULTS} matches; ask for the others with offset")
        return [self._result(match, base) for match in matches[: self._limit]], warnings

    def _result(self, match: Match, base: str) -> dict[str, Any]:
        wanted = None if self._all else self._tags()
        result = {tag: value for tag, value in match.attributes.items() if wanted is None or tag in wanted}
        path = [
            ("studies", match.study_instance_uid),
            ("series", match.series_instance_uid),
            ("instances", match.sop_instance_uid),
        ]
        url = base + "".join(f"/{name}/{uid}" for name, uid in path if uid)
        result["00081190"] = {"vr": "UR", "Value": [url]}
        return dict(sorted(result.items()))

    def _tags(self) -> set[str]:
        tags = set(_RETURNED[self.level]) | self._included | {tag_of(keyword) for keyword in self._filters}
        # A search below no particular study or series also says which one each match belongs to.
        if self.level != "study" and "StudyInstanceUID" not in self._fixed:
            tags |= _RETURNED["study"]
        if self.level == "instance" and "SeriesInstanceUID" not in self._fixed:
            tags |= _RETURNED["series"]
        return tags

    def _take(self, name: str, value: str) -> None:
        if name == "limit":
            self._limit = min(MAXIMUM_RESULTS, _count(name, value))
        elif name == "offset":
            self._offset = _count(name, value)
        elif name == "fuzzymatching":
            if value.lower() not in _TRUE + _FALSE:
                raise RequestError(400, f"fuzzymatching: is {value!r}; expected true or false")
            self._fuzzy = value.lower() in _TRUE
        elif name == "includefield":
            self._include(value)
        elif name not in ("accept", "emptyvaluematching", "multiplevaluematching"):
            self._filters[_keyword(name)] = value

    def _include(self, value: str) -> None:
        for part in value.split(","):
            if part.lower() == "all":
                self._all = True
            elif part:
                self._included.add(tag_of(_keyword(part)))


def _keyword(name: str) -> str:
    """The keyword of an attribute given by keyword or tag (`00100010`)."""
    if tag_for_keyword(name) is not None:
        return name
    try:
        keyword = keyword_for_tag(int(name, 16)) if len(name) == 8 else ""
    except ValueError:
        keyword = ""
    if not keyword:
        raise RequestError(400, f"{name!r} is not a DICOM keyword or tag")
    return keyword


def _count(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise RequestError(400, f"{name}: is {value!r}; expected an integer >= 0")
    return int(value)
