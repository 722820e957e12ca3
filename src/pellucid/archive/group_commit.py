"""Transactions of several callers put together: who comes while one is being committed is part of the next."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Lock

from sqlalchemy.orm import Session

from pellucid.archive.unavailable import ArchiveUnavailableError

Work = Callable[[Session], None]
"""What a caller writes."""


@dataclass(eq=False)
class _Entry:
    work: Work
    done: bool = False
    error: Exception | None = None


class GroupCommit:
    """One transaction, and one wait for the disk, for all who come at the same time.

    Each caller's work is all or nothing by itself (a savepoint); nobody returns before the commit.
    """

    def __init__(self, transaction: Callable[[], AbstractContextManager[Session]]) -> None:
        self._transaction = transaction
        self._waiting: list[_Entry] = []
        self._list, self._turn = Lock(), Lock()

    def run(self, work: Work) -> None:
        """Do `work` within a transaction; returns when it is committed, raises what it raises or why it is not."""
        entry = _Entry(work)
        with self._list:
            self._waiting.append(entry)
        with self._turn:
            if not entry.done:
                with self._list:
                    entries, self._waiting = self._waiting, []
                self._commit(entries)
        if entry.error is not None:
            raise entry.error

    def _commit(self, entries: list[_Entry]) -> None:
        try:
            with self._transaction() as session:
                for entry in entries:
                    if len(entries) == 1:
                        entry.work(session)
                    else:
                        _try(session, entry)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is raised where the callers wait)
            self._end(entries, error)
        except BaseException:
            self._end(entries, ArchiveUnavailableError("the archive was interrupted; try again later"))
            raise
        else:
            self._end(entries, None)

    @staticmethod
    def _end(entries: list[_Entry], error: Exception | None) -> None:
        for entry in entries:
            entry.error = entry.error or error
            entry.done = True


def _try(session: Session, entry: _Entry) -> None:
    """One of several: its error is its own."""
    savepoint = session.connection().begin_nested()
    try:
        entry.work(session)
        session.flush()
    except Exception as error:  # noqa: BLE001 (whatever it is, it is raised where the caller waits)
        entry.error = error
        session.expunge_all()
        savepoint.rollback()
    else:
        savepoint.commit()
