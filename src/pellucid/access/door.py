"""Through which door something comes in: noted where it comes in, read where it is counted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_DOOR: ContextVar[str] = ContextVar("door", default="program")


def door() -> str:
    """The door of what is being done now: "stow", "dimse", a kind of job, or "program"."""
    return _DOOR.get()


@contextmanager
def through(name: str) -> Iterator[None]:
    """What is done in the block, and in threads that take over its context, comes through this door."""
    token = _DOOR.set(name)
    try:
        yield
    finally:
        _DOOR.reset(token)
