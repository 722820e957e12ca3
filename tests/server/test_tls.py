"""The server as it is reached from elsewhere: TLS, logins, slow and greedy connections."""

import re
import socket
import ssl
import subprocess
import sys
import time

import httpx
import pytest
from tests.access import certificates as makers
from tests.server.people import PASSWORD, account

from pellucid.access.doorkeeper import Doorkeeper
from pellucid.access.tls import server_context
from pellucid.archive import Archive
from pellucid.errors import InvalidInputError
from pellucid.server import Settings, serve


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return makers.make(tmp_path_factory.mktemp("certificates"))


def start(folder, *more):
    command = [sys.executable, "-c", "import sys; from pellucid.cli import main; main()", "serve"]
    options = ["--data", str(folder / "data"), "--port", "0", *more]
    running = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
    )
    line = running.stdout.readline()
    found = re.search(r"(https?)://([\w.]+):(\d+)", line)
    assert found, line + running.stderr.read()
    return running, found[1], int(found[3])


@pytest.fixture(scope="module")
def secure(tmp_path_factory, made):
    folder = tmp_path_factory.mktemp("secure")
    with Archive(folder / "data") as archive:
        keeper = Doorkeeper(archive)
        keeper.accounts.add(account("ann", "physician"), PASSWORD)
        keeper.close()
    files = ["--tls-certificate", str(made.certificate), "--tls-key", str(made.key)]
    running, scheme, port = start(folder, "--host", "0.0.0.0", *files)
    assert scheme == "https"
    yield port
    running.terminate()
    running.communicate(timeout=60)


def test_https_with_our_own_authority(secure, made):
    context = ssl.create_default_context(cafile=str(made.authority))
    with httpx.Client(base_url=f"https://localhost:{secure}", verify=context, timeout=60) as client:
        assert client.get("/health").status_code == 200
        assert client.get("/dicom-web/studies").status_code == 401
        answer = client.post("/api/session", json={"name": "ann", "password": PASSWORD})
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-pellucid=")
        assert "Secure" in cookie
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        assert client.get("/dicom-web/studies").status_code == 204


@pytest.mark.parametrize(
    ("newest", "ciphers", "served"),
    [
        (ssl.TLSVersion.TLSv1_3, "", True),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-GCM-SHA256", True),
        (ssl.TLSVersion.TLSv1_2, "ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA:AES128-SHA", False),
    ],
)
def test_what_is_offered(secure, made, newest, ciphers, served):
    context = ssl.create_default_context(cafile=str(made.authority))
    context.maximum_version = newest
    if ciphers:
        context.set_ciphers(ciphers)
    with socket.create_connection(("127.0.0.1", secure), timeout=30) as link:
        if not served:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(link, server_hostname="localhost")
            return
        with context.wrap_socket(link, server_hostname="localhost") as opened:
            assert opened.version() == {ssl.TLSVersion.TLSv1_3: "TLSv1.3"}.get(newest, "TLSv1.2")


def test_plain_http_gets_nothing(secure):
    with socket.create_connection(("127.0.0.1", secure), timeout=30) as link:
        link.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP/1.1 200" not in link.recv(1000)


def test_old_versions_are_not_offered(made):
    context = server_context(made.certificate, made.key)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    names = {cipher["name"] for cipher in context.get_ciphers()}
    assert all(("GCM" in n or "CHACHA20" in n) and ("ECDHE" in n or n.startswith("TLS_")) for n in names)


def test_files_that_do_not_fit_are_one_line(made, tmp_path):
    (tmp_path / "key.pem").write_text("no key")
    with pytest.raises(InvalidInputError, match="cannot be used with the key"):
        server_context(made.certificate, tmp_path / "key.pem")
    with pytest.raises(InvalidInputError, match="tls_key: is not a file"):
        server_context(made.certificate, tmp_path / "absent")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, "TLS is needed"),
        ({"trusted_proxies": ("10.0.0.1",)}, "there is no account"),
        ({"tls": True}, "there is no account"),
        ({"tls_certificate": "x"}, "both a certificate and a key"),
    ],
)
def test_elsewhere_only_with_tls_and_logins(tmp_path, made, more, why):
    if more.pop("tls", False):
        more |= {"tls_certificate": made.certificate, "tls_key": made.key}
    with pytest.raises(InvalidInputError, match=why):
        serve(Settings(data=tmp_path / "data", host="0.0.0.0", port=0, **more))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    running, scheme, port = start(tmp_path_factory.mktemp("plain"))
    assert scheme == "http"
    yield port
    running.terminate()
    running.communicate(timeout=60)


def test_a_request_line_without_end_is_refused(plain):
    with socket.create_connection(("127.0.0.1", plain), timeout=30) as link:
        link.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 40_000)
        assert link.recv(1000).startswith(b"HTTP/1.1 400")


def test_a_head_that_never_ends_is_closed(monkeypatch):
    """Slowloris; with a patience of a quarter of a second instead of twenty."""
    import asyncio

    import uvicorn

    from pellucid.server.connections import BoundedConnection

    monkeypatch.setattr(BoundedConnection, "head_seconds", 0.25)

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})

    async def run():
        config = uvicorn.Config(app, http=BoundedConnection, lifespan="off", log_config=None)
        config.load()
        server = uvicorn.Server(config)
        loop = asyncio.get_running_loop()
        listening = await loop.create_server(lambda: BoundedConnection(config, server.server_state, {}), "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        began = time.monotonic()
        for piece in (b"GET / HTTP/1.1\r\n", b"Host: localhost\r\n", b"A: b\r\n"):
            writer.write(piece)
            await asyncio.sleep(0.05)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        assert time.monotonic() - began < 5
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 200")
        writer.close()
        listening.close()

    asyncio.run(run())


def test_a_body_that_never_comes_is_not_waited_for(client, monkeypatch):
    monkeypatch.setattr("pellucid.server.security._PATIENCE_S", 0.2)
    import anyio

    from pellucid.server.security import Guard

    sent = []

    async def app(scope, receive, send):
        await receive()

    async def receive():
        await anyio.sleep(60)

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/x",
        "scheme": "http",
        "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"localhost")],
    }
    began = time.monotonic()
    anyio.run(Guard(app), scope, receive, send)
    assert time.monotonic() - began < 10


def test_one_address_cannot_ask_without_end():
    import anyio

    from pellucid.server.security import Guard

    statuses = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def ask(guard, address, times):
        scope = {"type": "http", "method": "GET", "path": "/", "scheme": "http", "headers": [(b"host", b"localhost")]}
        for _ in range(times):
            await guard({**scope, "client": (address, 1)}, None, send)

    guard = Guard(app, requests_per_second=1.0)
    anyio.run(ask, guard, "192.0.2.1", 12)
    assert statuses == [200] * 10 + [429] * 2
    anyio.run(ask, guard, "192.0.2.2", 1)
    anyio.run(ask, guard, "127.0.0.1", 20)
    assert statuses[12:] == [200] * 21
