"""FHIR searches with the index in PostgreSQL."""

import pytest
from tests.fhir.conftest import fill
from tests.fhir.test_imaging_study import (  # noqa: F401 (they run here with this module's archive)
    test_a_study,
    test_only_what_the_caller_sees,
    test_pages,
    test_searches,
)

from pellucid.archive import Archive, Places


@pytest.fixture(scope="module")
def archive(new_database, tmp_path_factory):
    with Archive(tmp_path_factory.mktemp("archive"), places=Places(database=new_database())) as opened:
        fill(opened)
        yield opened
