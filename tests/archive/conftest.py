"""An empty archive."""

import shutil

import pytest

from pellucid.archive import Archive


@pytest.fixture(scope="session")
def empty(tmp_path_factory):
    """The folder of an archive that was opened once: copying it is quicker than making the database again."""
    folder = tmp_path_factory.mktemp("empty")
    Archive(folder).close()
    return folder


@pytest.fixture
def archive(tmp_path, empty):
    with Archive(shutil.copytree(empty, tmp_path / "archive")) as opened:
        yield opened
