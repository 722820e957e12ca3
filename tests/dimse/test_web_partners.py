"""Instances sent to DICOMweb servers that ask who comes: Pellucid itself over TLS, and Debian's Orthanc."""

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest
from tests.archive.samples import dicom, uid
from tests.dimse.conftest import serving_web
from tests.dimse.test_clients import free_port
from tests.dimse.test_routing import delivering, until
from tests.server.people import add

from pellucid.access.tls import server_context
from pellucid.cli.app import run as pellucid
from pellucid.dimse.deliveries import Deliveries
from pellucid.dimse.routing import Route, Routes, require_destination, route_new_instances
from pellucid.dimse.web_partners import WebPartner, WebPartners
from pellucid.errors import InvalidInputError
from pellucid.server.app import create_app
from pellucid.server.platform import Platform
from pellucid.server.settings import Settings

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@pytest.fixture(scope="module")
def other(tmp_path_factory, pki):
    """Another Pellucid over TLS, and the token of an account that may store there."""
    settings = Settings(data=tmp_path_factory.mktemp("other") / "data")
    platform = Platform.open(settings)
    owner = add(platform, "router", "technologist")
    permissions = owner.caller().permissions
    token = platform.keeper.tokens.make(owner, "routing", days=1, permissions=permissions)[1]
    tls = server_context(pki / "server.crt", pki / "server.key")
    with serving_web(create_app(settings, platform=platform), tls) as address:
        yield f"{address}/dicom-web", token, platform
    platform.close()


@pytest.fixture
def routed(archive, other):
    archive.on_store.append(route_new_instances)
    Routes(archive).put(Route(name="cloud", destination=other[0]))
    return archive


def errors(archive):
    return [delivery.error for delivery in Deliveries(archive).all() if delivery.attempts]


@pytest.mark.parametrize("kind", ["env", "file"])
def test_pellucid_with_the_token_of_an_account(routed, other, pki, monkeypatch, tmp_path, kind, capsys):
    url, token, platform = other
    study = 10 if kind == "env" else 11
    (tmp_path / "token").write_text(f"{token}\n")
    monkeypatch.setenv("ROUTING_TOKEN", token)
    where = {"env": "env:ROUTING_TOKEN", "file": f"file:{tmp_path / 'token'}"}[kind]
    data = ["--data", str(routed.folder)]
    files = ["--authorities", str(pki / "authority.crt")]
    assert pellucid(["dicomweb", "add", url + "/", "--token", where, *files, *data]) == 0
    routed.store(dicom(study))
    with delivering(routed):
        until(lambda: Deliveries(routed).all() == [])
    (record,) = platform.archive.instances(uid(study))
    assert platform.archive.fetch(record) == dicom(study)
    assert pellucid(["dicomweb", "list", *data]) == 0
    assert pellucid(["route", "queue", *data]) == 0
    told = capsys.readouterr()
    assert where in told.out
    assert token not in told.out + told.err
    assert token.encode() not in (routed.folder / "index.sqlite").read_bytes()


def test_without_a_token_nobody_is_let_in(routed, other, pki):
    WebPartners(routed).put(WebPartner(url=other[0], authorities=str(pki / "authority.crt")))
    routed.store(dicom(12))
    with delivering(routed):
        until(lambda: errors(routed))
    assert errors(routed) == ["HTTP status 401: not let in; `pellucid dicomweb add` says with what to come"]
    assert other[2].archive.instances(uid(12)) == []


def test_an_unknown_authority_is_not_trusted(routed, other, monkeypatch):
    monkeypatch.setenv("ROUTING_TOKEN", other[1])
    WebPartners(routed).put(WebPartner(url=other[0], token="env:ROUTING_TOKEN"))
    routed.store(dicom(13))
    with delivering(routed):
        until(lambda: errors(routed))
    assert "CERTIFICATE_VERIFY_FAILED" in errors(routed)[0]
    assert other[1] not in errors(routed)[0]


@pytest.mark.parametrize(
    ("token", "message"),
    [
        ("env:PELLUCID_NOT_THERE", "env:PELLUCID_NOT_THERE: token: is empty, or not one line of ASCII"),
        ("file:/nonexistent/token", "file:/nonexistent/token: token: cannot be read (No such file or directory)"),
    ],
)
def test_secrets_that_are_not_there(routed, other, token, message):
    WebPartners(routed).put(WebPartner(url=other[0], token=token))
    routed.store(dicom(14))
    with delivering(routed):
        until(lambda: errors(routed))
    assert errors(routed) == [message]


def test_a_server_that_wants_certificates(archive, pki, tmp_path):
    settings = Settings(data=tmp_path / "mutual")
    platform = Platform.open(settings)
    tls = server_context(pki / "server.crt", pki / "server.key")
    tls.load_verify_locations(pki / "authority.crt")
    tls.verify_mode = 2
    partner = {"authorities": str(pki / "authority.crt")}
    mine = {"certificate": str(pki / "client.crt"), "private_key": str(pki / "client.key")}
    with serving_web(create_app(settings, platform=platform), tls) as address:
        url = f"{address}/dicom-web"
        with WebPartner(url=url, **partner).client() as client, pytest.raises(httpx.HTTPError):
            client.get(f"{url}/studies")
        with WebPartner(url=url, **partner, **mine).client() as client:
            assert client.get(f"{url}/studies").status_code in (200, 204)
    platform.close()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"token": "pellucid_token_hunter2"}, "token: says not where the secret is; expected env:NAME or file:/path"),
        ({"user": "me", "password": "hunter2"}, "password: says not where"),
        ({"token": "file:relative"}, "token: says not where"),
        ({"token": "env:A", "user": "me", "password": "env:B"}, "a token, or a user and a password"),
        ({"user": "me"}, "a token, or a user and a password"),
        ({"url": "http://pacs.example/dicom-web", "token": "env:A"}, "in the clear"),
        ({"url": "https://me:hunter2@pacs.example/"}, "holds a name or secret"),
        ({"url": "https://:hunter2@pacs.example/"}, "holds a name or secret"),
        ({"url": "https://me:hunter2@pacs.example:99999/"}, "is no address"),
        ({"url": "https://pacs.example:99999/"}, "is no address"),
        ({"url": "https://[bad/x"}, "is no address"),
        ({"url": "https://pacs.example/#hunter2"}, "is no address"),
        ({"url": "pacs.example"}, "is no address"),
    ],
)
def test_what_cannot_be_said(given, message):
    with pytest.raises(InvalidInputError, match=message) as refused:
        WebPartner(**{"url": "https://pacs.example/dicom-web", **given})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("rest", ["/dicom-web", ":99999/dicom-web", "]/dicom-web", "/#part"])
def test_secrets_in_addresses_are_refused_and_not_repeated(rest):
    with pytest.raises(InvalidInputError, match="destination: ") as refused:
        require_destination(f"https://me:hunter2@pacs.example{rest}")
    assert "hunter2" not in str(refused.value)


def test_forgotten_by_command(archive):
    WebPartners(archive).put(WebPartner(url="https://pacs.example/dicom-web"))
    data = ["--data", str(archive.folder)]
    assert pellucid(["dicomweb", "remove", "https://pacs.example/dicom-web/", *data]) == 0
    assert pellucid(["dicomweb", "remove", "https://pacs.example/dicom-web/", *data]) == 2


@pytest.fixture
def orthanc(program, tmp_path):
    """Orthanc's DICOMweb service for somebody with a password; in the clear: Debian's 1.10.1 ends at a handshake."""
    if not PLUGIN.exists():
        pytest.skip("Orthanc's DICOMweb plugin is not installed")
    port, folder = free_port(), tmp_path / "orthanc"
    folder.mkdir()
    settings = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": port,
        "DicomServerEnabled": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"router": "a lamp on the moor"},
        "Plugins": [str(PLUGIN)],
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    command = [program("Orthanc"), str(folder / "orthanc.json")]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "TCP_NODELAY": "1"}
    )
    try:
        with httpx.Client(auth=("router", "a lamp on the moor")) as client:
            until(lambda: _answers(client, f"http://127.0.0.1:{port}/system"))
        yield f"http://127.0.0.1:{port}/dicom-web"
    finally:
        process.terminate()
        process.wait(20)


def _answers(client, url):
    try:
        return client.get(url).status_code == 200
    except httpx.HTTPError:
        return False


def test_orthanc_with_name_and_password(archive, orthanc, monkeypatch):
    monkeypatch.setenv("ORTHANC_PASSWORD", "a lamp on the moor")
    archive.on_store.append(route_new_instances)
    Routes(archive).put(Route(name="orthanc", destination=orthanc))
    partner = WebPartner(url=orthanc, user="router", password="env:ORTHANC_PASSWORD")
    WebPartners(archive).put(partner)
    for number in range(1, 4):
        archive.store(dicom(1, 1, number))
    with delivering(archive):
        until(lambda: Deliveries(archive).all() == [])
    with partner.client() as client:
        found = client.get(f"{orthanc}/studies/{uid(1)}/instances", headers={"Accept": "application/dicom+json"}).json()
    assert sorted(one["00080018"]["Value"][0] for one in found) == [uid(1, 1, number) for number in (1, 2, 3)]
