"""The worklist of unified procedure steps in the archive's database: items, subscriptions and events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

from pellucid.access import Caller
from pellucid.archive import Archive, Visible
from pellucid.dicomweb import work_items as items
from pellucid.dicomweb.answering import warning
from pellucid.dicomweb.attribute_matching import matches
from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.tables import WorkItemEventRow, WorkItemRow, WorkItemSubscriptionRow
from pellucid.dicomweb.work_items import CANCELED, COMPLETED, FINAL, IN_PROGRESS, SCHEDULED, Data

GLOBAL = "1.2.840.10008.5.1.4.34.5"
FILTERED = "1.2.840.10008.5.1.4.34.5.1"
"""Well-known UIDs of subscriptions to all work items, and to those that match a filter (PS3.4 section CC.2.3)."""

_EVENT_CLASS = "1.2.840.10008.5.1.4.34.6.4"
_KEPT_DAYS = 90
_KEPT_EVENTS = 10_000
_STATE_REPORT, _CANCEL_REQUESTED, _PROGRESS_REPORT, _ASSIGNED = 1, 2, 3, 5


class Worklist:
    """Work items as callers see them: those of studies that they see."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    # Items

    def create(self, given: Mapping[str, Any], uid: str | None, caller: Caller) -> str:
        """Keep a new work item; its UID. Raises `RequestError` 400, or 409 where there is one already."""
        item = items.new_item(given, uid)
        row = _row(item)
        self._require_visible_study(row.study_instance_uid, caller)
        with self._archive.writing() as session:
            if session.get(WorkItemRow, row.sop_instance_uid) is not None:
                raise RequestError(409, "there is a work item with this UID already")
            session.add(row)
            session.flush()
            _forget_old(session)
            _subscribe_to_new(session, row, item)
            _tell(session, row.sop_instance_uid, [_state_report(item)])
        return row.sop_instance_uid

    def get(self, uid: str, caller: Caller) -> Data:
        """A work item; raises `RequestError` 404."""
        with self._archive.reading() as session:
            return _attributes(_found(session, uid, caller))

    def find(self, filters: Mapping[str, str], caller: Caller, *, fuzzy: bool = False) -> Iterator[Data]:
        """The work items that match, the earliest first; `filters` by keyword or path of keywords."""
        conditions: list[ColumnElement[bool]] = list(_visible(caller))
        for keyword, column in (("ProcedureStepState", WorkItemRow.state), ("PatientID", WorkItemRow.patient_id)):
            value = filters.get(keyword, "")
            if value and not set(value) & set("*?\\,"):
                conditions.append(column == value)
        statement = select(WorkItemRow.attributes).where(*conditions)
        with self._archive.reading() as session:
            ordered = statement.order_by(WorkItemRow.start, WorkItemRow.sop_instance_uid)
            for text in session.scalars(ordered.execution_options(yield_per=500)):
                item = json.loads(text)
                if all(matches(item, keyword, value, fuzzy=fuzzy) for keyword, value in filters.items()):
                    yield item

    def update(self, uid: str, changes: Mapping[str, Any], transaction: str, caller: Caller) -> None:
        """Change attributes of a work item; one in progress only by whoever knows its transaction."""
        with self._archive.writing() as session:
            row = _found(session, uid, caller)
            if row.state in FINAL:
                raise RequestError(409, f"the work item is {row.state}")
            if row.state == IN_PROGRESS:
                _require_transaction(row, transaction)
            before = _attributes(row)
            after = items.updated(before, changes)
            _keep(row, after)
            _tell(session, uid, _reports_of_change(before, after))

    def change_state(self, uid: str, state: str, transaction: str, caller: Caller) -> str:
        """Change the state of a work item (table CC.1.1-2); a warning where it was in that state before."""
        if state not in (SCHEDULED, IN_PROGRESS, *FINAL):
            expected = f"expected {IN_PROGRESS}, {COMPLETED} or {CANCELED}"
            raise RequestError(400, f"ProcedureStepState: is {str(state)[:20]!r}; {expected}")
        if not transaction:
            raise RequestError(400, "TransactionUID: is missing")
        with self._archive.writing() as session:
            row = _found(session, uid, caller)
            if row.state != SCHEDULED:
                _require_transaction(row, transaction)
            if row.state == state and state in FINAL:
                return f"The UPS is already in the requested state of {state}."
            if (row.state, state) not in ((SCHEDULED, IN_PROGRESS), (IN_PROGRESS, COMPLETED), (IN_PROGRESS, CANCELED)):
                text = "The submitted request is inconsistent with the state of the UPS Instance."
                raise RequestError(409, f"a work item that is {row.state} cannot become {state}", warning([text]))
            item = _attributes(row)
            items.require_final(item, state)
            row.transaction_uid = transaction
            changed = items.with_state(item, state)
            _keep(row, changed)
            _tell(session, uid, [_state_report(changed)])
        return ""

    def request_cancellation(self, uid: str, reasons: Mapping[str, Any], caller: Caller) -> str:
        """Ask that a work item be canceled: done at once before it is begun, else its performer is told."""
        reasons = items.data_set_of(reasons)
        with self._archive.writing() as session:
            row = _found(session, uid, caller)
            if row.state == COMPLETED:
                raise RequestError(409, "the work item is completed already")
            if row.state == CANCELED:
                return f"The UPS is already in the requested state of {CANCELED}."
            item = _attributes(row)
            if row.state == SCHEDULED:
                changed = items.with_cancellation(items.with_state(item, CANCELED), reasons)
                _keep(row, changed)
                _tell(session, uid, [_state_report(changed)])
            else:
                _tell(session, uid, [_report(item, _CANCEL_REQUESTED, {**_named(reasons), **_requester(caller)})])
        return ""

    # Subscriptions

    def subscribe(
        self, uid: str, subscriber: str, caller: Caller, *, lock: bool, filters: Mapping[str, str] | None = None
    ) -> None:
        """Have events of a work item, or of all and those to come, kept for a subscriber."""
        with self._archive.writing() as session:
            _require_own(session, subscriber, caller)
            subscription = _subscription(subscriber, uid, caller, lock=lock, filters=filters)
            if uid not in (GLOBAL, FILTERED):
                row = _found(session, uid, caller)
                session.merge(subscription)
                _tell(session, uid, [_state_report(_attributes(row))], [subscriber])
                return
            session.merge(subscription)
            unfinished = select(WorkItemRow).where(WorkItemRow.state.not_in(FINAL), *_visible(caller))
            for row in session.scalars(unfinished):
                item = _attributes(row)
                if all(matches(item, keyword, value) for keyword, value in (filters or {}).items()):
                    session.merge(_subscription(subscriber, row.sop_instance_uid, caller, lock=lock))
                    _tell(session, row.sop_instance_uid, [_state_report(item)], [subscriber])

    def unsubscribe(self, uid: str, subscriber: str, caller: Caller) -> None:
        """End a subscription; that to all work items ends those to each."""
        with self._archive.writing() as session:
            _require_own(session, subscriber, caller)
            if session.get(WorkItemSubscriptionRow, (subscriber, uid)) is None and uid not in (GLOBAL, FILTERED):
                _found(session, uid, caller)
            mine = delete(WorkItemSubscriptionRow).where(WorkItemSubscriptionRow.subscriber == subscriber)
            everything = uid in (GLOBAL, FILTERED)
            session.execute(mine if everything else mine.where(WorkItemSubscriptionRow.work_item_uid == uid))

    def suspend(self, uid: str, subscriber: str, caller: Caller) -> None:
        """Work items to come are not subscribed to any more; those that are, stay so."""
        if uid not in (GLOBAL, FILTERED):
            raise RequestError(400, "only the subscription to all work items can be suspended")
        with self._archive.writing() as session:
            _require_own(session, subscriber, caller)
            row = session.get(WorkItemSubscriptionRow, (subscriber, uid))
            if row is None:
                raise RequestError(404, "there is no such subscription")
            session.delete(row)

    def events(self, subscriber: str, caller: Caller, *, after: int, limit: int = 100) -> list[tuple[int, str]]:
        """Number and report (JSON) of what a subscriber is to be told, beginning after a number."""
        statement = (
            select(WorkItemEventRow.id, WorkItemEventRow.report)
            .where(WorkItemEventRow.subscriber == subscriber, WorkItemEventRow.id > after)
            .order_by(WorkItemEventRow.id)
            .limit(limit)
        )
        with self._archive.reading() as session:
            _require_own(session, subscriber, caller)
            return [(number, report) for number, report in session.execute(statement)]

    def forget_events(self, subscriber: str, through: int) -> None:
        """The subscriber has been told everything up to a number."""
        with self._archive.writing() as session:
            told = WorkItemEventRow.subscriber == subscriber, WorkItemEventRow.id <= through
            session.execute(delete(WorkItemEventRow).where(*told))

    def _require_visible_study(self, study_uid: str, caller: Caller) -> None:
        if not caller.visible.everything and study_uid not in caller.visible.studies:
            view = self._archive.seen_by(caller.visible)
            if not study_uid or not view.instances(study_uid):
                raise RequestError(403, "a work item must name a study that you see")


def _visible(caller: Caller) -> list[ColumnElement[bool]]:
    return list(caller.visible.conditions(WorkItemRow.study_instance_uid))


def _found(session: Session, uid: str, caller: Caller) -> WorkItemRow:
    row = session.scalar(select(WorkItemRow).where(WorkItemRow.sop_instance_uid == uid, *_visible(caller)))
    if row is None:
        raise RequestError(404, "no such work item")
    return row


def _require_transaction(row: WorkItemRow, transaction: str) -> None:
    if not transaction:
        raise RequestError(400, "The Transaction UID is missing.", warning(["The Transaction UID is missing."]))
    if transaction != row.transaction_uid:
        raise RequestError(400, "The Transaction UID is incorrect.", warning(["The Transaction UID is incorrect."]))


def _require_own(session: Session, subscriber: str, caller: Caller) -> None:
    """A subscriber's name is whose it was first: nobody reads or ends what another subscribed to."""
    mine = WorkItemSubscriptionRow.subscriber == subscriber
    others = set(session.scalars(select(WorkItemSubscriptionRow.owner).where(mine))) - {_owner(caller)}
    if others:
        raise RequestError(403, "the subscriber is another's")


def _owner(caller: Caller) -> str:
    return f"{caller.kind} {caller.name}"


def _row(item: Data) -> WorkItemRow:
    row = WorkItemRow(sop_instance_uid=items.first(item, items.SOP_INSTANCE), transaction_uid="")
    _keep(row, item)
    return row


def _keep(row: WorkItemRow, item: Data) -> None:
    row.state = items.first(item, items.STATE)
    row.start = str(items.first(item, items.START))[:26]
    row.patient_id = str(items.first(item, "00100020"))
    row.study_instance_uid = items.study_of(item)
    row.attributes = items.as_text(item)
    row.changed = datetime.now(UTC).isoformat(timespec="seconds")


def _attributes(row: WorkItemRow) -> Data:
    item: Data = json.loads(row.attributes)
    return item


def _subscription(
    subscriber: str, uid: str, caller: Caller, *, lock: bool, filters: Mapping[str, str] | None = None
) -> WorkItemSubscriptionRow:
    seen = caller.visible
    visible = {"everything": seen.everything, "projects": sorted(seen.projects), "studies": sorted(seen.studies)}
    return WorkItemSubscriptionRow(
        subscriber=subscriber,
        work_item_uid=uid,
        deletion_lock=lock,
        filter=json.dumps(dict(filters or {})),
        owner=_owner(caller),
        visible=json.dumps(visible),
    )


def _subscribe_to_new(session: Session, row: WorkItemRow, item: Data) -> None:
    """Who subscribed to all work items is subscribed to a new one, where they see it and it matches."""
    everyone = WorkItemSubscriptionRow.work_item_uid.in_((GLOBAL, FILTERED))
    for one in session.scalars(select(WorkItemSubscriptionRow).where(everyone)).all():
        told = json.loads(one.visible)
        seen = Visible(
            everything=told["everything"], projects=frozenset(told["projects"]), studies=frozenset(told["studies"])
        )
        seeing = select(WorkItemRow.sop_instance_uid).where(
            WorkItemRow.sop_instance_uid == row.sop_instance_uid, *seen.conditions(WorkItemRow.study_instance_uid)
        )
        wanted = all(matches(item, keyword, value) for keyword, value in json.loads(one.filter).items())
        if wanted and session.scalar(seeing) is not None:
            copy = {"deletion_lock": one.deletion_lock, "owner": one.owner, "visible": one.visible, "filter": "{}"}
            uid = row.sop_instance_uid
            session.merge(WorkItemSubscriptionRow(subscriber=one.subscriber, work_item_uid=uid, **copy))
    session.flush()


def _tell(session: Session, uid: str, reports: Sequence[Data], subscribers: Sequence[str] | None = None) -> None:
    """Keep reports for those who subscribed to a work item, or for some of them; the oldest go where there are many."""
    if subscribers is None:
        mine = WorkItemSubscriptionRow.work_item_uid == uid
        subscribers = list(session.scalars(select(WorkItemSubscriptionRow.subscriber).where(mine)))
    created = datetime.now(UTC).isoformat(timespec="seconds")
    for subscriber in subscribers if reports else ():
        for report in reports:
            session.add(WorkItemEventRow(subscriber=subscriber, report=json.dumps(report), created=created))
        session.flush()
        newest = select(WorkItemEventRow.id).where(WorkItemEventRow.subscriber == subscriber)
        limit = session.scalar(newest.order_by(WorkItemEventRow.id.desc()).offset(_KEPT_EVENTS).limit(1))
        if limit is not None:
            old = WorkItemEventRow.subscriber == subscriber, WorkItemEventRow.id <= limit
            session.execute(delete(WorkItemEventRow).where(*old))


def _forget_old(session: Session) -> None:
    """Work items that ended long ago go, unless a subscriber holds a deletion lock."""
    before = (datetime.now(UTC) - timedelta(days=_KEPT_DAYS)).isoformat(timespec="seconds")
    locked = select(WorkItemSubscriptionRow.work_item_uid).where(WorkItemSubscriptionRow.deletion_lock)
    ended = select(WorkItemRow.sop_instance_uid).where(
        WorkItemRow.state.in_(FINAL), WorkItemRow.changed < before, WorkItemRow.sop_instance_uid.not_in(locked)
    )
    uids = list(session.scalars(ended.limit(500)))
    if uids:
        session.execute(delete(WorkItemSubscriptionRow).where(WorkItemSubscriptionRow.work_item_uid.in_(uids)))
        session.execute(delete(WorkItemRow).where(WorkItemRow.sop_instance_uid.in_(uids)))


def _report(item: Data, kind: int, content: Mapping[str, Any]) -> Data:
    """An event report (PS3.18 section 8.10.5, PS3.4 table CC.2.4-1)."""
    head = {
        "00000002": {"vr": "UI", "Value": [_EVENT_CLASS]},
        "00001000": {"vr": "UI", "Value": [items.first(item, items.SOP_INSTANCE)]},
        "00001002": {"vr": "US", "Value": [kind]},
    }
    return {**head, **content}


def _state_report(item: Data) -> Data:
    told = {tag: item[tag] for tag in (items.READINESS, items.STATE) if tag in item}
    progress = (item.get(items.PROGRESS, {}).get("Value") or [{}])[0]
    reasons = _named(progress) if items.first(item, items.STATE) == CANCELED else {}
    return _report(item, _STATE_REPORT, {**told, **reasons})


def _reports_of_change(before: Data, after: Data) -> list[Data]:
    reports = []
    if before.get(items.READINESS) != after.get(items.READINESS):
        reports.append(_state_report(after))
    if before.get(items.PROGRESS) != after.get(items.PROGRESS):
        reports.append(_report(after, _PROGRESS_REPORT, {items.PROGRESS: after[items.PROGRESS]}))
    assigned = [tag for tag in (items.STATIONS, items.PERFORMERS) if before.get(tag) != after.get(tag)]
    if assigned:
        reports.append(_report(after, _ASSIGNED, {tag: after[tag] for tag in assigned}))
    return reports


def _named(reasons: Mapping[str, Any]) -> dict[str, Any]:
    tags = ("00741238", "0074100E", "0074100A", "0074100C")
    return {tag: reasons[tag] for tag in tags if tag in reasons}


def _requester(caller: Caller) -> dict[str, Any]:
    return {"00741236": {"vr": "AE", "Value": [caller.name[:16]]}}
