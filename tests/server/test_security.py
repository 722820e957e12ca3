"""Only this machine, no other site's requests, nothing about patients in logs and errors."""

import asyncio
import logging

import pytest

from pellucid.server.security import is_loopback, log_without_values


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("", False),
        ("192.168.0.7", False),
        ("localhost.example.org", False),
    ],
)
def test_loopback(host, loopback):
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "10.0.0.1:8470", "", "[", "[::1", "a]b"])
def test_other_names_are_refused(client, host):
    """A name that someone else resolves to this machine (DNS rebinding)."""
    assert client.get("/api/jobs", headers={"host": host}).status_code == 403


def test_own_names_are_served(client):
    for host in ("localhost", "127.0.0.1:8470", "[::1]:8470"):
        assert client.get("/api/jobs", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:9999", "https://localhost.evil", "http://["]
)
def test_changes_asked_by_other_sites_are_refused(client, origin):
    for method, path in (("POST", "/api/uploads"), ("POST", "/dicom-web/studies"), ("DELETE", "/api/jobs/x")):
        response = client.request(method, path, headers={"origin": origin})
        assert response.status_code == 403
        assert "other sites" in response.json()["detail"]


def test_own_pages_may_change(client):
    response = client.post("/api/uploads", headers={"origin": "http://localhost"}, files={"files": ("a", b"x")})
    assert response.status_code == 202


@pytest.mark.parametrize("path", ["/", "/api/jobs", "/dicom-web/studies", "/nowhere.js", "/health"])
def test_security_headers(client, path):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert "default-src 'self'" in headers["content-security-policy"]
    assert "access-control-allow-origin" not in headers
    if path.startswith(("/api", "/dicom-web")):
        assert headers["cache-control"] == "no-store"


def test_an_unexpected_error_says_nothing_of_the_patient(client, platform, monkeypatch, caplog):
    def broken(_view):
        raise ValueError("Doe^Jane")

    monkeypatch.setattr("pellucid.archive.view.View.acquisitions", broken)
    with caplog.at_level(logging.DEBUG):
        response = client.get("/api/acquisitions")
    assert response.status_code == 500
    assert response.json() == {"detail": "internal error"}
    assert "ValueError at test_security.py" in caplog.text
    assert "Doe" not in caplog.text


def test_a_client_that_vanishes_is_no_failure(client, caplog):
    """It announces a body and closes the connection within it."""
    messages = [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
    headers = [(b"host", b"localhost"), (b"content-type", b"application/dicom"), (b"content-length", b"1000")]
    scope = {"type": "http", "method": "POST", "path": "/dicom-web/studies", "query_string": b"", "headers": headers}
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    place = {"scheme": "http", "http_version": "1.1", "root_path": "", "raw_path": b"", "client": ("127.0.0.1", 9)}
    asyncio.run(client.app({**scope, **place, "server": ("localhost", 80), "state": {}}, receive, send))
    assert sent == []
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


def test_logging_names_the_place(caplog):
    try:
        raise KeyError("secret")
    except KeyError as error:
        log_without_values(error)
    assert "KeyError at test_security.py" in caplog.text
    assert "secret" not in caplog.text


def test_odd_dicom_values_are_not_logged(client, caplog, capsys, recwarn):
    from tests.archive.samples import dicom

    data = dicom(PatientID="SECRET-7", FrameOfReferenceUID="1.2.3").replace(b"1.2.3\0", b"SECRET")
    with caplog.at_level(logging.DEBUG):
        response = client.post("/dicom-web/studies", content=data, headers={"content-type": "application/dicom"})
    assert response.status_code == 200
    assert "SECRET" not in caplog.text + capsys.readouterr().err
    assert not [w for w in recwarn if "SECRET" in str(w.message)]


def test_bodies_that_are_held_in_memory_are_small(client):
    path = f"/api/acquisitions/{'0' * 32}/reconstructions"
    pieces = (b" " * 100_000 for _ in range(20))
    response = client.post(path, content=pieces, headers={"content-type": "application/json"})
    assert response.status_code == 413
    assert "larger than 1048576 bytes" in response.json()["detail"]
