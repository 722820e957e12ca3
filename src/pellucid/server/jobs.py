"""Long work in the background: two lanes of workers, progress, cancellation, and a bounded memory of what was."""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any, Literal

from pellucid.access.door import through
from pellucid.errors import CancelledError, InvalidInputError, PellucidError
from pellucid.progress import Progress
from pellucid.server.job import Job, Kind, Result
from pellucid.server.job_memory import JobMemory
from pellucid.server.security import log_without_values

Work = Callable[[Progress], Result]
Question = Callable[[Progress], bool]
Lane = Literal["short", "long"]
_MAXIMUM_QUEUED = 1000


@dataclass
class _Entry:
    job: Job
    work: Work
    cleanup: Callable[[], None]
    takes_long: Question | None
    """To be asked in the short lane; None: the job is in the long one."""
    turn: int
    cancelled: threading.Event = field(default_factory=threading.Event)

    @property
    def lane(self) -> Lane:
        return "long" if self.takes_long is None else "short"


def _no_work(progress: Progress) -> Result:  # noqa: ARG001
    return {}


def _no_cleanup() -> None:
    pass


def _no(progress: Progress) -> bool:  # noqa: ARG001
    return False


class JobRunner:
    """Runs jobs in the order they come; remembers the last `history` that ended, in `memory` beyond the process.

    There are two lanes, so that what is quick does not wait for what is long: `workers` jobs at a time run in the
    long one, and beside them one in the short one.

    A job's work stores at its end, in one transaction: cancelled or failed work leaves nothing. Cancelling takes
    effect at the work's next progress report.
    """

    def __init__(self, *, workers: int = 1, history: int = 200, memory: JobMemory | None = None) -> None:
        self._history = history
        self._memory = memory
        self._workers: dict[Lane, int] = {"long": workers, "short": 1}
        self._queues: dict[Lane, queue.SimpleQueue[str | None]] = {lane: queue.SimpleQueue() for lane in self._workers}
        self._turns = count()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(lane,), name=f"job-{lane}-{n}", daemon=True)
            for lane, workers in self._workers.items()
            for n in range(workers)
        ]
        self.stopping = threading.Event()
        self._entries = {
            job.id: _Entry(job, _no_work, _no_cleanup, None, next(self._turns))
            for job in (memory.recall() if memory else [])
        }
        self._forget()

    def start(self) -> None:
        """Start working."""
        for thread in self._threads:
            if thread.ident is None:
                thread.start()

    def submit(
        self,
        kind: Kind,
        title: str,
        work: Work,
        *,
        takes_long: Question | None = None,
        cleanup: Callable[[], None] = _no_cleanup,
        owner: str = "",
        studies: tuple[str, ...] = (),
    ) -> Job:
        """Queue work; `cleanup` is called when it has ended, whether it ran or not.

        `takes_long`: work of the short lane that says whether the rest must wait for the long one; without it the
        job is a long one.
        """
        job = Job(
            id=uuid.uuid4().hex,
            kind=kind,
            title=title,
            state="queued",
            fraction=0.0,
            message="",
            error=None,
            created=datetime.now(UTC).isoformat(timespec="milliseconds"),
            result=None,
            owner=owner,
            studies=studies,
        )
        with self._lock:
            if self.stopping.is_set() or self._unfinished() >= _MAXIMUM_QUEUED:
                refused = True
            else:
                refused = False
                entry = _Entry(job, work, cleanup, takes_long, next(self._turns))
                self._entries[job.id] = entry
                self._forget()
        if refused:
            cleanup()
            raise InvalidInputError("is full or the server is stopping; try again later", field="job queue")
        self._remember(job)
        self._queues[entry.lane].put(job.id)
        return self.get(job.id) or job

    def get(self, job_id: str) -> Job | None:
        """A job as it is now."""
        with self._lock:
            entry = self._entries.get(job_id)
            return self._shown(entry) if entry else None

    def all(self) -> list[Job]:
        """All jobs that are remembered, the newest first."""
        with self._lock:
            return [self._shown(entry) for entry in reversed(self._entries.values())]

    @property
    def most_unfinished(self) -> int:
        """How many jobs may wait or run."""
        return _MAXIMUM_QUEUED

    def unfinished(self) -> int:
        """How many jobs wait or run."""
        with self._lock:
            return self._unfinished()

    def cancel(self, job_id: str) -> Job | None:
        """Ask a job to stop; as it is now."""
        with self._lock:
            entry = self._entries.get(job_id)
            if entry is None:
                return None
            entry.cancelled.set()
            waiting = entry.job.state == "queued"
            if waiting:
                entry.job = replace(entry.job, state="cancelled", message="cancelled")
        if waiting:
            self._clean_up(entry)
            self._remember(entry.job)
        return entry.job

    def stop(self) -> None:
        """Cancel everything and take no more; returns at once."""
        self.stopping.set()
        for job in self.all():
            if not job.ended:
                self.cancel(job.id)
        for lane, workers in self._workers.items():
            for _ in range(workers):
                self._queues[lane].put(None)

    def join(self, timeout_s: float) -> None:
        """Wait for the workers to end after `stop`."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout_s)

    def _unfinished(self) -> int:
        return sum(not entry.job.ended for entry in self._entries.values())

    def _shown(self, entry: _Entry) -> Job:
        """Under the lock: the job; one that waits says for what."""
        if entry.job.state != "queued":
            return entry.job
        lane = [other for other in self._entries.values() if other.lane == entry.lane]
        running = [other.job.title for other in lane if other.job.state == "running"]
        if len(running) < self._workers[entry.lane]:
            return entry.job
        ahead = len(running) - 1 + sum(other.job.state == "queued" and other.turn < entry.turn for other in lane)
        return replace(entry.job, message=f"waiting for: {running[0]}" + (f" and {ahead} more" if ahead else ""))

    def _run(self, lane: Lane) -> None:
        while (job_id := self._queues[lane].get()) is not None:
            entry = self._entries.get(job_id)
            if entry is None or not self._begin(entry):
                continue
            self._remember(entry.job)
            changes = self._outcome(entry)
            if changes is None:
                self._wait_for_long_lane(entry)
                continue
            self._clean_up(entry)
            self._change(entry, **changes)
            self._remember(entry.job)
            del entry

    def _begin(self, entry: _Entry) -> bool:
        with self._lock:
            if entry.job.state != "queued":
                return False
            entry.job = replace(entry.job, state="running")
            return True

    def _wait_for_long_lane(self, entry: _Entry) -> None:
        with self._lock:
            entry.takes_long, entry.turn = None, next(self._turns)
            entry.job = replace(entry.job, state="queued", message="")
        if entry.cancelled.is_set():
            # Whoever cancelled it saw it running.
            self.cancel(entry.job.id)
            return
        self._queues["long"].put(entry.job.id)

    def _outcome(self, entry: _Entry) -> dict[str, Any] | None:
        """What the end of the work changes; None where it goes on in the long lane."""

        def progress(fraction: float, message: str = "", preview: Any = None) -> None:  # noqa: ARG001
            if entry.cancelled.is_set():
                raise CancelledError("cancelled")
            done = min(1.0, max(entry.job.fraction, fraction))
            self._change(entry, fraction=done, message=message or entry.job.message)

        try:
            if entry.takes_long is not None and entry.takes_long(progress):
                return None
            with through(entry.job.kind):
                return {"state": "done", "fraction": 1.0, "result": entry.work(progress)}
        except CancelledError:
            return {"state": "cancelled", "message": "cancelled"}
        except PellucidError as error:
            return {"state": "failed", "error": _one_line(str(error))}
        except MemoryError:
            return {"state": "failed", "error": "there is not enough memory for this"}
        except Exception as error:  # noqa: BLE001 (a worker must survive any job)
            log_without_values(error)
            return {"state": "failed", "error": f"internal error ({type(error).__name__})"}

    def _clean_up(self, entry: _Entry) -> None:
        try:
            entry.cleanup()
        except Exception as error:  # noqa: BLE001 (a worker must survive any job)
            log_without_values(error)
        # The work may hold a signal of a gigabyte; its job is remembered for long.
        entry.work, entry.cleanup = _no_work, _no_cleanup
        if entry.takes_long is not None:
            entry.takes_long = _no

    def _change(self, entry: _Entry, **changes: Any) -> None:
        with self._lock:
            entry.job = replace(entry.job, **changes)

    def _forget(self) -> None:
        """Under the lock: drop the oldest ended jobs beyond the history."""
        ended = [job_id for job_id, entry in self._entries.items() if entry.job.ended]
        for job_id in ended[: max(0, len(ended) - self._history)]:
            del self._entries[job_id]
            if self._memory is not None:
                self._memory.forget(job_id)

    def _remember(self, job: Job) -> None:
        if self._memory is not None:
            self._memory.keep(job)


def _one_line(text: str) -> str:
    return " ".join(text.split())
