"""Wall and CPU seconds of a function; standard library only, because the peers' environment uses it too."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from typing import Any


def _cpu_seconds() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def measure(function: Callable[[], Any], repeats: int) -> tuple[Any, list[float], list[float]]:
    """The function's last result and the wall and CPU seconds of each call after one that is not counted.

    CPU seconds are of all threads and of finished child processes (a peer may be a program).
    """
    result = function()
    walls, cpus = [], []
    for _ in range(repeats):
        cpu, wall = _cpu_seconds(), time.perf_counter()
        result = function()
        walls.append(time.perf_counter() - wall)
        cpus.append(_cpu_seconds() - cpu)
    return result, walls, cpus
