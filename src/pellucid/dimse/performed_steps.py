"""Procedure steps performed here, told to another application: MPPS as a user (PS3.4 annex F), through the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydicom.datadict import dictionary_VR

from pellucid.archive import Archive, Stored
from pellucid.archive.levels import tag_of
from pellucid.dimse.command_set import Command, Operation
from pellucid.dimse.data_set import Attributes, encode, text
from pellucid.dimse.deliveries import Delivery, enqueue
from pellucid.dimse.limits import NetworkLimits
from pellucid.dimse.requestor import Peer, Wanted, associated, context_for
from pellucid.dimse.sending import is_warning
from pellucid.dimse.service import DUPLICATE_INSTANCE, MAY_NO_LONGER_BE_UPDATED, PROCESSING_FAILURE, SUCCESS
from pellucid.dimse.services import MESSAGE_SYNTAXES, PROCEDURE_STEP
from pellucid.dimse.worklist import STEP
from pellucid.errors import PellucidError
from pellucid.study import new_uid

Final = Literal["COMPLETED", "DISCONTINUED"]

_OF_PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "ReferencedPatientSequence")
_OF_REQUEST = (
    "StudyInstanceUID",
    "ReferencedStudySequence",
    "AccessionNumber",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
)
_OF_STEP = ("ScheduledProcedureStepID", "ScheduledProcedureStepDescription", "ScheduledProtocolCodeSequence")
_EMPTY_AT_FIRST = (
    "PerformedStationName",
    "PerformedLocation",
    "PerformedProcedureTypeDescription",
    "ProcedureCodeSequence",
    "PerformedProcedureStepEndDate",
    "PerformedProcedureStepEndTime",
    "StudyID",
    "PerformedProtocolCodeSequence",
    "PerformedSeriesSequence",
)
_UNKNOWN_OF_SERIES = ("PerformingPhysicianName", "OperatorsName", "ReferencedNonImageCompositeSOPInstanceSequence")
_LONGEST_ID = 16


@dataclass(frozen=True, kw_only=True)
class PerformedStep:
    """A step that has begun. `partner`: the AE title that is told; `title`: the one of this side, to retrieve from."""

    uid: str
    partner: str
    title: str
    description: str


def begin(archive: Archive, partner: str, item: Attributes, *, title: str, modality: str) -> PerformedStep:
    """Tell the partner that the scheduled step of a worklist item has begun: N-CREATE (PS3.4 table F.7.2-1)."""
    scheduled = (item.get(STEP, {}).get("Value") or [{}])[0] or {}
    now = datetime.now().astimezone()
    uid = new_uid()
    description = text(scheduled, tag_of("ScheduledProcedureStepDescription"))
    attributes = {
        **_copied(item, _OF_PATIENT),
        **_empty(_EMPTY_AT_FIRST),
        **_values(
            PerformedProcedureStepID=uid[-_LONGEST_ID:],
            PerformedStationAETitle=title,
            PerformedProcedureStepStartDate=now.strftime("%Y%m%d"),
            PerformedProcedureStepStartTime=now.strftime("%H%M%S"),
            PerformedProcedureStepStatus="IN PROGRESS",
            PerformedProcedureStepDescription=description,
            Modality=modality,
        ),
        **_sequence("ScheduledStepAttributesSequence", {**_copied(item, _OF_REQUEST), **_copied(scheduled, _OF_STEP)}),
    }
    step = PerformedStep(uid=uid, partner=partner, title=title, description=description)
    _enqueue(archive, "begin_step", step, attributes)
    return step


def end(archive: Archive, step: PerformedStep, status: Final, made: Sequence[Stored]) -> None:
    """Tell the partner how it ended, and what was made: N-SET."""
    now = datetime.now().astimezone()
    series: dict[str, list[Attributes]] = {} if made else {new_uid(): []}
    for one in made:
        reference = _values(ReferencedSOPClassUID=one.sop_class_uid, ReferencedSOPInstanceUID=one.sop_instance_uid)
        series.setdefault(one.series_instance_uid, []).append(reference)
    attributes = {
        **_values(
            PerformedProcedureStepStatus=status,
            PerformedProcedureStepEndDate=now.strftime("%Y%m%d"),
            PerformedProcedureStepEndTime=now.strftime("%H%M%S"),
        ),
        **_sequence("PerformedSeriesSequence", *(_series(step, uid, images) for uid, images in series.items())),
    }
    _enqueue(archive, "end_step", step, attributes)


def report(peer: Peer, delivery: Delivery, limits: NetworkLimits) -> str:
    """Deliver one of these to the partner; empty, or why it was not taken."""
    begins = delivery.kind == "begin_step"
    whose = "Affected" if begins else "Requested"
    command: Command = {
        "CommandField": Operation.N_CREATE if begins else Operation.N_SET,
        f"{whose}SOPClassUID": PROCEDURE_STEP,
        f"{whose}SOPInstanceUID": delivery.subject,
    }
    wanted = [Wanted(abstract_syntax=PROCEDURE_STEP, transfer_syntaxes=MESSAGE_SYNTAXES)]
    try:
        with associated(peer, wanted, limits=limits) as association:
            context = context_for(association, PROCEDURE_STEP)
            data = encode(delivery.payload["attributes"], context.transfer_syntax)
            answer = association.request(context, command, data).command
    except PellucidError as error:
        return str(error)
    status = int(answer.get("Status", PROCESSING_FAILURE))
    if status == SUCCESS or is_warning(status) or _was_told_before(status, answer, begins=begins):
        return ""
    return f"status {status:04X} {answer.get('ErrorComment', '')}".strip()


def _was_told_before(status: int, answer: Command, *, begins: bool) -> bool:
    """Whether the partner has it already: its answer to an earlier attempt was lost."""
    if begins:
        return status == DUPLICATE_INSTANCE
    return status == PROCESSING_FAILURE and answer.get("ErrorID") == MAY_NO_LONGER_BE_UPDATED


def _series(step: PerformedStep, uid: str, images: list[Attributes]) -> Attributes:
    return {
        **_empty(_UNKNOWN_OF_SERIES),
        **_values(
            SeriesInstanceUID=uid,
            ProtocolName=step.description or "Capture",
            SeriesDescription="",
            RetrieveAETitle=step.title,
        ),
        **_sequence("ReferencedImageSequence", *images),
    }


def _enqueue(archive: Archive, kind: Literal["begin_step", "end_step"], step: PerformedStep, told: Attributes) -> None:
    with archive.writing() as session:
        enqueue(session, kind, f"ae:{step.partner}", step.uid, {"attributes": told})


def _copied(item: Attributes, keywords: Sequence[str]) -> Attributes:
    """These attributes of a worklist item, empty where it has none."""
    return {tag: item.get(tag) or empty for tag, empty in _empty(keywords).items()}


def _empty(keywords: Sequence[str]) -> Attributes:
    return {tag_of(keyword): {"vr": dictionary_VR(keyword)} for keyword in keywords}


def _values(**values: str) -> Attributes:
    found: dict[str, Any] = {}
    for keyword, value in values.items():
        attribute = {"vr": dictionary_VR(keyword)}
        found[tag_of(keyword)] = {**attribute, "Value": [value]} if value else attribute
    return found


def _sequence(keyword: str, *items: Attributes) -> Attributes:
    return {tag_of(keyword): {"vr": "SQ", "Value": list(items)}}
