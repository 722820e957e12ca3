"""Damaged HTTP requests: each is answered, none by 5xx; over sockets too, where the server reads what is no HTTP."""

import asyncio
import random
import socket
import threading
from contextlib import contextmanager, suppress
from urllib.parse import unquote_to_bytes

import pytest
import uvicorn
from tests.archive.samples import dicom
from tests.fuzz.mutation import mutated
from tests.fuzz.requests import PATHS, Asked, bodies, damaged
from tests.fuzz.watching import SLOWEST_S, Watch, no_failure_logged

from pellucid.server import Settings, create_app

GROWTH_MB = 96
"""What caches of frames, targets and statements may take; a leak of 1 kB a request would be 100 MB in 10⁵."""

FULL = [pytest.mark.slow, pytest.mark.timeout(3600)]
NOT_PROVIDED = (b"/jpip", b"/fhir")
"""Where 501 is an answer the standard gives to a request that is well-formed and asks for what is not provided."""


async def answer(app, asked):
    """The status of one request through the application itself."""
    path, _, query = asked.target.partition(b"?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": asked.method,
        "scheme": "http",
        "path": unquote_to_bytes(path).decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"content-length", b"%d" % len(asked.body)), *asked.headers],
        "client": ("127.0.0.1", 1234),
        "server": ("localhost", 80),
        "state": {},
    }
    parts = [{"type": "http.request", "body": asked.body, "more_body": False}]
    over, status = asyncio.Event(), []

    async def receive():
        if parts:
            return parts.pop()
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        if message["type"] == "http.response.start":
            status.append(message["status"])
        elif not message.get("more_body"):
            over.set()

    await asyncio.wait_for(app(scope, receive, send), SLOWEST_S)
    return status[0]


async def many(app, count, watch, seed=5):
    """`count` requests one after another; those that were answered as they must not be."""
    chance, sent, wrong = random.Random(seed), bodies(), {}
    others = [body for *_, body in sent if body]
    for _ in range(count):
        asked = damaged(chance, sent, others)
        with watch.case():
            status = await answer(app, asked)
        watch.note(status)
        allowed = status == 501 and asked.target.startswith(NOT_PROVIDED)
        if status >= 500 and not allowed:
            wrong.setdefault((asked.method, asked.target[:24], status), asked)
    return wrong


@contextmanager
def application(folder):
    """The whole application over an archive of one instance."""
    made = create_app(Settings(data=folder / "data", upload_bytes=2_000_000, upload_files=30))
    made.state.platform.archive.store(dicom(1, 1, 1))
    yield made
    made.state.platform.close()


@pytest.fixture
def app(tmp_path):
    with application(tmp_path) as made:
        yield made


def ask_often(app, count):
    """Damaged requests to the application itself."""
    watch = Watch(settled=min(5000, count // 2))
    with no_failure_logged():
        wrong = asyncio.run(many(app, count, watch))
    watch.report()
    assert not wrong, "\n".join(map(str, wrong.values()))
    assert watch.outcomes[200] > count // 20
    assert watch.outcomes[400] > count // 50
    assert list(app.state.platform.archive.verify()) == []
    assert [path.name for path in app.state.platform.archive.incoming.iterdir()] == ["lock"]
    assert watch.growth_mb < GROWTH_MB
    return watch


@pytest.mark.parametrize("count", [12, pytest.param(100_000, marks=FULL)])
def test_damaged_requests(app, count):
    ask_often(app, count)


@pytest.mark.parametrize("query", ["60020010=3", "00081115.60020010=3", "OverlayRows=3"])
def test_keys_of_repeating_groups_are_refused(app, query):
    asked = Asked("GET", f"/dicom-web/instances?{query}".encode(), ((b"accept", b"*/*"),))
    assert asyncio.run(answer(app, asked)) == 400


@contextmanager
def serving(app):
    """The application behind uvicorn; its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_keep_alive=2))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(10)
    listening.close()


def exchange(port, data):
    """Say everything and hear everything."""
    heard = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=SLOWEST_S) as link, suppress(ConnectionError):
        link.sendall(data)
        with suppress(OSError):  # the other side has closed the connection already
            link.shutdown(socket.SHUT_WR)
        while part := link.recv(1 << 16):
            heard += part
    return bytes(heard)


def exchange_often(app, count):
    """Damaged bytes to a server that reads HTTP off sockets."""
    chance, watch, sent = random.Random(6), Watch(settled=min(75, count // 2)), bodies()
    whole = [f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n".encode() for path in PATHS]
    for method, path, headers, body in sent:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        chunked = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n{lines}\r\n"
        whole += [head.encode() + body, chunked.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)]
    with serving(app) as port:
        for _ in range(count):
            data = mutated(chance.choice(whole), chance, whole)
            with watch.case():
                heard = exchange(port, data)
            status = heard[9:12]
            assert heard == b"" or b"200" <= status < b"500" or status == b"501", (data[:300], heard[:300])
            watch.note(status)
        watch.report()
        assert exchange(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").startswith(b"HTTP/1.1 200")
    assert watch.growth_mb < GROWTH_MB
    return watch


@pytest.mark.parametrize("count", [6, pytest.param(10_000, marks=FULL)])
def test_damaged_bytes_over_sockets(app, count):
    exchange_often(app, count)
