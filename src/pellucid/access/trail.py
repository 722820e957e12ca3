"""The audit trail: append-only, each record chained to the one before, on the disk before the sink returns.

It is a SQLite file of its own beside the index: it outlives an index that is made anew from the objects, and writing
it waits for no transaction of the archive. Whoever can write the file could take records from its end or write the
whole chain anew; both show against an anchor (`head`) that was kept elsewhere, or the records that syslog received.
"""

from __future__ import annotations

import json
import queue
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pellucid.access.audit_event import AuditEvent, Outcome
from pellucid.access.audit_record import BEGINNING, AuditRecord, record_of
from pellucid.archive.unavailable import ArchiveUnavailableError
from pellucid.errors import InvalidInputError

_BUSY_S = 30.0
_AT_ONCE = 256
_SUMMARISED_S = 300.0
_REMEMBERED = 4096
_COLUMNS = "sequence, time, event, action, outcome, caller, kind, address, studies, detail, previous, digest"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    sequence INTEGER PRIMARY KEY, time TEXT NOT NULL, event TEXT NOT NULL, action TEXT NOT NULL,
    outcome INTEGER NOT NULL, caller TEXT NOT NULL, kind TEXT NOT NULL, address TEXT NOT NULL,
    studies TEXT NOT NULL, detail TEXT NOT NULL, previous TEXT NOT NULL, digest TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS ix_records_time ON records (time);
CREATE INDEX IF NOT EXISTS ix_records_caller ON records (caller);
CREATE TABLE IF NOT EXISTS subjects (value TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (value, sequence))
    WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS never_changed BEFORE UPDATE ON records BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS never_deleted BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'append-only'); END;
CREATE TRIGGER IF NOT EXISTS only_after BEFORE INSERT ON records
    WHEN NEW.sequence <> (SELECT COALESCE(MAX(sequence), 0) + 1 FROM records)
    BEGIN SELECT RAISE(ABORT, 'append-only'); END;
"""
# {_COLUMNS} is a constant; every value is bound.
_INSERT = f"INSERT INTO records ({_COLUMNS}) VALUES ({', '.join('?' * 12)})"  # noqa: S608
_SELECT = f"SELECT {_COLUMNS} FROM records"  # noqa: S608


class AuditTrailError(ArchiveUnavailableError):
    """The audit trail cannot be written; what was to be noted must not happen, and may later."""


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """The end of the trail at one moment: kept elsewhere, it shows later that nothing before it was changed."""

    sequence: int
    digest: str
    time: str


@dataclass(frozen=True, kw_only=True)
class AuditSearch:
    """Which records: those with all of what is given. `subject`: a Study Instance UID or a Patient ID.

    `since`, `until`: ISO 8601, or the beginning of it (the whole day); `before`: only those of a smaller number.
    """

    event: str = ""
    caller: str = ""
    subject: str = ""
    since: str = ""
    until: str = ""
    failures_only: bool = False
    before: int = 0
    limit: int = 100


class AuditTrail:
    """The trail in a file; safe for use from many threads and processes."""

    def __init__(self, file: Path) -> None:
        self.file = file
        try:
            with closing(self._connect()) as connection:
                connection.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise InvalidInputError(f"cannot be used as the audit trail ({error})", file=file) from error
        self._waiting: queue.SimpleQueue[tuple[AuditEvent, Future[None]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._writer: threading.Thread | None = None
        self._seen: OrderedDict[object, tuple[float, Future[None]]] = OrderedDict()

    def write(self, event: AuditEvent, complete: Callable[[AuditEvent], AuditEvent] = lambda event: event) -> None:
        """Append an event; it is on the disk when this returns. Raises `AuditTrailError`.

        Somebody's reading of the same studies is noted once in five minutes (A.5.3.4: a summary of the activity).
        `complete`: adds what must be looked up, to events that are written.
        """
        if event.action != "R" or not event.studies or event.outcome != Outcome.SUCCESS:
            self._appended(complete(event)).result()
            return
        noted, is_first = self._summary(_key(event))
        if not is_first:
            noted.result()  # whoever reads the same at the same time waits until the first of them is noted
            return
        try:
            self._appended(complete(event)).result()
        except BaseException as error:
            with self._lock:
                self._seen.pop(_key(event), None)
            noted.set_exception(error)
            raise
        noted.set_result(None)

    def close(self) -> None:
        """Write what waits, and stop; a later event starts anew."""
        with self._lock:
            writer, self._writer = self._writer, None
            if writer is not None:
                self._waiting.put(None)
        if writer is not None:
            writer.join()

    def search(self, search: AuditSearch) -> list[AuditRecord]:
        """The records that match, the newest first."""
        conditions, values = _conditions(search)
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        statement = f"{_SELECT}{where} ORDER BY sequence DESC LIMIT ?"
        with closing(self._connect()) as connection:
            return [_record(row) for row in connection.execute(statement, (*values, search.limit))]

    def after(self, sequence: int, limit: int = 1000) -> list[AuditRecord]:
        """The records after a number, the oldest first."""
        with closing(self._connect()) as connection:
            rows = connection.execute(f"{_SELECT} WHERE sequence > ? ORDER BY sequence LIMIT ?", (sequence, limit))
            return [_record(row) for row in rows]

    def head(self) -> Anchor:
        """The end of the trail now."""
        with closing(self._connect()) as connection:
            return _head(connection)

    def verify(self, anchors: Sequence[Anchor] = ()) -> Iterator[str]:
        """One line for everything that was changed, inserted or taken out; `anchors`: ends noted earlier."""
        expected = {anchor.sequence: anchor for anchor in anchors if anchor.sequence}
        previous, sequence = BEGINNING, 0
        while records := self.after(sequence):
            for record in records:
                yield from _faults(record, sequence + 1, previous)
                anchor = expected.pop(record.sequence, None)
                if anchor is not None and anchor.digest != record.digest:
                    yield f"record {record.sequence} is not the one that was anchored on {anchor.time}"
                previous, sequence = record.digest, record.sequence
        for anchor in expected.values():
            yield f"record {anchor.sequence}, anchored on {anchor.time}, is missing"

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.file, timeout=_BUSY_S, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    def _appended(self, event: AuditEvent) -> Future[None]:
        done: Future[None] = Future()
        with self._lock:
            if self._writer is None:
                self._writer = threading.Thread(target=self._run, name="audit trail", daemon=True)
                self._writer.start()
            self._waiting.put((event, done))
        return done

    def _summary(self, key: object) -> tuple[Future[None], bool]:
        """What becomes of the note that stands for a reading, and whether it must be written now."""
        now = time.monotonic()
        with self._lock:
            noted = self._seen.get(key)
            if noted is not None and now - noted[0] < _SUMMARISED_S:
                return noted[1], False
            done: Future[None] = Future()
            self._seen[key] = now, done
            self._seen.move_to_end(key)
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        return done, True

    def _run(self) -> None:
        """Write what waits, many events in one transaction: one wait for the disk for all."""
        with ExitStack() as opened:
            connection: sqlite3.Connection | None = None
            while (first := self._waiting.get()) is not None:
                batch, ends = [first], False
                while len(batch) < _AT_ONCE and not self._waiting.empty():
                    following = self._waiting.get()
                    if following is None:
                        ends = True
                        break
                    batch.append(following)
                with _told(batch):
                    if connection is None:  # opening takes room on the disk, of which there may be none yet
                        connection = opened.enter_context(closing(self._connect()))
                    _append(connection, [event for event, _ in batch])
                if ends:
                    return


@contextmanager
def _told(batch: list[tuple[AuditEvent, Future[None]]]) -> Iterator[None]:
    """Whoever waits for these events is told what became of them, whatever it was."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (it is raised where they wait)
        for _, done in batch:
            done.set_exception(AuditTrailError(f"the audit trail cannot be written ({type(error).__name__})"))
    else:
        for _, done in batch:
            done.set_result(None)


def _append(connection: sqlite3.Connection, events: list[AuditEvent]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        head = _head(connection)
        sequence, previous = head.sequence, head.digest
        for event in events:
            sequence += 1
            record = record_of(event, sequence=sequence, time=_now(), previous=previous)
            connection.execute(_INSERT, _row(record))
            subjects = {*record.studies, *record.studies.values()} - {""}
            connection.executemany("INSERT INTO subjects VALUES (?, ?)", [(value, sequence) for value in subjects])
            previous = record.digest
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _head(connection: sqlite3.Connection) -> Anchor:
    row = connection.execute("SELECT sequence, digest, time FROM records ORDER BY sequence DESC LIMIT 1").fetchone()
    return Anchor(sequence=row[0], digest=row[1], time=row[2]) if row else Anchor(sequence=0, digest=BEGINNING, time="")


def _faults(record: AuditRecord, sequence: int, previous: str) -> Iterator[str]:
    if record.sequence != sequence:
        yield f"records {sequence} to {record.sequence - 1} are missing"
    elif record.previous != previous:
        yield f"record {record.sequence} does not follow the one before it: one of them was inserted or exchanged"
    if record.digest != record.computed_digest():
        yield f"record {record.sequence} was changed"


def _conditions(search: AuditSearch) -> tuple[list[str], list[str | int]]:
    given: list[tuple[str, str | int]] = [
        ("event = ?", search.event),
        ("caller = ?", search.caller),
        ("sequence IN (SELECT sequence FROM subjects WHERE value = ?)", search.subject),
        ("time >= ?", search.since),
        ("time < ?", f"{search.until}~" if search.until else ""),
        ("sequence < ?", search.before),
    ]
    chosen = [(text, value) for text, value in given if value]
    failures = ["outcome <> 0"] if search.failures_only else []
    return [*(text for text, _ in chosen), *failures], [value for _, value in chosen]


def _key(event: AuditEvent) -> object:
    caller = event.caller
    return caller.name, caller.kind, caller.address, event.event, frozenset(event.studies)


def _row(record: AuditRecord) -> tuple[object, ...]:
    values = dict(vars(record))
    values["outcome"] = int(record.outcome)
    for name in ("studies", "detail"):
        values[name] = json.dumps(values[name], sort_keys=True)
    return tuple(values[name] for name in _COLUMNS.split(", "))


def _record(row: tuple[object, ...]) -> AuditRecord:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    values["outcome"] = _outcome(values["outcome"])
    for name in ("studies", "detail"):
        values[name] = _mapping(values[name])
    return AuditRecord(**values)  # type: ignore[arg-type]


def _outcome(value: object) -> object:
    try:
        return Outcome(value)  # type: ignore[arg-type]
    except ValueError:
        return value


def _mapping(text: object) -> dict[str, str]:
    """What was changed by hand may be no JSON any more; its digest will tell."""
    try:
        found = json.loads(str(text))
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"": str(text)}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
