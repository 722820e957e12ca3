"""A DICOMweb service over an empty archive, and a client of it."""

from email.parser import BytesParser

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient

from pellucid import dicomweb
from pellucid.archive import Archive
from pellucid.dicomweb import StoreLimits


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    with Archive(tmp_path_factory.mktemp("archive")) as opened:
        yield opened


@pytest.fixture(scope="module")
def client(archive):
    limits = StoreLimits(part_bytes=200_000, total_bytes=500_000, parts=10)
    app = Starlette(routes=[Mount("/dicom-web", routes=dicomweb.routes(archive, limits))])
    with TestClient(app, base_url="http://localhost/dicom-web/") as opened:
        yield opened


@pytest.fixture(scope="session")
def parts_of():
    """The parts of a multipart response, read by the standard library: (headers, body)."""

    def split(response):
        head = f"Content-Type: {response.headers['content-type']}\r\n\r\n".encode()
        message = BytesParser().parsebytes(head + response.content)
        assert message.is_multipart()
        assert message.defects == []
        # The parser reads text: bodies are cut from the bytes instead.
        boundary = b"--" + message.get_boundary().encode()
        pieces = response.content.split(boundary)
        assert pieces[0] == b""
        assert pieces[-1] == b"--\r\n"
        bodies = [piece.split(b"\r\n\r\n", 1)[1][:-2] for piece in pieces[1:-1]]
        return [(part, body) for part, body in zip(message.get_payload(), bodies, strict=True)]

    return split
