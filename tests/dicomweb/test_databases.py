"""DICOMweb with its index in PostgreSQL; without a database it answers 503, and goes on when it is back."""

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tests.archive.samples import dicom, uid
from tests.dicomweb.test_search import (  # noqa: F401 (they run here with this module's archive)
    content,
    test_instances_have_the_required_attributes,
    test_series_have_the_required_attributes,
    test_studies_have_the_required_attributes,
)

from pellucid import dicomweb
from pellucid.archive import Archive, Places


@pytest.fixture(scope="module")
def archive(new_database, tmp_path_factory):
    with Archive(tmp_path_factory.mktemp("archive"), places=Places(database=new_database())) as opened:
        yield opened


def test_without_a_database_the_service_is_unavailable(cluster, new_database, tmp_path):
    with Archive(tmp_path, places=Places(database=new_database())) as archive:
        app = Starlette(routes=[Mount("/dicom-web", routes=dicomweb.routes(archive))])
        with TestClient(app, base_url="http://localhost/dicom-web/") as client:
            sent = {"content": dicom(), "headers": {"content-type": "application/dicom"}}
            assert client.post("studies", **sent).status_code == 200
            cluster.stop()
            try:
                sent["content"] = dicom(instance=2)
                for answer in (client.post("studies", **sent), client.get("studies"), client.get(f"studies/{uid(1)}")):
                    assert answer.status_code == 503
                    assert answer.json()["detail"] == "the archive's database cannot be reached; try again later"
                    assert int(answer.headers["retry-after"]) > 0
            finally:
                cluster.start()
            assert len(client.get("instances").json()) == 1
            assert client.post("studies", **sent).status_code == 200
            assert len(client.get("instances").json()) == 2
