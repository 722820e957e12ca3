"""Accounts, and what administrators set up, with the index in PostgreSQL: the whole server."""

import pytest
from tests.server.test_accounts_api import (  # noqa: F401 (they run here with this module's settings)
    app,
    browser,
    test_a_session,
    test_accounts,
    test_changing_a_password,
    test_links,
    test_tokens,
)
from tests.server.test_admin import test_entities, test_routes_fill_the_queue  # noqa: F401

from pellucid.server import Settings


@pytest.fixture
def settings(tmp_path, new_database):
    return Settings(data=tmp_path / "data", database=new_database())


def test_it_is_the_database_that_is_used(platform):
    assert platform.archive._database.engine.dialect.name == "postgresql"
