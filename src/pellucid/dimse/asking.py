"""What the commands need besides: worklist files, storage commitment asked for, rows for tables."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pydicom

from pellucid.archive import Archive
from pellucid.archive.dicom_json import UNREADABLE
from pellucid.archive.levels import tag_of
from pellucid.archive.metadata import quiet_pydicom
from pellucid.dimse import commitment
from pellucid.dimse.data_set import Attributes, text
from pellucid.dimse.deliveries import Delivery
from pellucid.dimse.requestor import Peer, Wanted, associated, context_for
from pellucid.dimse.services import MESSAGE_SYNTAXES, STORAGE_COMMITMENT
from pellucid.dimse.worklist import STATUS, STEP
from pellucid.errors import InvalidInputError
from pellucid.study import new_uid

_MOST_BYTES = 4 << 20


def worklist_file(path: Path) -> Attributes:
    """A scheduled procedure step from DICOM JSON, or a DICOM file; raises `InvalidInputError`."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InvalidInputError(f"is larger than {_MOST_BYTES} bytes", file=path)
        data = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot be read ({error.strerror})", file=path) from error
    try:
        if data[128:132] == b"DICM":
            with quiet_pydicom():
                found: Any = pydicom.dcmread(path).to_json_dict()
        else:
            found = json.loads(data)
    except UNREADABLE as error:
        raise InvalidInputError("is neither DICOM JSON nor a DICOM file", file=path) from error
    item = found[0] if isinstance(found, list) and found else found
    if not isinstance(item, dict) or not all(isinstance(value, dict) and "vr" in value for value in item.values()):
        raise InvalidInputError("holds no DICOM JSON data set", file=path)
    return item


def ask_for_commitment(archive: Archive, peer: Peer, references: Sequence[commitment.Reference]) -> str:
    """Ask a peer to answer for instances; the transaction's UID. Its report comes to the archive's listener."""
    transaction = new_uid()
    wanted = [Wanted(abstract_syntax=STORAGE_COMMITMENT, transfer_syntaxes=MESSAGE_SYNTAXES)]
    with associated(peer, wanted) as association:
        context = context_for(association, STORAGE_COMMITMENT)
        commitment.ask(archive, association, context, transaction, references)
    return transaction


def step_row(attributes: Attributes) -> dict[str, str]:
    """A worklist item as a row of a table."""
    step = ((attributes.get(STEP, {}).get("Value") or [{}])[0]) or {}
    of_step = {
        "date": "ScheduledProcedureStepStartDate",
        "time": "ScheduledProcedureStepStartTime",
        "modality": "Modality",
        "station": "ScheduledStationAETitle",
    }
    return {
        **{name: text(step, tag_of(keyword)) for name, keyword in of_step.items()},
        "patient": text(attributes, tag_of("PatientName")),
        "patient id": text(attributes, tag_of("PatientID")),
        "accession": text(attributes, tag_of("AccessionNumber")),
        "description": text(step, tag_of("ScheduledProcedureStepDescription")),
        "status": text(step, STATUS),
    }


def queue_rows(deliveries: Iterable[Delivery]) -> list[dict[str, str]]:
    """Deliveries as rows of a table."""
    now = time.time()
    return [
        {
            "id": str(delivery.id),
            "what": delivery.kind,
            "subject": delivery.subject,
            "destination": delivery.destination,
            "state": delivery.state,
            "attempts": str(delivery.attempts),
            "next": f"in {max(0, delivery.next_attempt - now):.0f} s" if delivery.state == "waiting" else "",
            "error": delivery.error,
        }
        for delivery in deliveries
    ]
