"""Tasks of servers: the same requests to ours and the peers', each with the same instances in it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from benchmarks import Target
from benchmarks.servers import MissingError, Server

Answer = TypeVar("Answer")


@dataclass
class Measured:
    """Wall seconds of the client and CPU seconds of the server, by call; `figures` say how right the answers are."""

    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ServerTask:
    """One task: `measure(server)` for each of `servers`, which `started(kind)` gives."""

    name: str
    title: str
    measure: Callable[[Server], Measured]
    started: Callable[[type[Server]], Any]
    servers: Sequence[type[Server]]
    targets: tuple[Target, ...] = ()
    rounds: int = 2
    note: str = ""

    def codes(self) -> dict[str, dict[str, Any]]:
        """Medians and figures of every server, in turn, so that a drift of the machine's speed meets all."""
        gathered: dict[str, Measured] = {}
        codes: dict[str, dict[str, Any]] = {}
        for _ in range(self.rounds):
            for kind in self.servers:
                try:
                    with self.started(kind) as server:
                        part = self.measure(server)
                        codes.setdefault(kind.name, {"version": server.version()})
                except MissingError as error:
                    codes[kind.name] = {"missing": str(error)}
                    continue
                whole = gathered.setdefault(kind.name, Measured())
                whole.walls += part.walls
                whole.cpus += part.cpus
                whole.figures.update(part.figures)
        for name, measured in gathered.items():
            codes[name]["accuracy"] = measured.figures
            codes[name]["wall"] = statistics.median(measured.walls)
            codes[name]["cpu"] = statistics.median(measured.cpus)
        return codes


def timed(
    server: Server, call: Callable[[], Answer], check: Callable[[Answer], Mapping[str, float]], repeats: int = 1
) -> Measured:
    """Measure calls, all alike; `check` says, outside the time, how right an answer is.

    CPU seconds are of all calls together, shared out (the clock has 10 ms ticks).
    """
    measured = Measured()
    cpu = 0.0
    for _ in range(repeats):
        before, start = server.cpu_seconds(), time.perf_counter()
        answer = call()
        measured.walls.append(time.perf_counter() - start)
        cpu += server.cpu_seconds() - before
        measured.figures.update(check(answer))
    measured.cpus = [cpu / repeats] * repeats
    return measured
