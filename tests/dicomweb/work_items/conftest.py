"""Clients of the work items of an archive; none is left behind."""

import pytest
from sqlalchemy import delete
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tests.archive.samples import uid

from pellucid import dicomweb
from pellucid.access import Caller, Permission
from pellucid.archive import Visible
from pellucid.dicomweb.tables import WorkItemEventRow, WorkItemRow, WorkItemSubscriptionRow


@pytest.fixture(autouse=True)
def nothing_left(archive):
    yield
    with archive.writing() as session:
        for table in (WorkItemEventRow, WorkItemSubscriptionRow, WorkItemRow):
            session.execute(delete(table))
    archive.delete(uid(1))


@pytest.fixture
def client_of(archive):
    routes = Starlette(routes=[Mount("/dicom-web", routes=dicomweb.routes(archive))])

    def make(name="someone", permissions=(Permission.FIND, Permission.SCHEDULE), visible=None):
        visible = visible or Visible(everything=True)
        caller = Caller(name=name, kind="account", permissions=frozenset(permissions), visible=visible)

        async def app(scope, receive, send):
            await routes({**scope, "pellucid.caller": caller}, receive, send)

        return TestClient(app, base_url="http://localhost/dicom-web/")

    return make


@pytest.fixture
def client(client_of):
    return client_of()
