"""The OpenAPI description is true: every route is in it, and every answer it declares is given where it should be."""

import errno
import os
import re

import pytest
from starlette.routing import Mount
from tests.archive.samples import dicom
from tests.server.declared import Declared
from tests.server.provoking import DICOM, Requests

from pellucid.server import Settings, create_app

MKDTEMP = "pellucid.dicomweb.multipart.tempfile.mkdtemp"
# A request without a login is provoked in test_every_route.py, an unexpected failure in test_security.py.
NOT_ASKED_FOR = {401, 500}
# These need accounts; see test_accounts_api.py.
ACCESS = re.compile(r"/api/(session|sessions|login|accounts|tokens|shares|audit)(/|$)")


@pytest.fixture
def declared(client):
    return Declared(client.app.openapi())


def test_every_route_of_the_image_service_is_described_and_nothing_else(client, declared):
    """Those of /api are described by FastAPI itself."""
    (mount,) = (route for route in client.app.routes if isinstance(route, Mount) and route.path == "/dicom-web")
    resources = [route for route in mount.routes if "{rest:path}" not in route.path and hasattr(route, "methods")]
    served = {(method, mount.path + route.path) for route in resources for method in route.methods}
    expected = {(method, path.replace(":path}", "}")) for method, path in served if method != "HEAD"}
    assert {found for found in declared.operations if found[1].startswith(mount.path)} == expected
    assert ("GET", "/api/jobs") in declared.operations


def test_it_is_the_same_whatever_the_settings(client, tmp_path):
    other = Settings(data=tmp_path / "other", web_address="https://pacs.example.org/at", names=("pacs.example",))
    app = create_app(other)
    assert app.openapi() == client.app.openapi()
    app.state.platform.close()


def test_every_answer_says_what_it_is(client, declared):
    openapi = client.app.openapi()
    for (method, path), operation in declared.operations.items():
        assert operation["description"], (method, path)
        placeholders = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert placeholders == set(re.findall(r"{(\w+)}", path))
        for status, answer in operation["responses"].items():
            assert answer["description"]
            refused_by_standard = status == "409" and path.startswith("/dicom-web")
            if int(status) >= 400 and not refused_by_standard:
                for media, item in answer["content"].items():
                    name = "ProblemDetails" if media == "application/problem+json" else "Problem"
                    assert item["schema"] == {"$ref": f"#/components/schemas/{name}"}, (method, path, status)
            elif status != "204" and ("content" in answer or not path.startswith("/dicom-web")):
                for item in answer["content"].values():
                    assert item["schema"], (method, path, status)
    for name in re.findall(r"'\$ref': '#/components/schemas/(\w+)'", str(openapi)):
        assert name in openapi["components"]["schemas"]
    assert client.get("/api/openapi.json").json() == openapi


def test_the_page_shows_the_answers(client):
    page = client.get("/api/docs").text
    assert '<a href="#JobStarted">JobStarted</a>' in page
    assert '<h2 id="JobStarted">' in page
    assert "application/dicom+json" in page


def test_every_declared_answer_is_given(client, upload, raw_bytes, declared):
    """The client checks media type and shape of each (tests/server/conftest.py)."""
    job = upload(("scan.pellucid.h5", raw_bytes))
    wrong = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        requests = Requests(client, monkeypatch, job)
        for method, path, status in declared.answers():
            if status in NOT_ASKED_FOR or ACCESS.match(path):
                continue
            response = requests.answer(method, path, status)
            if response is None or response.status_code != status:
                got = "no request is known that provokes it" if response is None else response.status_code
                wrong.append(f"{method} {path}: declared {status}, got {got}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", ["/dicom-web/studies", "/api/uploads"])
def test_no_room_for_a_folder_is_507(client, monkeypatch, path):
    def full(**_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(MKDTEMP, full)
    response = client.post(path, files={"files": ("a.dcm", dicom())})
    assert response.status_code == 507
    assert response.json()["detail"] == "cannot be received: No space left on device"


def test_no_room_for_a_single_object_is_507(client, tmp_path, monkeypatch):
    def folder(**_):
        (tmp_path / "full").mkdir()
        (tmp_path / "full" / "000000").symlink_to("/dev/full")
        return str(tmp_path / "full")

    monkeypatch.setattr(MKDTEMP, folder)
    response = client.post("/dicom-web/studies", content=dicom(), headers=DICOM)
    assert response.status_code == 507
    assert response.json()["detail"] == "cannot be received: No space left on device"
