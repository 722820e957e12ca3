"""An empty archive with its doorkeeper."""

import pytest
from tests.access import certificates as makers

from pellucid.access.doorkeeper import Doorkeeper
from pellucid.archive import Archive


@pytest.fixture
def archive(tmp_path):
    with Archive(tmp_path / "data") as opened:
        yield opened


@pytest.fixture
def keeper(archive):
    opened = Doorkeeper(archive)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return makers.make(tmp_path_factory.mktemp("certificates"))
