"""Fixtures: databases that need not be migrated again for each test, a database server and a bucket."""

import shutil
from pathlib import Path

import pytest
from tests.archive.buckets import BucketServer
from tests.archive.postgresql import Cluster

from pellucid.archive import Archive, Places
from pellucid.archive.database import Database
from pellucid.archive.schema import VERSION


@pytest.fixture(scope="session", autouse=True)
def migrated_once(tmp_path_factory):
    """New SQLite databases of this process are copies of one that the migrations made: each would take 0.1 s."""
    template = tmp_path_factory.mktemp("migrated") / "index.sqlite"
    migrate = Database._migrate

    def copy_or_migrate(database: Database, version: str) -> None:
        place = Path(database.place)
        if template.exists() and not database.is_postgresql and version == VERSION and not place.exists():
            shutil.copyfile(template, place)
        migrate(database, version)

    Database(template).close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "_migrate", copy_or_migrate)
        yield


@pytest.fixture(scope="session")
def cluster():
    started = Cluster()
    yield started
    started.close()


@pytest.fixture(scope="session")
def new_database(cluster, tmp_path_factory):
    """Call for the URL of a database with the tables, and nothing in them."""
    template = cluster.new_database()
    Archive(tmp_path_factory.mktemp("template"), places=Places(database=template)).close()
    return lambda: cluster.new_database(f"--template={template.rpartition('/')[2]}")


@pytest.fixture(scope="session")
def bucket_server():
    started = BucketServer()
    yield started
    started.close()


@pytest.fixture
def bucket(bucket_server, monkeypatch):
    """The URL of an empty bucket; the environment says where it is."""
    for name, value in bucket_server.environment.items():
        monkeypatch.setenv(name, value)
    return bucket_server.new_bucket()
