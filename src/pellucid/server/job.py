"""A job: long work in the background as its observers see it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Kind = Literal["upload", "reconstruction", "demo"]
State = Literal["queued", "running", "done", "failed", "cancelled"]
Result = dict[str, list[str]]
ENDED: frozenset[State] = frozenset({"done", "failed", "cancelled"})


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
