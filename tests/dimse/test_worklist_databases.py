"""Worklist and performed procedure steps with the index in PostgreSQL."""

import pytest
from tests.dimse.test_worklist import (  # noqa: F401 (they run here with this module's archive)
    TestProcedureStep,
    find,
    test_dcmtk_finds,
    test_what_is_missing_is_made_or_said,
    worklist,
)

from pellucid.archive import Archive, Places


@pytest.fixture
def archive(tmp_path, new_database):
    with Archive(tmp_path, places=Places(database=new_database())) as opened:
        yield opened
