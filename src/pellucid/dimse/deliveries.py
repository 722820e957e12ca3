"""What is to be delivered, kept in the database until it is: it survives the end of the process."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import delete, extract, func, select, update
from sqlalchemy.orm import Session

from pellucid.archive import Archive
from pellucid.dimse.tables import DeliveryClaimRow, DeliveryRow

Kind = Literal["store", "notify", "commit", "begin_step", "end_step"]
State = Literal["waiting", "failed"]
"""What was delivered, or cancelled, is no longer there."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 5.0, 3600.0
MOST_ATTEMPTS = 40
"""About a day and a half of trying."""


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One thing to deliver; `subject`: the UID of an instance, a performed step, a study, or a transaction."""

    id: int
    kind: Kind
    destination: str
    subject: str
    payload: Mapping[str, Any]
    state: State
    attempts: int
    next_attempt: float
    error: str
    created: float


def enqueue(
    session: Session, kind: Kind, destination: str, subject: str, payload: Mapping[str, Any] | None = None
) -> None:
    """Put something into the queue, within a transaction."""
    now = time.time()
    session.add(
        DeliveryRow(
            kind=kind,
            destination=destination,
            subject=subject,
            payload=json.dumps(dict(payload or {})),
            state="waiting",
            attempts=0,
            next_attempt=now,
            error="",
            created=now,
        )
    )


class Deliveries:
    """The queue."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def all(self, *, limit: int = 1000) -> list[Delivery]:
        """What waits or has failed, the oldest first."""
        with self._archive.reading() as session:
            return [
                _delivery(row) for row in session.scalars(select(DeliveryRow).order_by(DeliveryRow.id).limit(limit))
            ]

    def destinations_due(self, holder: str) -> list[str]:
        """Destinations for which something is to be tried now, and that nobody but `holder` has claimed."""
        due = select(DeliveryRow.destination).where(*_due()).distinct()
        with self._archive.reading() as session:
            claimed = select(DeliveryClaimRow.destination).where(
                DeliveryClaimRow.holder != holder, DeliveryClaimRow.expires > _now(session)
            )
            return list(session.scalars(due.where(DeliveryRow.destination.not_in(claimed))))

    def claim(self, destination: str, holder: str, lease_s: float) -> bool:
        """Deliver to a destination alone, for so long [s] or until `release`; False where another does."""
        with self._archive.writing() as session:
            now = _now(session)
            row = session.get(DeliveryClaimRow, destination)
            if row is not None and row.holder != holder and row.expires > now:
                return False
            session.merge(DeliveryClaimRow(destination=destination, holder=holder, expires=now + lease_s))
            return True

    def renew(self, destination: str, holder: str, lease_s: float) -> None:
        """Keep a claim, where it is still there, for so long from now [s]."""
        with self._archive.writing() as session:
            kept = update(DeliveryClaimRow).where(*_claim_of(destination, holder))
            session.execute(kept.values(expires=_now(session) + lease_s))

    def release(self, destination: str, holder: str) -> None:
        """Give a claim back."""
        with self._archive.writing() as session:
            session.execute(delete(DeliveryClaimRow).where(*_claim_of(destination, holder)))

    def due(self, destination: str, *, limit: int) -> list[Delivery]:
        """What is to be tried now for one destination, the oldest first."""
        chosen = select(DeliveryRow).where(DeliveryRow.destination == destination, *_due())
        with self._archive.reading() as session:
            return [_delivery(row) for row in session.scalars(chosen.order_by(DeliveryRow.id).limit(limit))]

    def has(self, kind: Kind, subject: str) -> bool:
        """Whether something of a kind waits, or has failed."""
        chosen = select(DeliveryRow.id).where(DeliveryRow.kind == kind, DeliveryRow.subject == subject)
        with self._archive.reading() as session:
            return session.scalar(chosen.limit(1)) is not None

    def settle(self, results: Mapping[int, str]) -> None:
        """Note the outcome of attempts: an empty text means delivered, any other why not."""
        done = [number for number, error in results.items() if not error]
        with self._archive.writing() as session:
            session.execute(delete(DeliveryRow).where(DeliveryRow.id.in_(done)))
            for number, error in results.items():
                row = session.get(DeliveryRow, number) if error else None
                if row is not None:
                    row.attempts += 1
                    row.error = error[:500]
                    row.next_attempt = time.time() + pause_after(row.attempts)
                    row.state = "failed" if row.attempts >= MOST_ATTEMPTS else "waiting"

    def cancel(self, numbers: Iterable[int] | None = None) -> int:
        """Remove these (None: all); how many."""
        chosen = delete(DeliveryRow)
        if numbers is not None:
            chosen = chosen.where(DeliveryRow.id.in_(list(numbers)))
        with self._archive.writing() as session:
            return int(getattr(session.execute(chosen), "rowcount", 0))

    def retry(self, numbers: Iterable[int] | None = None) -> int:
        """Try these (None: all) again at once; how many."""
        chosen = update(DeliveryRow).values(state="waiting", next_attempt=time.time(), attempts=0)
        if numbers is not None:
            chosen = chosen.where(DeliveryRow.id.in_(list(numbers)))
        with self._archive.writing() as session:
            return int(getattr(session.execute(chosen), "rowcount", 0))


def pause_after(attempts: int) -> float:
    """Twice as long after each attempt [s]."""
    return float(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** (attempts - 1)))


def _claim_of(destination: str, holder: str) -> tuple[Any, ...]:
    return DeliveryClaimRow.destination == destination, DeliveryClaimRow.holder == holder


def _now(session: Session) -> float:
    """The database's clock, which all processes share: those of their machines may differ."""
    if session.get_bind().dialect.name == "postgresql":
        return float(session.scalar(select(extract("epoch", func.clock_timestamp()))) or 0.0)
    return time.time()


def _due() -> tuple[Any, ...]:
    return DeliveryRow.state == "waiting", DeliveryRow.next_attempt <= time.time()


def _delivery(row: DeliveryRow) -> Delivery:
    values: dict[str, Any] = {name: getattr(row, name) for name in Delivery.__dataclass_fields__}
    return Delivery(**{**values, "payload": json.loads(row.payload)})
