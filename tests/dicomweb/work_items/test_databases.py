"""Work items with the index in PostgreSQL."""

import pytest
from tests.dicomweb.work_items.test_events import (  # noqa: F401 (they run here with this module's archive)
    test_events_of_items_that_match,
    test_items_of_studies_that_are_not_seen_are_not_there,
)
from tests.dicomweb.work_items.test_states import (  # noqa: F401
    test_a_work_item_from_creation_to_completion,
    test_cancellation_before_it_begins,
    test_search,
)

from pellucid.archive import Archive, Places


@pytest.fixture(scope="module")
def archive(new_database, tmp_path_factory):
    with Archive(tmp_path_factory.mktemp("archive"), places=Places(database=new_database())) as opened:
        yield opened
