"""What the archive holds that matches a query's keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pellucid.archive import Match, View
from pellucid.archive.levels import tag_of
from pellucid.dimse.data_set import Attributes, text
from pellucid.dimse.matching import date_time_matches, matches
from pellucid.dimse.query_keys import Keys

_PAGE = 2000
_PATIENT = frozenset(
    tag_of(keyword)
    for keyword in (
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "TypeOfPatientID",
        "PatientBirthDate",
        "PatientBirthTime",
        "PatientSex",
        "OtherPatientNames",
        "OtherPatientIDsSequence",
        "EthnicGroup",
        "PatientComments",
        "PatientSpeciesDescription",
    )
)
_IDENTIFIERS = frozenset(map(tag_of, ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")))
_DATE, _TIME = tag_of("StudyDate"), tag_of("StudyTime")


def search(view: View, keys: Keys) -> Iterator[Attributes]:
    """The attributes of each match."""
    found = (dict(match.attributes) for match in _all(view, keys) if _passes(match, keys))
    return _patients(found) if keys.level == "PATIENT" else found


def _all(view: View, keys: Keys) -> Iterator[Match]:
    """Every match in the index, a page at a time, so that many of them do not fill the memory."""
    query, wanted = keys.query(), _wanted(keys)
    offset = 0
    while True:
        page = view.find(replace(query, limit=_PAGE, offset=offset), wanted)
        yield from page
        if len(page) < _PAGE:
            return
        offset += _PAGE


def _wanted(keys: Keys) -> frozenset[str]:
    """The attributes that are looked at: what is asked for, what is matched here, and what names an entity."""
    of_patient = _PATIENT | set(filter(None, _COUNTS.values())) if keys.level == "PATIENT" else frozenset()
    return frozenset({*_IDENTIFIERS, *keys.returned, *keys.matched_after, *of_patient, _DATE, _TIME})


def _passes(match: Match, keys: Keys) -> bool:
    attributes: Any = match.attributes
    after = dict(keys.matched_after)
    if keys.date_time:
        times = text(after, _TIME)
        del after[_TIME]
        if not date_time_matches(text(attributes, _DATE), text(attributes, _TIME), keys.filters["StudyDate"], times):
            return False
    return not after or matches(attributes, after, fuzzy=keys.fuzzy)


def _patients(studies: Iterator[Attributes]) -> Iterator[Attributes]:
    """One entry a patient, told apart by identifier and its issuer, with numbers of what belongs to it."""
    found: dict[tuple[str, str], Attributes] = {}
    for study in studies:
        key = (text(study, tag_of("PatientID")), text(study, tag_of("IssuerOfPatientID")))
        patient = found.setdefault(key, {tag: study[tag] for tag in study if tag in _PATIENT})
        for of_patient, of_study in _COUNTS.items():
            add = study[of_study]["Value"][0] if of_study else 1
            counted = patient.setdefault(of_patient, {"vr": "IS", "Value": [0]})
            counted["Value"][0] += add
    yield from found.values()


_COUNTS: dict[str, str] = {
    tag_of("NumberOfPatientRelatedStudies"): "",
    tag_of("NumberOfPatientRelatedSeries"): tag_of("NumberOfStudyRelatedSeries"),
    tag_of("NumberOfPatientRelatedInstances"): tag_of("NumberOfStudyRelatedInstances"),
}
