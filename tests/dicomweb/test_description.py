"""Requests made at random from the service's own description get the answers that it declares."""

import re
from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import content_type_conformance, status_code_conformance
from starlette.applications import Starlette
from starlette.routing import Mount
from tests.archive.samples import dicom

from pellucid import dicomweb
from pellucid.archive import Archive
from pellucid.dicomweb.description import openapi


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    with Archive(tmp_path_factory.mktemp("archive")) as archive:
        archive.store(dicom())
        app = Starlette(routes=[Mount("/dicom-web", routes=dicomweb.routes(archive))])
        described = schemathesis.openapi.from_dict(openapi("http://localhost/dicom-web"))
        described.app = app
        yield described


def ask(operation, examples=3):
    """Make so many requests of an operation, each answered as it declares; the statuses, counted."""
    statuses = Counter()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def each(data):
        case = data.draw(operation.as_strategy())
        # An address with a line end is no address of this service, and Starlette answers for it.
        assume(not any(re.search("[\r\n]|%0[AD]", str(value)) for value in (case.path_parameters or {}).values()))
        checks = [not_a_server_error, status_code_conformance, content_type_conformance]
        statuses[case.call_and_validate(checks=checks).status_code] += 1

    each()
    return statuses


def test_random_requests(schema):
    for result in schema.get_all_operations():
        ask(result.ok())
