"""A listening archive, and partners: pynetdicom and DCMTK share no code with it."""

import datetime as dt
import ipaddress
import os
import shutil
import socket
import subprocess
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
import uvicorn
from pynetdicom import AE
from pynetdicom.transport import AssociationSocket

from pellucid.archive import Archive
from pellucid.dimse.listener import Listener, listening_socket
from pellucid.dimse.service import Doors


@pytest.fixture(scope="session", autouse=True)
def closed_sockets():
    """pynetdicom does not close a socket that the other side has reset: a warning in whichever test comes next."""

    def close(link):
        if link.socket is not None:
            with suppress(OSError):
                link.socket.shutdown(socket.SHUT_RDWR)
            link.socket.close()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(AssociationSocket, "_shutdown_socket", close)
        yield


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("empty")
    Archive(folder).close()
    return folder


@pytest.fixture
def archive(tmp_path, empty):
    with Archive(shutil.copytree(empty, tmp_path / "archive")) as opened:
        yield opened


class Trail(list):
    """An audit trail in memory."""

    def __call__(self, event):
        self.append(event)

    def names(self):
        return [event.event for event in self]


@pytest.fixture
def trail():
    return Trail()


@contextmanager
def listening(archive, *, tls=None, **changes):
    listener = Listener(replace(Doors(archive=archive), **changes), listening_socket("127.0.0.1", 0), tls).start()
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def serving_web(app, tls=None):
    """The address at which an application is served by HTTP, with a context for TLS by HTTPS."""
    more = {"ssl_context_factory": lambda _config, _make: tls} if tls else {}
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", **more))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield f"{'https' if tls else 'http'}://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@pytest.fixture
def listener(archive, trail):
    with listening(archive, audit=trail) as started:
        yield started


@pytest.fixture
def associate(listener):
    """Call with presentation contexts: an association by pynetdicom, released at the end."""
    opened = []

    def connect(*contexts, title="TESTER", called="PELLUCID", port=None, handlers=(), **more):
        entity = AE(ae_title=title)
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 20
        for context in contexts:
            entity.add_requested_context(*(context if isinstance(context, tuple) else (context,)))
        association = entity.associate(
            "127.0.0.1", port or listener.port, ae_title=called, evt_handlers=list(handlers), **more
        )
        opened.append(association)
        return association

    yield connect
    for association in opened:
        if association.is_established:
            association.release()


@pytest.fixture
def run(program):
    """Run a program to its end; its output. Skips by name where it is not installed."""

    def execute(name, *arguments, succeeds=True, seconds=60):
        done = subprocess.run(
            [program(name), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=seconds,
            env={**os.environ, "TCP_NODELAY": "1"},
            check=False,
            errors="replace",
        )
        assert (done.returncode == 0) is succeeds, done.stdout + done.stderr
        return done.stdout + done.stderr

    return execute


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    """An authority, a server's and a client's certificate as PEM files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    folder = tmp_path_factory.mktemp("pki")
    now = dt.datetime.now(dt.UTC)
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])

    def issue(name, key, *, is_authority):
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(authority_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
            )
        )
        signed = builder.sign(authority_key, hashes.SHA256())
        (folder / f"{name}.crt").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        (folder / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )

    issue("Test authority", authority_key, is_authority=True)
    (folder / "Test authority.crt").rename(folder / "authority.crt")
    for name in ("server", "client"):
        issue(name, ec.generate_private_key(ec.SECP256R1()), is_authority=False)
    return folder
