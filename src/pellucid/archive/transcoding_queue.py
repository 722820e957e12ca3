"""Rules that transcode what arrives: noted in the transaction that stores it, done afterwards, tried again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from pellucid.archive.archive import Archive
from pellucid.archive.batch import Stored
from pellucid.archive.query import Query
from pellucid.archive.schema import InstanceRow
from pellucid.archive.transcoding import ChangedMeanwhileError, Transcoder
from pellucid.archive.transcoding_tables import TranscodingRow
from pellucid.codecs import NotLosslessError
from pellucid.codecs.syntaxes import require_known
from pellucid.errors import InvalidInputError, PellucidError, UnsupportedError

log = logging.getLogger("pellucid.archive.transcoding")

_POLL_SECONDS = 1.0
_LEASE = timedelta(minutes=10)
_RETRY = timedelta(seconds=30)
_MOST_ATTEMPTS = 8
_GRACE_SECONDS = 30.0
_CHUNK = 500


@dataclass(frozen=True, kw_only=True)
class TranscodingRule:
    """What arrives and matches `where` (DICOM keywords, as a query writes them) becomes `to` (a UID)."""

    to: str
    where: Mapping[str, str] = field(default_factory=dict)
    keep_original: bool = False

    def __post_init__(self) -> None:
        require_known(self.to)
        unsupported = Query("instance", dict(self.where)).unsupported
        if unsupported:
            raise InvalidInputError("cannot be matched", field=f"transcoding rule: {', '.join(unsupported)}")


class TranscodingQueue:
    """Works through what the rules ask for, in a thread of its own; several processes may share the work."""

    def __init__(self, archive: Archive, rules: Sequence[TranscodingRule] = ()) -> None:
        self._archive = archive
        self._rules = tuple(rules)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._transcoders = {
            keep: Transcoder(archive, keep_original=keep, grace_seconds=_GRACE_SECONDS) for keep in (False, True)
        }
        if self._rules:
            archive.on_store.append(self.on_store)

    def start(self) -> None:
        """Begin to work."""
        self._thread = threading.Thread(target=self._work, name="transcoding queue", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the instance at hand, and stop; what waits goes on waiting."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        for transcoder in self._transcoders.values():
            transcoder.drop_originals(all_of_them=True)

    def on_store(self, session: Session, stored: Sequence[Stored]) -> None:
        """Note what the rules ask for; the first rule that matches an instance is its rule."""
        left = [one.sop_instance_uid for one in stored if one.new]
        for rule in self._rules:
            matched = set(_matching(session, rule, left))
            now = _now()
            session.add_all(
                TranscodingRow(
                    sop_instance_uid=uid,
                    transfer_syntax_uid=rule.to,
                    keep_original=rule.keep_original,
                    refused=False,
                    attempts=0,
                    not_before=now,
                    error="",
                )
                for uid in left
                if uid in matched
            )
            left = [uid for uid in left if uid not in matched]

    def waiting(self) -> int:
        """How many instances wait."""
        with self._archive.reading() as session:
            return session.scalar(select(func.count(TranscodingRow.id)).where(TranscodingRow.refused.is_(False))) or 0

    def step(self) -> bool:
        """Do one instance whose time has come; False where there is none."""
        task = self._claim()
        if task is None:
            return False
        transcoder = self._transcoders[task.keep_original]
        try:
            transcoder.transcode(task.sop_instance_uid, task.transfer_syntax_uid)
        except ChangedMeanwhileError:
            self._finish(task.id)
        except (UnsupportedError, NotLosslessError) as error:
            self._refuse(task.id, str(error))
        except (PellucidError, OSError) as error:
            self._fail(task, str(error))
        else:
            self._finish(task.id)
        return True

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                busy = self.step()
            except PellucidError as error:  # the database is away
                log.warning("transcoding waits: %s", error)
                busy = False
            for transcoder in self._transcoders.values():
                transcoder.drop_originals()
            if not busy:
                self._stop.wait(_POLL_SECONDS)

    def _claim(self) -> Any:
        """The one that waits longest; nobody else takes it for ten minutes."""
        now = datetime.now(UTC)
        ready = (
            select(TranscodingRow)
            .where(TranscodingRow.refused.is_(False), TranscodingRow.not_before <= _text(now))
            .order_by(TranscodingRow.not_before, TranscodingRow.id)
            .limit(1)
        )
        with self._archive.reading() as session:
            row = session.scalar(ready)
            if row is None:
                return None
            session.expunge(row)
        mine = (
            update(TranscodingRow)
            .where(TranscodingRow.id == row.id, TranscodingRow.not_before == row.not_before)
            .values(not_before=_text(now + _LEASE), attempts=row.attempts + 1)
        )
        with self._archive.writing() as session:
            taken: Any = session.execute(mine)
            return row if taken.rowcount == 1 else None

    def _finish(self, task_id: int) -> None:
        with self._archive.writing() as session:
            session.execute(delete(TranscodingRow).where(TranscodingRow.id == task_id))

    def _refuse(self, task_id: int, reason: str) -> None:
        self._change(task_id, refused=True, error=reason)

    def _fail(self, task: Any, reason: str) -> None:
        """Again later, each time after twice as long."""
        later = datetime.now(UTC) + _RETRY * 2**task.attempts
        log.warning("an instance was not transcoded (attempt %d)", task.attempts + 1)
        self._change(task.id, refused=task.attempts + 1 >= _MOST_ATTEMPTS, error=reason, not_before=_text(later))

    def _change(self, task_id: int, **values: Any) -> None:
        with self._archive.writing() as session:
            session.execute(update(TranscodingRow).where(TranscodingRow.id == task_id).values(**values))


def _matching(session: Session, rule: TranscodingRule, sop_uids: Sequence[str]) -> Iterator[str]:
    statement: Any = Query("instance", dict(rule.where)).statement().with_only_columns(InstanceRow.sop_instance_uid)
    wanted = statement.order_by(None).where(InstanceRow.transfer_syntax_uid != rule.to, InstanceRow.pixel_tag != "")
    for start in range(0, len(sop_uids), _CHUNK):
        part = sop_uids[start : start + _CHUNK]
        yield from session.scalars(wanted.where(InstanceRow.sop_instance_uid.in_(part)))


def _now() -> str:
    return _text(datetime.now(UTC))


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
