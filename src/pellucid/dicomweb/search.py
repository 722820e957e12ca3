"""QIDO-RS: from a query string to matches, and from matches to the attributes that were asked for (PS3.18 10.6)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from pydicom.datadict import dictionary_VR

from pellucid.archive import Query, View
from pellucid.archive.levels import SERIES_TAGS, STUDY_TAGS, tag_of
from pellucid.archive.query import LEVELS, Level
from pellucid.dicomweb.attribute_matching import matches, path_of, values_at
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
_FLAGS = ("fuzzymatching", "emptyvaluematching", "multiplevaluematching")
_EMPTY = '""'
"""A value that matches attributes without one, where emptyvaluematching is true."""

_READ_HERE = frozenset({"PN", "SQ"})
"""Attributes of these value representations have no index of their own unless the archive's query knows them."""


class Search:
    """A QIDO-RS request; `fixed` holds the identifiers of its path."""

    def __init__(self, level: Level, fixed: Mapping[str, str], parameters: Iterable[tuple[str, str]]) -> None:
        self.level = level
        self._fixed = dict(fixed)
        self._filters: dict[str, str] = {}
        self._included: set[str] = set()
        self._all = False
        self._flags = dict.fromkeys(_FLAGS, False)
        self.limit = MAXIMUM_RESULTS
        self.offset = 0
        for name, value in parameters:
            self._take(name, value)
        for keyword, value in self._fixed.items():
            if self._filters.setdefault(keyword, value) not in ("", value):
                raise RequestError(400, f"{keyword}: is said by the address already")
            self._filters[keyword] = value
        self._read_here = self._split()

    def results(self, view: View, root: str) -> tuple[list[str], bool]:
        """The matches as DICOM JSON texts, at most as many as were asked for, and whether there are more."""
        if not self._read_here:
            query = Query(self.level, self._filters, self._flags["fuzzymatching"], self.limit + 1, self.offset)
            texts = list(view.find_text(query, self._tags(), root=root))
        else:
            texts = list(islice(self._looked_through(view, root), self.offset, self.offset + self.limit + 1))
        return texts[: self.limit], len(texts) > self.limit

    @property
    def ignored(self) -> list[str]:
        """What was asked for and is not done, in words: attributes that cannot match at this level, an option."""
        beyond = [*Query(self.level, self._filters).unsupported, *self._beyond]
        told = [f"{path} cannot be matched at this level and was ignored" for path in beyond]
        if self._flags["multiplevaluematching"]:
            told.append("multiplevaluematching is not supported: each of several values is matched by itself")
        return told

    def _looked_through(self, view: View, root: str) -> Iterator[str]:
        """Matches by what the index has no column for: each that else matches is looked at."""
        tags, fuzzy = self._tags(), self._flags["fuzzymatching"]
        for text in view.find_text(Query(self.level, self._filters, fuzzy), tags, root=root):
            item = json.loads(text)
            if all(_matches(item, path, value, fuzzy=fuzzy) for path, value in self._read_here.items()):
                yield text

    def _split(self) -> dict[str, str]:
        """Take those filters out that the archive's query does not know."""
        own = {path: value for path, value in self._filters.items() if self._is_read_here(path, value)}
        for path in own:
            del self._filters[path]
        levels = {path: _depth(path) for path in own}
        depth = LEVELS.index(self.level)
        self._beyond = [path for path in own if levels[path] > depth]
        return {path: value for path, value in own.items() if levels[path] <= depth}

    def _is_read_here(self, path: str, value: str) -> bool:
        if "." in path or (value == _EMPTY and self._flags["emptyvaluematching"]):
            return True
        unknown = Query(self.level, {path: value}).unsupported
        return bool(unknown) and dictionary_VR(path) in _READ_HERE and _depth(path) <= LEVELS.index(self.level)

    def _tags(self) -> frozenset[str] | None:
        """The tags that are returned; None for all."""
        if self._all:
            return None
        paths = (*self._filters, *self._read_here)
        tags = _RETURNED[self.level] | self._included | {tag_of(path.partition(".")[0]) for path in paths}
        # A search below no particular study or series also says which one each match belongs to.
        if self.level != "study" and "StudyInstanceUID" not in self._fixed:
            tags |= _RETURNED["study"]
        if self.level == "instance" and "SeriesInstanceUID" not in self._fixed:
            tags |= _RETURNED["series"]
        return tags

    def _take(self, name: str, value: str) -> None:
        if name == "limit":
            self.limit = min(MAXIMUM_RESULTS, _count(name, value))
        elif name == "offset":
            self.offset = _count(name, value)
        elif name in _FLAGS:
            if value.lower() not in ("true", "false", ""):
                raise RequestError(400, f"{name}: is {value[:80]!r}; expected true or false")
            self._flags[name] = value.lower() == "true"
        elif name == "includefield":
            self._include(value)
        elif name != "accept":
            path = path_of(name)
            if path in self._filters:
                raise RequestError(400, f"{path}: is given twice")
            self._filters[path] = value

    def _include(self, value: str) -> None:
        """Attributes to be returned; of one within a sequence, the sequence."""
        for part in value.split(","):
            if part.lower() == "all":
                self._all = True
            elif part:
                first = part.partition(".")[0]
                private = re.fullmatch("[0-9A-Fa-f]{8}", first)
                self._included.add(first.upper() if private else tag_of(path_of(part).partition(".")[0]))


def _matches(item: Mapping[str, Any], path: str, value: str, *, fuzzy: bool) -> bool:
    if value == _EMPTY:
        return not any(found not in ("", None) for found in values_at(item, path))
    return matches(item, path, value, fuzzy=fuzzy)


def _depth(path: str) -> int:
    """The level that an attribute belongs to: 0 is the study."""
    tag = tag_of(path.partition(".")[0])
    return 0 if tag in STUDY_TAGS else 1 if tag in SERIES_TAGS else 2


def _count(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 9:
        raise RequestError(400, f"{name}: is {value[:80]!r}; expected an integer >= 0")
    return int(value)
