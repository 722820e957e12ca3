"""What a user waits for: the address, the whole demonstration, and the address at the next start."""

from __future__ import annotations

import atexit
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from benchmarks import Target
from benchmarks.demonstration import DONE, Demonstration
from benchmarks.server_task import Measured, ServerTask
from benchmarks.servers import Server

_LONGEST_S = 900.0


class NewDemonstration(Demonstration):
    """On a machine where Pellucid has just been installed: no loop is compiled yet."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "NUMBA_CACHE_DIR": str(self.folder / "kernels")}


def tasks() -> list[ServerTask]:
    rows = (
        ("address", "make run, first start: until the address is there", 20.0),
        ("demonstration", "make run, first start: until the demonstration patient is complete", 180.0),
        ("again", "make run, later starts: until the address is there", 5.0),
    )
    return [
        ServerTask(name, title, measured(name), started, (NewDemonstration,), (Target("wall seconds", limit),), 1)
        for name, title, limit in rows
    ]


@contextmanager
def started(kind: type[Server]) -> Iterator[Server]:
    """The demonstration that has been through its first start and is at its second, the same for all tasks."""
    yield _twice_started(kind)


def measured(name: str) -> Callable[[Server], Measured]:
    return lambda server: _figures[server][name]


_figures: dict[Server, dict[str, Measured]] = {}


@cache
def _twice_started(kind: type[Server]) -> Server:
    server = kind()
    assert isinstance(server, Demonstration)
    atexit.register(server.__exit__)
    begun = time.perf_counter()
    server.start()
    address = _now(server, begun)
    server.wait_for(DONE, _LONGEST_S)
    whole = _now(server, begun)
    server.interrupt()
    begun = time.perf_counter()
    server.restart()
    _figures[server] = {"address": address, "demonstration": whole, "again": _now(server, begun)}
    return server


def _now(server: Demonstration, begun: float) -> Measured:
    """Seconds since the start, and the series that are there."""
    seconds, cpu = time.perf_counter() - begun, server.cpu_seconds()
    return Measured([seconds], [cpu], {"series": float(len(server.series()))})
