"""The FHIR service over an archive of three studies."""

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tests.archive.samples import dicom, uid

from pellucid import fhir
from pellucid.access import Caller, Permission
from pellucid.archive import Archive, Visible


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    with Archive(tmp_path_factory.mktemp("archive")) as opened:
        fill(opened)
        yield opened


def fill(archive):
    """Store the three studies."""
    with archive.batch() as batch:
        for number, modality, part in ((1, "CT", "CHEST"), (2, "MR", "HEAD"), (3, "CT", "HEAD")):
            same = {
                "PatientID": f"P{number}",
                "PatientName": "Doe^Jane^M^Dr",
                "StudyDate": f"2026030{number}",
                "AccessionNumber": f"A{number}",
                "TimezoneOffsetFromUTC": "+0100",
            }
            for series in (1, 2):
                batch.store(dicom(number, series, 1, Modality=modality, BodyPartExamined=part, Laterality="L", **same))


@pytest.fixture(scope="module")
def client_of(archive):
    inner = Starlette(routes=[Mount("/fhir", routes=fhir.routes(archive))])

    def make(permissions=(Permission.FIND,), visible=None):
        visible = visible or Visible(everything=True)
        caller = Caller(name="someone", kind="account", permissions=frozenset(permissions), visible=visible)

        async def app(scope, receive, send):
            await inner({**scope, "pellucid.caller": caller}, receive, send)

        return TestClient(app, base_url="http://localhost/fhir/")

    return make


@pytest.fixture
def client(client_of):
    return client_of()


@pytest.fixture
def seeing_second(client_of):
    return client_of(visible=Visible(studies=frozenset({uid(2)})))
