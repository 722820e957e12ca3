"""The viewer's files, its addresses, and what is said where it is not built."""

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pellucid.server.viewer import viewer_routes


@pytest.fixture
def static(tmp_path):
    folder = tmp_path / "static"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<p>page")
    (folder / "icon.svg").write_text("<svg/>")
    (folder / "assets" / "main-1a2b.js").write_text("let a")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


@pytest.fixture
def client(static):
    return TestClient(Starlette(routes=viewer_routes(static)))


@pytest.mark.parametrize("path", ["/", "/study/1.2.840.113619.2.5", "/upload", "/a/b/c"])
def test_every_address_is_the_page(client, path):
    response = client.get(path)
    assert (response.status_code, response.text) == (200, "<p>page")
    assert response.headers["content-type"].startswith("text/html")
    assert response.headers["cache-control"] == "no-cache"


def test_files(client):
    script = client.get("/assets/main-1a2b.js")
    assert script.text == "let a"
    assert "immutable" in script.headers["cache-control"]
    assert client.get("/icon.svg").headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize("path", ["/assets/other.js", "/api/nothing", "/dicom-web/nothing"])
def test_what_is_no_page_is_404(client, path):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt"])
def test_nothing_outside_is_served(client, path):
    assert "secret" not in client.get(path).text


def test_not_built(tmp_path):
    response = TestClient(Starlette(routes=viewer_routes(tmp_path / "nowhere"))).get("/")
    assert response.status_code == 503
    assert "viewer is not built" in response.text
    assert "/api/docs" in response.text
