"""Accounts, projects and links with the index in PostgreSQL."""

import pytest
from tests.access.test_accounts import (  # noqa: F401 (they run here with this module's archive)
    TestLinks,
    TestProjects,
    test_logging_in,
    test_sessions_end,
    test_tokens_do_what_both_they_and_their_owner_may,
    test_who_is_removed_or_switched_off_is_out,
)

from pellucid.archive import Archive, Places


@pytest.fixture
def archive(tmp_path, new_database):
    with Archive(tmp_path / "data", places=Places(database=new_database())) as opened:
        yield opened
