"""Tasks of servers: medians over rounds, CPU seconds of the calls alone, peers that are not installed."""

from contextlib import contextmanager

import pytest

import benchmarks.__main__ as program
from benchmarks import Target
from benchmarks.server_task import ServerTask, timed
from benchmarks.servers import MissingError, Server


class Ours(Server):
    name = "Pellucid"
    spent = 0.0

    def __init__(self):
        pass

    def version(self):
        return "1"

    def cpu_seconds(self):
        return self.spent


class Peer(Ours):
    name = "peer"


class Absent(Ours):
    name = "absent"


@contextmanager
def started(kind):
    if kind is Absent:
        raise MissingError("it is not installed")
    yield kind()


def measure(server):
    def call():
        server.spent += 2.0 if isinstance(server, Peer) else 1.0
        return server

    def check(answer):
        answer.spent += 100.0  # what checking costs the server is not the call's
        return {"right": 1.0}

    return timed(server, call, check, 4)


def test_ours_beside_peers():
    task = ServerTask("made", "Made", measure, started, (Ours, Peer, Absent), (Target("cpu ratio", 0.6, "peer"),))
    row = program.run("archive", task)
    assert row["codes"]["Pellucid"]["cpu"] == pytest.approx(1.0)
    assert row["codes"]["peer"]["cpu"] == pytest.approx(2.0)
    assert row["codes"]["peer"]["accuracy"] == {"right": 1.0}
    assert row["codes"]["absent"] == {"missing": "it is not installed"}
    (target,) = row["targets"]
    assert target["value"] == pytest.approx(0.5)
    assert target["met"]
