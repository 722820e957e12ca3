"""The benchmark of starting: what it waits for, with a program that stands in for Pellucid."""

import sys

import pytest

import benchmarks.__main__ as program
from benchmarks.demonstration import Demonstration
from benchmarks.server_task import ServerTask
from benchmarks.tasks import start

STAND_IN = """
import json, pathlib, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, HTTPServer

def given(name):
    return sys.argv[sys.argv.index(name) + 1]

made = pathlib.Path(given("--data")).with_suffix(".made")

class Series(BaseHTTPRequestHandler):
    def do_GET(self):
        found = [{"0008103E": {"vr": "LO", "Value": ["CT"]}}] if made.exists() else []
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(found).encode())

server = HTTPServer(("127.0.0.1", int(given("--port"))), Series)
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
print(f"Pellucid is ready: http://127.0.0.1:{given('--port')}", flush=True)
if not made.exists():
    threading.Timer(2.0, lambda: (made.touch(), print("Demonstration patient: done", flush=True))).start()
server.serve_forever()
"""


class StandIn(Demonstration):
    program = (sys.executable, "-c", STAND_IN)


@pytest.mark.slow
def test_the_three_figures():
    rows = {}
    for task in start.tasks():
        stood_in = ServerTask(task.name, task.title, task.measure, task.started, (StandIn,), task.targets, task.rounds)
        rows[task.name] = program.run("start", stood_in)
    figures = {name: row["codes"]["Pellucid"] for name, row in rows.items()}
    assert {name: figure["accuracy"]["series"] for name, figure in figures.items()} == {
        "address": 0,
        "demonstration": 1,
        "again": 1,
    }
    assert figures["address"]["wall"] < figures["demonstration"]["wall"]
    assert figures["demonstration"]["wall"] > 2.0
    assert figures["again"]["wall"] < figures["demonstration"]["wall"]
    assert [row["targets"][0]["limit"] for row in rows.values()] == [20.0, 180.0, 5.0]
