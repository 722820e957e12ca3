"""What was noted to be transcoded (`transcoding_rules`) is done in the background, and tried again where it failed."""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import delete, func, select, update

from pellucid.archive.archive import Archive
from pellucid.archive.transcoding import ChangedMeanwhileError, Transcoder
from pellucid.archive.transcoding_rules import text_of
from pellucid.archive.transcoding_tables import TranscodingRow
from pellucid.codecs import NotLosslessError
from pellucid.errors import PellucidError, UnsupportedError

log = logging.getLogger("pellucid.archive.transcoding")

_POLL_SECONDS = 1.0
_LEASE = timedelta(minutes=10)
_RETRY = timedelta(seconds=30)
_MOST_ATTEMPTS = 8
_GRACE_SECONDS = 30.0


class TranscodingQueue:
    """Works through what was noted, in a thread of its own; several processes may share the work."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._transcoders = {
            keep: Transcoder(archive, keep_original=keep, grace_seconds=_GRACE_SECONDS) for keep in (False, True)
        }

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
            .where(TranscodingRow.refused.is_(False), TranscodingRow.not_before <= text_of(now))
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
            .values(not_before=text_of(now + _LEASE), attempts=row.attempts + 1)
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
        self._change(task.id, refused=task.attempts + 1 >= _MOST_ATTEMPTS, error=reason, not_before=text_of(later))

    def _change(self, task_id: int, **values: Any) -> None:
        with self._archive.writing() as session:
            session.execute(update(TranscodingRow).where(TranscodingRow.id == task_id).values(**values))
