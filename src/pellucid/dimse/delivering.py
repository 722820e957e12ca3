"""Works through the queue of deliveries, each destination by itself, until it is stopped."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from pellucid.archive import EVERYTHING, Archive, InstanceRecord, Query, Visible
from pellucid.archive.levels import tag_of
from pellucid.dimse import commitment, performed_steps
from pellucid.dimse.command_set import Operation
from pellucid.dimse.data_set import Attributes, encode
from pellucid.dimse.deliveries import Deliveries, Delivery
from pellucid.dimse.depositing import to_folder, to_web
from pellucid.dimse.requestor import Peer, Wanted, associated, context_for
from pellucid.dimse.routing import AE, FOLDER
from pellucid.dimse.sending import contexts_needed, is_warning, send
from pellucid.dimse.service import SUCCESS, Doors, log
from pellucid.dimse.services import AVAILABILITY_NOTIFICATION, MESSAGE_SYNTAXES, STORAGE_COMMITMENT
from pellucid.dimse.web_partners import WebPartners
from pellucid.errors import PellucidError
from pellucid.study import new_uid

_AT_ONCE = 50
_DESTINATIONS_AT_ONCE = 4
_POLL_S = 1.0
_LEASE_S = 60.0


class Deliverer:
    """Delivers in the background. Any number of processes may, also on machines that share a database.

    Each destination is served by one of them at a time, which claims it; `lease_s`: after so long [s] without a sign
    of life from a process, others take its destinations over.
    """

    def __init__(self, doors: Doors, *, lease_s: float = _LEASE_S) -> None:
        self._doors = doors
        self._holder = uuid.uuid4().hex
        self._lease_s = lease_s
        self._renewed = time.monotonic()
        self._queue = Deliveries(doors.archive)
        self._stopping = threading.Event()
        self._busy: dict[str, Future[None]] = {}
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)

    def start(self) -> Deliverer:
        """Begin."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop after what is being sent now."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        with ThreadPoolExecutor(_DESTINATIONS_AT_ONCE, "delivery") as pool:
            while not self._stopping.wait(_POLL_S):
                self._look(pool)
            self._finish()

    def deliver_now(self, destination: str) -> None:
        """Deliver what is due for a destination, without having been started, unless another process does."""
        with ThreadPoolExecutor(1, "delivery") as pool:
            self._busy = {destination: pool.submit(self._serve, destination)}
            self._finish()

    def _finish(self) -> None:
        while wait(self._busy.values(), _POLL_S).not_done:
            self._renew()

    def _look(self, pool: ThreadPoolExecutor) -> None:
        self._busy = {name: work for name, work in self._busy.items() if not work.done()}
        self._renew()
        try:
            due = self._queue.destinations_due(self._holder)
        except Exception as error:  # noqa: BLE001 (the database may be gone for a while)
            log.error("the queue of deliveries cannot be read: %s", type(error).__name__)
            return
        for destination in due:
            if destination not in self._busy:
                self._busy[destination] = pool.submit(self._serve, destination)

    def _renew(self) -> None:
        """Say that this process still delivers to the destinations that it has claimed."""
        if time.monotonic() < self._renewed + self._lease_s / 4:
            return
        self._renewed = time.monotonic()
        for destination, work in self._busy.items():
            if work.running():
                try:
                    self._queue.renew(destination, self._holder, self._lease_s)
                except Exception as error:  # noqa: BLE001 (the database may be gone for a while)
                    log.error("a claim to a destination cannot be renewed: %s", type(error).__name__)

    def _serve(self, destination: str) -> None:
        """Deliver what is due for a destination, unless another process does."""
        try:
            if self._queue.claim(destination, self._holder, self._lease_s):
                self._work_off(destination)
        except Exception as error:  # noqa: BLE001 (the database may be gone for a while)
            log.error("the queue of deliveries cannot be worked off: %s", type(error).__name__)

    def _work_off(self, destination: str) -> None:
        try:
            while not self._stopping.is_set() and (due := self._queue.due(destination, limit=_AT_ONCE)):
                self._queue.settle(self._tried(destination, due))
        finally:
            self._queue.release(destination, self._holder)

    def _tried(self, destination: str, due: Sequence[Delivery]) -> dict[int, str]:
        try:
            return deliver(self._doors, destination, due)
        except PellucidError as error:
            return {delivery.id: str(error) for delivery in due}
        except Exception as error:  # noqa: BLE001 (one delivery must not stop the others)
            log.error("delivery failed: %s", type(error).__name__)
            return {delivery.id: f"failed ({type(error).__name__})" for delivery in due}


def deliver(doors: Doors, destination: str, due: Sequence[Delivery]) -> dict[int, str]:
    """Try these now; each with an empty text, or why it was not delivered."""
    results: dict[int, str] = {}
    for delivery in due:
        if delivery.kind == "commit":
            results[delivery.id] = _report(doors, destination, delivery)
        elif delivery.kind == "notify":
            results[delivery.id] = _notify(doors, destination, delivery)
        elif delivery.kind in ("begin_step", "end_step"):
            begun = [one.subject for one in due if one.kind == "begin_step" and results.get(one.id) == ""]
            results[delivery.id] = _report_step(doors, destination, delivery, begun)
    stores = [delivery for delivery in due if delivery.kind == "store"]
    if stores:
        results.update(_store(doors, destination, stores))
    return results


def partner_at(doors: Doors, destination: str) -> Peer:
    """The application that a destination names; raises `PellucidError` where it is not known."""
    title = destination.partition(":")[2]
    entity = doors.partners.destination(title)
    if entity is None:
        raise PellucidError(f"{title} is no known application entity with an address")
    return doors.peer(entity)


def _store(doors: Doors, destination: str, due: Sequence[Delivery]) -> dict[int, str]:
    records, results = {}, {}
    for delivery in due:
        found = doors.archive.instances(delivery.payload["study"], delivery.payload["series"], delivery.subject)
        if found:
            records[delivery.id] = found[0]
        else:  # deleted meanwhile
            results[delivery.id] = ""
    if destination.startswith(AE):
        return results | _store_at(doors, partner_at(doors, destination), records)
    if destination.startswith(FOLDER):
        return results | to_folder(doors.archive, destination.removeprefix(FOLDER), records)
    return results | to_web(doors.archive, WebPartners(doors.archive).at(destination), records)


def _store_at(doors: Doors, peer: Peer, records: dict[int, InstanceRecord]) -> dict[int, str]:
    results: dict[int, str] = {}
    for group in contexts_needed(records.values()) if records else []:
        classes = {wanted.abstract_syntax for wanted in group}
        chosen = {number: record for number, record in records.items() if record.sop_class_uid in classes}
        try:
            with associated(peer, group, limits=doors.limits) as association:
                for number, record in chosen.items():
                    status, comment = send(association, record, doors.content(doors.archive, record))
                    failed = status != SUCCESS and not is_warning(status)
                    results[number] = f"status {status:04X} {comment}".strip() if failed else ""
        except PellucidError as error:
            results.update({number: str(error) for number in chosen if number not in results})
    return results


def _report(doors: Doors, destination: str, delivery: Delivery) -> str:
    payload = delivery.payload
    projects = payload["projects"]
    visible = EVERYTHING if projects is None else Visible(projects=frozenset(projects))
    results = commitment.check(
        doors.archive.seen_by(visible), [(sop_class, instance) for sop_class, instance in payload["references"]]
    )
    wanted = [Wanted(abstract_syntax=STORAGE_COMMITMENT, transfer_syntaxes=MESSAGE_SYNTAXES, as_scp=True)]
    try:
        with associated(partner_at(doors, destination), wanted, limits=doors.limits) as association:
            context = context_for(association, STORAGE_COMMITMENT)
            commitment.report(association, context, payload["transaction"], results)
    except PellucidError as error:
        return str(error)
    return ""


def _report_step(doors: Doors, destination: str, delivery: Delivery, begun: Sequence[str]) -> str:
    """Report a performed procedure step; its end not before its beginning, which may be in this batch (`begun`)."""
    waits = delivery.subject not in begun and Deliveries(doors.archive).has("begin_step", delivery.subject)
    if delivery.kind == "end_step" and waits:
        return "its beginning has not been reported yet"
    return performed_steps.report(partner_at(doors, destination), delivery, doors.limits)


def _notify(doors: Doors, destination: str, delivery: Delivery) -> str:
    attributes = notice_of(doors.archive, delivery.subject, doors.titles[0])
    if attributes is None:
        return ""
    wanted = [Wanted(abstract_syntax=AVAILABILITY_NOTIFICATION, transfer_syntaxes=MESSAGE_SYNTAXES)]
    try:
        with associated(partner_at(doors, destination), wanted, limits=doors.limits) as association:
            context = context_for(association, AVAILABILITY_NOTIFICATION)
            command = {
                "CommandField": Operation.N_CREATE,
                "AffectedSOPClassUID": AVAILABILITY_NOTIFICATION,
                "AffectedSOPInstanceUID": new_uid(),
            }
            answer = association.request(context, command, encode(attributes, context.transfer_syntax))
    except PellucidError as error:
        return str(error)
    status = answer.command.get("Status", 0)
    return "" if status == SUCCESS or is_warning(status) else f"status {status:04X}"


def notice_of(archive: Archive, study_uid: str, title: str) -> Attributes | None:
    """An Instance Availability Notification of all that there is of a study (PS3.4 table R.3.2-1)."""
    records = archive.instances(study_uid)
    if not records:
        return None
    series: dict[str, list[Any]] = {}
    for record in records:
        series.setdefault(record.series_instance_uid, []).append(
            {
                tag_of("ReferencedSOPClassUID"): _uid(record.sop_class_uid),
                tag_of("ReferencedSOPInstanceUID"): _uid(record.sop_instance_uid),
                tag_of("InstanceAvailability"): {"vr": "CS", "Value": ["ONLINE"]},
                tag_of("RetrieveAETitle"): {"vr": "AE", "Value": [title]},
            }
        )
    patient = archive.find(Query("study", {"StudyInstanceUID": study_uid}))[0].attributes
    known = {tag: patient[tag] for tag in map(tag_of, ("PatientID", "PatientName")) if tag in patient}
    return {
        **known,
        tag_of("StudyInstanceUID"): _uid(study_uid),
        tag_of("ReferencedPerformedProcedureStepSequence"): {"vr": "SQ"},
        tag_of("ReferencedSeriesSequence"): {
            "vr": "SQ",
            "Value": [
                {tag_of("SeriesInstanceUID"): _uid(uid), tag_of("ReferencedSOPSequence"): {"vr": "SQ", "Value": items}}
                for uid, items in series.items()
            ],
        },
    }


def _uid(value: str) -> dict[str, Any]:
    return {"vr": "UI", "Value": [value]}
