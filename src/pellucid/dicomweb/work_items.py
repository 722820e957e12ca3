"""Unified procedure steps: what a work item may be, and how it may change (PS3.4 annex CC)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydicom.uid import generate_uid

from pellucid.archive.levels import tag_of
from pellucid.dicomweb.problems import RequestError

Data = dict[str, Any]

SCHEDULED, IN_PROGRESS, COMPLETED, CANCELED = "SCHEDULED", "IN PROGRESS", "COMPLETED", "CANCELED"
FINAL = (COMPLETED, CANCELED)
PUSH_CLASS = "1.2.840.10008.5.1.4.34.6.1"
"""UPS Push SOP Class, the class of all work items."""

STATE = tag_of("ProcedureStepState")
TRANSACTION = tag_of("TransactionUID")
READINESS = tag_of("InputReadinessState")
PROGRESS = tag_of("ProcedureStepProgressInformationSequence")
PERFORMED = tag_of("UnifiedProcedureStepPerformedProcedureSequence")
SOP_CLASS, SOP_INSTANCE = tag_of("SOPClassUID"), tag_of("SOPInstanceUID")
MODIFIED = tag_of("ScheduledProcedureStepModificationDateTime")
STATIONS = tag_of("ScheduledStationNameCodeSequence")
PERFORMERS = tag_of("ScheduledHumanPerformersSequence")
START = tag_of("ScheduledProcedureStepStartDateTime")

_REQUIRED = "ScheduledProcedureStepPriority ProcedureStepLabel InputReadinessState ScheduledProcedureStepStartDateTime"
_MAY_BE_EMPTY = (
    "ScheduledStationNameCodeSequence ScheduledStationClassCodeSequence ScheduledStationGeographicLocationCodeSequence "
    "ScheduledWorkitemCodeSequence CommentsOnTheScheduledProcedureStep InputInformationSequence PatientName PatientID "
    "PatientBirthDate PatientSex AdmissionID AdmittingDiagnosesDescription ReferencedRequestSequence StudyInstanceUID "
    "ProcedureStepProgressInformationSequence UnifiedProcedureStepPerformedProcedureSequence"
)
_FIXED = (
    "SOPClassUID SOPInstanceUID ProcedureStepState TransactionUID PatientName PatientID IssuerOfPatientID "
    "PatientBirthDate PatientSex AdmissionID AdmittingDiagnosesDescription ReferencedRequestSequence "
    "ReplacedProcedureStepSequence StudyInstanceUID"
)
_VALUES = {
    "InputReadinessState": ("INCOMPLETE", "UNAVAILABLE", "READY"),
    "ScheduledProcedureStepPriority": ("HIGH", "MEDIUM", "LOW"),
}
_COMPLETED_NEEDS = (
    "PerformedStationNameCodeSequence PerformedProcedureStepStartDateTime PerformedWorkitemCodeSequence "
    "PerformedProcedureStepEndDateTime"
)
_UID = re.compile(r"[0-9.]{1,64}")


def new_item(given: Mapping[str, Any], uid: str | None) -> Data:
    """A work item to be created from what a client sent (N-CREATE, table CC.2.5-3); raises `RequestError` 400."""
    item = data_set_of(given)
    named = first(item, SOP_INSTANCE) or uid or str(generate_uid(None))
    if uid and named != uid:
        raise RequestError(400, f"SOPInstanceUID: is {named}; the address says {uid}")
    if not isinstance(named, str) or not _UID.fullmatch(named):
        raise RequestError(400, "SOPInstanceUID: expected a UID of digits and dots, up to 64 characters")
    if item.pop(TRANSACTION, {}).get("Value"):
        raise RequestError(400, "TransactionUID: a new work item has none")
    if first(item, STATE) not in ("", SCHEDULED):
        raise RequestError(400, f"ProcedureStepState: is {first(item, STATE)}; a new work item is {SCHEDULED}")
    for keyword in _REQUIRED.split():
        if first(item, tag_of(keyword)) in ("", None):
            raise RequestError(400, f"{keyword}: is missing")
    _check_values(item)
    for keyword in _MAY_BE_EMPTY.split():
        item.setdefault(tag_of(keyword), {"vr": _vr(keyword)})
    item[SOP_CLASS] = {"vr": "UI", "Value": [PUSH_CLASS]}
    item[SOP_INSTANCE] = {"vr": "UI", "Value": [named]}
    item[STATE] = {"vr": "CS", "Value": [SCHEDULED]}
    item[MODIFIED] = {"vr": "DT", "Value": [date_time()]}
    item.setdefault(tag_of("WorklistLabel"), {"vr": "LO", "Value": ["DEFAULT"]})
    return dict(sorted(item.items()))


def updated(item: Data, changes: Mapping[str, Any]) -> Data:
    """The work item with changed attributes (N-SET); raises `RequestError` 400 for those that are fixed."""
    changes = data_set_of(changes)
    changes.pop(TRANSACTION, None)
    for keyword in _FIXED.split():
        if tag_of(keyword) in changes:
            raise RequestError(400, f"{keyword}: cannot be changed")
    _check_values(changes)
    changed = {**item, **changes, MODIFIED: {"vr": "DT", "Value": [date_time()]}}
    for keyword in _REQUIRED.split():
        if first(changed, tag_of(keyword)) in ("", None):
            raise RequestError(400, f"{keyword}: cannot be emptied")
    return dict(sorted(changed.items()))


def require_final(item: Mapping[str, Any], state: str) -> None:
    """Raises `RequestError` 409 where a final state's requirements are not met (PS3.4 section CC.2.5.1.3)."""
    if state == COMPLETED:
        performed = (item.get(PERFORMED, {}).get("Value") or [{}])[0]
        for keyword in _COMPLETED_NEEDS.split():
            if not performed.get(tag_of(keyword), {}).get("Value"):
                raise RequestError(409, f"UnifiedProcedureStepPerformedProcedureSequence.{keyword}: is missing")
        if tag_of("OutputInformationSequence") not in performed:
            raise RequestError(
                409, "UnifiedProcedureStepPerformedProcedureSequence.OutputInformationSequence: is missing"
            )


def with_state(item: Data, state: str) -> Data:
    """The work item in another state; a canceled one says since when, where it does not yet."""
    changed = {**item, STATE: {"vr": "CS", "Value": [state]}, MODIFIED: {"vr": "DT", "Value": [date_time()]}}
    return with_cancellation(changed, {}) if state == CANCELED else changed


def with_cancellation(item: Data, reasons: Mapping[str, Any]) -> Data:
    """The work item with when, why and by whom it was canceled."""
    progress = dict((item.get(PROGRESS, {}).get("Value") or [{}])[0])
    for keyword in ("ReasonForCancellation", "ProcedureStepDiscontinuationReasonCodeSequence"):
        if tag_of(keyword) in reasons:
            progress[tag_of(keyword)] = reasons[tag_of(keyword)]
    progress.setdefault(tag_of("ProcedureStepCancellationDateTime"), {"vr": "DT", "Value": [date_time()]})
    progress.setdefault(tag_of("ProcedureStepDiscontinuationReasonCodeSequence"), {"vr": "SQ"})
    return {**item, PROGRESS: {"vr": "SQ", "Value": [dict(sorted(progress.items()))]}}


def study_of(item: Mapping[str, Any]) -> str:
    """The study that a work item is about: its own, else of what was requested, else of its first input."""
    uid = first(item, tag_of("StudyInstanceUID"))
    for keyword in ("ReferencedRequestSequence", "InputInformationSequence"):
        for part in item.get(tag_of(keyword), {}).get("Value") or ():
            uid = uid or first(part, tag_of("StudyInstanceUID"))
    return str(uid or "")[:64]


def first(item: Mapping[str, Any], tag: str) -> Any:
    """The first value of an attribute; an empty text where there is none."""
    values = item.get(tag, {}).get("Value")
    return values[0] if values else ""


def as_text(item: Mapping[str, Any]) -> str:
    """A work item as JSON."""
    return json.dumps(item, ensure_ascii=False, separators=(",", ":"))


def date_time() -> str:
    """Now, as DICOM writes it, in UTC."""
    return datetime.now(UTC).strftime("%Y%m%d%H%M%S.%f") + "+0000"


def data_set_of(given: Mapping[str, Any]) -> Data:
    """A data set in the DICOM JSON model; raises `RequestError` 400 where it is none."""
    for tag, element in given.items():
        if not re.fullmatch("[0-9A-Fa-f]{8}", tag) or not isinstance(element, dict):
            raise RequestError(400, f"{tag[:20]!r} is not an attribute of the DICOM JSON model")
        values = element.get("Value", [])
        if not re.fullmatch("[A-Z]{2}", str(element.get("vr"))) or not isinstance(values, list):
            raise RequestError(400, f"attribute {tag} has no VR, or its Value is no list")
        if element["vr"] == "SQ":
            for part in values:
                if not isinstance(part, dict):
                    raise RequestError(400, f"sequence {tag} has an item that is no object")
                data_set_of(part)
    return {tag.upper(): dict(element) for tag, element in given.items() if tag[:4] not in ("0000", "0002")}


def _check_values(item: Mapping[str, Any]) -> None:
    for keyword, allowed in _VALUES.items():
        value = first(item, tag_of(keyword))
        if value and value not in allowed:
            raise RequestError(400, f"{keyword}: is {str(value)[:40]!r}; expected {', '.join(allowed)}")
    if START in item and not re.fullmatch(r"[0-9]{8,14}(\.[0-9]{1,6})?([+-][0-9]{4})?", str(first(item, START))):
        raise RequestError(400, "ScheduledProcedureStepStartDateTime: expected YYYYMMDDHHMMSS")


def _vr(keyword: str) -> str:
    from pydicom.datadict import dictionary_VR

    return dictionary_VR(keyword)
