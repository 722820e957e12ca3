"""Progress and cancellation: long work calls one function; that function may stop the work by raising."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Called by long work as it advances.

    Raising `pellucid.errors.CancelledError` from the call stops the work; the work leaves nothing half-done.
    """

    def __call__(self, fraction: float, message: str = "", preview: Any = None) -> None:
        """Report that `fraction` (0 … 1) is done; `preview` is an intermediate Image, where there is one."""


def no_progress(fraction: float, message: str = "", preview: Any = None) -> None:
    """Report nothing."""


def part(progress: Progress, start: float, stop: float) -> Progress:
    """Progress of a step that fills `start` … `stop` of the whole."""

    def report(fraction: float, message: str = "", preview: Any = None) -> None:
        progress(start + (stop - start) * fraction, message, preview)

    return report


def track(items: Iterable[T], progress: Progress, message: str = "", *, total: int | None = None) -> Iterator[T]:
    """Yield `items`, reporting after each one; `total` is needed where the items have no length."""
    count = total if total is not None else len(items) if isinstance(items, Sized) else 0
    progress(0.0, message)
    for index, item in enumerate(items):
        yield item
        progress(min(1.0, (index + 1) / count) if count else 0.0, message)
