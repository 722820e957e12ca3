"""A job: long work in the background as its observers see it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["upload", "reconstruction", "demo", "capture"]
State = Literal["queued", "running", "done", "failed", "cancelled"]
Result = dict[str, list[str]]
ENDED: frozenset[State] = frozenset({"done", "failed", "cancelled"})


@dataclass(frozen=True)
class Job:
    """The state of a job at one moment; `created` is UTC, ISO 8601; `fraction` 0 … 1.

    `owner`: who started it (empty: who uses the machine without accounts); `studies`: what it is about.
    """

    id: str
    kind: Kind
    title: str
    state: State
    fraction: float
    message: str
    error: str | None
    created: str
    result: Result | None
    owner: str = ""
    studies: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED

    def to_json(self) -> dict[str, Any]:
        """For the programming interface."""
        return {name: value for name, value in asdict(self).items() if name not in ("owner", "studies")}
