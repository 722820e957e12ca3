"""Requests made at random from what /api and /fhir say of themselves get the answers that are declared, none by 5xx.

Those of DICOMweb are in tests/dicomweb/test_description.py.
"""

import sys
from collections import Counter

import pytest
import schemathesis
from tests.archive.samples import dicom
from tests.dicomweb.test_description import ask

from pellucid.fhir.resources import capability_statement
from pellucid.server import Settings, create_app

FHIR_ANSWERS = ("200", "400", "404", "406")
FHIR_JSON = "application/fhir+json"


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    place = tmp_path_factory.mktemp("data")
    made = create_app(Settings(data=place, upload_bytes=2_000_000, upload_files=30, names=("testserver",)))
    made.state.platform.archive.store(dicom())
    yield made
    made.state.platform.close()


def of_api(app):
    """The OpenAPI description without DICOMweb's part."""
    described = app.openapi()
    paths = {path: asked for path, asked in described["paths"].items() if not path.startswith("/dicom-web")}
    return {**described, "paths": paths, "servers": [{"url": "http://testserver"}]}


def of_fhir(_app):
    """OpenAPI made of the FHIR capability statement: its resources, interactions and search parameters."""
    answers = {status: {"description": "", "content": {FHIR_JSON: {}}} for status in FHIR_ANSWERS}
    paths = {"/metadata": {"get": {"responses": answers}}}
    for resource in capability_statement("http://testserver/fhir")["rest"][0]["resource"]:
        query = [parameter("query", one["name"]) for one in resource.get("searchParam", [])]
        query += [parameter("query", name) for name in ("_count", "_offset", "_format")]
        name = resource["type"]
        paths[f"/{name}"] = {"get": {"parameters": query, "responses": answers}}
        identified = [parameter("path", "id", required=True)]
        paths[f"/{name}/{{id}}"] = {"get": {"parameters": identified, "responses": answers}}
    form = {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}}
    paths["/ImagingStudy/_search"] = {"post": {"requestBody": {"content": form}, "responses": answers}}
    about = {"title": "FHIR", "version": "5"}
    return {"openapi": "3.1.0", "info": about, "servers": [{"url": "http://testserver/fhir"}], "paths": paths}


def parameter(place, name, **more):
    return {"in": place, "name": name, "schema": {"type": "string"}, **more}


def without_ends(app):
    """The application, which each client of Schemathesis would start and stop."""

    async def inner(scope, receive, send):
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        for end in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{end}.complete"})

    return inner


@pytest.mark.parametrize("examples", [2, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])])
@pytest.mark.parametrize("description", [of_api, of_fhir])
def test_random_requests(app, description, examples):
    schema = schemathesis.openapi.from_dict(description(app))
    schema.app = without_ends(app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 5
    statuses = sum((ask(operation, examples) for operation in operations), Counter())
    sys.stderr.write(f"\n{dict(statuses)}\n")
    assert statuses[200] > len(operations) / 8
    assert statuses[403] < sum(statuses.values()) / 3  # what needs an account, which nobody has here
