"""Long work in the background: a queue, worker threads, progress, cancellation, and a bounded memory of what was."""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from pellucid.errors import CancelledError, InvalidInputError, PellucidError
from pellucid.progress import Progress
from pellucid.server.security import log_without_values

Kind = Literal["upload", "reconstruction", "demo"]
State = Literal["queued", "running", "done", "failed", "cancelled"]
Result = dict[str, list[str]]
Work = Callable[[Progress], Result]
ENDED: frozenset[State] = frozenset({"done", "failed", "cancelled"})
_MAXIMUM_QUEUED = 1000


@dataclass(frozen=True)
class Job:
    """The state of a job at one moment; `created` is UTC, ISO 8601; `fraction` 0 … 1."""

    id: str
    kind: Kind
    title: str
    state: State
    fraction: float
    message: str
    error: str | None
    created: str
    result: Result | None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED

    def to_json(self) -> dict[str, Any]:
        """For the programming interface."""
        return asdict(self)


@dataclass
class _Entry:
    job: Job
    work: Work
    cleanup: Callable[[], None]
    cancelled: threading.Event = field(default_factory=threading.Event)


def _no_work(progress: Progress) -> Result:  # noqa: ARG001
    return {}


def _no_cleanup() -> None:
    pass


class JobRunner:
    """Runs jobs in the order they come, `workers` at a time; remembers the last `history` that ended.

    A job's work stores at its end, in one transaction: cancelled or failed work leaves nothing. Cancelling takes
    effect at the work's next progress report.
    """

    def __init__(self, *, workers: int = 1, history: int = 200) -> None:
        self._history = history
        self._entries: dict[str, _Entry] = {}
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, name=f"job-{n}", daemon=True) for n in range(workers)]
        self.stopping = threading.Event()

    def start(self) -> None:
        """Start working."""
        for thread in self._threads:
            if thread.ident is None:
                thread.start()

    def submit(self, kind: Kind, title: str, work: Work, *, cleanup: Callable[[], None] = _no_cleanup) -> Job:
        """Queue work; `cleanup` is called when it has ended, whether it ran or not."""
        job = Job(
            id=uuid.uuid4().hex,
            kind=kind,
            title=title,
            state="queued",
            fraction=0.0,
            message="",
            error=None,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            result=None,
        )
        with self._lock:
            waiting = sum(not entry.job.ended for entry in self._entries.values())
            if self.stopping.is_set() or waiting >= _MAXIMUM_QUEUED:
                refused = True
            else:
                refused = False
                self._entries[job.id] = _Entry(job, work, cleanup)
                self._forget()
        if refused:
            cleanup()
            raise InvalidInputError("is full or the server is stopping; try again later", field="job queue")
        self._queue.put(job.id)
        return job

    def get(self, job_id: str) -> Job | None:
        """A job as it is now."""
        entry = self._entries.get(job_id)
        return entry.job if entry else None

    def all(self) -> list[Job]:
        """All jobs that are remembered, the newest first."""
        with self._lock:
            return [entry.job for entry in reversed(self._entries.values())]

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
        return entry.job

    def stop(self) -> None:
        """Cancel everything and take no more; returns at once."""
        self.stopping.set()
        for job in self.all():
            if not job.ended:
                self.cancel(job.id)
        for _ in self._threads:
            self._queue.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait for the workers to end after `stop`."""
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(timeout_s)

    def _run(self) -> None:
        while (job_id := self._queue.get()) is not None:
            entry = self._entries.get(job_id)
            if entry is None or not self._begin(entry):
                continue
            changes = self._outcome(entry)
            self._clean_up(entry)
            self._change(entry, **changes)
            del entry

    def _begin(self, entry: _Entry) -> bool:
        with self._lock:
            if entry.job.state != "queued":
                return False
            entry.job = replace(entry.job, state="running")
            return True

    def _outcome(self, entry: _Entry) -> dict[str, Any]:
        def progress(fraction: float, message: str = "", preview: Any = None) -> None:  # noqa: ARG001
            if entry.cancelled.is_set():
                raise CancelledError("cancelled")
            done = min(1.0, max(entry.job.fraction, fraction))
            self._change(entry, fraction=done, message=message or entry.job.message)

        try:
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

    def _change(self, entry: _Entry, **changes: Any) -> None:
        with self._lock:
            entry.job = replace(entry.job, **changes)

    def _forget(self) -> None:
        """Under the lock: drop the oldest ended jobs beyond the history."""
        ended = [job_id for job_id, entry in self._entries.items() if entry.job.ended]
        for job_id in ended[: max(0, len(ended) - self._history)]:
            del self._entries[job_id]


def _one_line(text: str) -> str:
    return " ".join(text.split())
