"""Asking other applications: is it there (C-ECHO), what has it (C-FIND), what is to be done (worklist)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from pellucid.dimse.association import Association
from pellucid.dimse.command_set import Operation
from pellucid.dimse.data_set import Attributes, decode, encode
from pellucid.dimse.messages import Context
from pellucid.dimse.partners import ApplicationEntity, title_of
from pellucid.dimse.problems import NetworkError
from pellucid.dimse.query_keys import QUERY_LEVEL
from pellucid.dimse.requestor import Peer, Wanted, associated, context_for
from pellucid.dimse.service import CANCELLED, PENDING, PENDING_UNSUPPORTED_KEYS, SUCCESS
from pellucid.dimse.services import (
    MESSAGE_SYNTAXES,
    MODALITY_WORKLIST,
    STUDY_ROOT,
    VERIFICATION,
    InformationModel,
)
from pellucid.errors import InvalidInputError

RETURNED: dict[str, tuple[str, ...]] = {
    "PATIENT": ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "NumberOfPatientRelatedStudies"),
    "STUDY": (
        "StudyInstanceUID",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "StudyDescription",
        "ModalitiesInStudy",
        "NumberOfStudyRelatedInstances",
    ),
    "SERIES": (
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "SeriesNumber",
        "Modality",
        "SeriesDescription",
        "NumberOfSeriesRelatedInstances",
    ),
    "IMAGE": ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber"),
}
"""What is asked for where nothing is said."""

WORKLIST_RETURNED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyInstanceUID",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "ReferringPhysicianName",
)
WORKLIST_STEP_RETURNED = (
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
    "Modality",
    "ScheduledStationAETitle",
    "ScheduledProcedureStepID",
    "ScheduledProcedureStepDescription",
    "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepStatus",
)
_STEP = "00400100"
_ADDRESS = re.compile(r"(?P<title>[^@]{1,16})@(?P<host>\[[^\]]+\]|[^:]+):(?P<port>\d+)")


def peer_of(text: str, known: Mapping[str, ApplicationEntity] | None = None, **more: Any) -> Peer:
    """A peer from "TITLE@host:port", or the title of one that is known; raises `InvalidInputError`."""
    found = _ADDRESS.fullmatch(text)
    if found and 0 < int(found["port"]) <= 65535:
        return Peer(title=title_of(found["title"]), host=found["host"].strip("[]"), port=int(found["port"]), **more)
    entity = (known or {}).get(text)
    if entity is None or not entity.port:
        raise InvalidInputError(
            f"is {text!r}; expected TITLE@host:port, or the title of an application entity with an address",
            field="peer",
        )
    return Peer(title=entity.title, host=entity.host, port=entity.port, **more)


def echo(peer: Peer) -> float:
    """C-ECHO; how long the answer took [s]. Raises `NetworkError` where there was none."""
    with associated(peer, [Wanted(abstract_syntax=VERIFICATION, transfer_syntaxes=MESSAGE_SYNTAXES)]) as association:
        start = time.perf_counter()
        command = {"CommandField": Operation.C_ECHO, "AffectedSOPClassUID": VERIFICATION}
        answer = association.request(context_for(association, VERIFICATION), command)
        _require_success(answer.command.get("Status", SUCCESS), "C-ECHO", answer.command.get("ErrorComment", ""))
        return time.perf_counter() - start


def find(
    peer: Peer,
    level: str,
    keys: Mapping[str, str],
    *,
    model: InformationModel = STUDY_ROOT,
    returned: tuple[str, ...] | None = None,
    fuzzy: bool = False,
    relational: bool = False,
) -> Iterator[Attributes]:
    """C-FIND: what matches `keys` (by keyword, in the language of PS3.4 C.2.2.2)."""
    wanted = Wanted(
        abstract_syntax=model.find,
        transfer_syntaxes=MESSAGE_SYNTAXES,
        extended=bytes((relational, 0, fuzzy, 0)) if fuzzy or relational else b"",
    )
    identifier = {_tag(keyword): _key(keyword, "") for keyword in returned or RETURNED[level]}
    identifier |= {_tag(keyword): _key(keyword, value) for keyword, value in keys.items()}
    identifier[QUERY_LEVEL] = {"vr": "CS", "Value": [level]}
    with associated(peer, [wanted]) as association:
        yield from ask(association, context_for(association, model.find), identifier)


def find_worklist(peer: Peer, keys: Mapping[str, str]) -> Iterator[Attributes]:
    """Modality Worklist C-FIND; keys of the scheduled step are recognised by their keywords."""
    step = {_tag(keyword): _key(keyword, "") for keyword in WORKLIST_STEP_RETURNED}
    identifier = {_tag(keyword): _key(keyword, "") for keyword in WORKLIST_RETURNED}
    for keyword, value in keys.items():
        where = step if _tag(keyword) in step else identifier
        where[_tag(keyword)] = _key(keyword, value)
    identifier[_STEP] = {"vr": "SQ", "Value": [step]}
    wanted = Wanted(abstract_syntax=MODALITY_WORKLIST, transfer_syntaxes=MESSAGE_SYNTAXES)
    with associated(peer, [wanted]) as association:
        yield from ask(association, context_for(association, MODALITY_WORKLIST), identifier)


def ask(association: Association, context: Context, identifier: Attributes) -> Iterator[Attributes]:
    """The matches of one C-FIND; raises `NetworkError` where it fails."""
    number = association.next_message_id()
    command = {
        "CommandField": Operation.C_FIND,
        "MessageID": number,
        "AffectedSOPClassUID": context.abstract_syntax,
        "Priority": 0,
    }
    association.send(context, command, encode(identifier, context.transfer_syntax))
    while True:
        answer = association.response(number)
        status = answer.command.get("Status", SUCCESS)
        if status not in (PENDING, PENDING_UNSUPPORTED_KEYS):
            _require_success(status, "C-FIND", answer.command.get("ErrorComment", ""))
            return
        assert isinstance(answer.data, bytes)
        yield decode(answer.data, context.transfer_syntax, nesting=association.limits.nesting)


def with_title(peer: Peer, calling_title: str) -> Peer:
    """The same peer, called under another title."""
    return replace(peer, calling_title=title_of(calling_title))


def _require_success(status: int, operation: str, comment: str) -> None:
    if status not in (SUCCESS, CANCELLED):
        raise NetworkError(f"{operation} was answered with status {status:04X}{f': {comment}' if comment else ''}")


def _tag(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise InvalidInputError(f"is not a DICOM keyword: {keyword!r}", field="key")
    return f"{tag:08X}"


def _key(keyword: str, value: str) -> dict[str, Any]:
    vr = dictionary_VR(keyword)[:2]
    if not value:
        return {"vr": vr}
    return {"vr": vr, "Value": [{"Alphabetic": value}] if vr == "PN" else value.split("\\")}
