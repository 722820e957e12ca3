"""Jobs on disk, one small file each, so that they are known after a restart."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pellucid.server.job import Job
from pellucid.server.security import log_without_values

INTERRUPTED = "interrupted by a restart"


@dataclass(frozen=True)
class _Kept:
    """A job, and the process it belongs to."""

    process: str
    job: Job


_FORM = TypeAdapter(_Kept)


class JobMemory:
    """The jobs of one data folder.

    `process`: name of this process; `is_alive(name)`: whether a process that is called so is at work on the folder.
    What cannot be written or read is passed over: a job never fails because it cannot be remembered.
    """

    def __init__(self, folder: Path, process: str, is_alive: Callable[[str], bool]) -> None:
        self._folder = folder
        self._process = process
        self._is_alive = is_alive

    def keep(self, job: Job) -> None:
        """Remember a job as it is now."""
        try:
            self._folder.mkdir(exist_ok=True)
            new = self._file(job.id, ".new")
            new.write_text(json.dumps(asdict(_Kept(self._process, job))))
            new.replace(self._file(job.id))
        except OSError as error:
            log_without_values(error)

    def forget(self, job_id: str) -> None:
        """Remember a job no longer."""
        with suppress(OSError):
            self._file(job_id).unlink(missing_ok=True)

    def recall(self) -> list[Job]:
        """The jobs of processes that have ended, the oldest first; those that had not ended have failed now."""
        found = []
        for file in self._folder.glob("*.json"):
            kept = _read(file)
            if kept is None or kept.job.id != file.stem or (not kept.job.ended and self._is_alive(kept.process)):
                continue
            job = kept.job
            if not job.ended:
                job = replace(job, state="failed", message="", error=INTERRUPTED)
                self.keep(job)
            found.append(job)
        return sorted(found, key=lambda job: job.created)

    def _file(self, job_id: str, end: str = "") -> Path:
        return self._folder / f"{job_id}.json{end}"


def _read(file: Path) -> _Kept | None:
    """Nothing where the file was cut off or is no job."""
    try:
        return _FORM.validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None
