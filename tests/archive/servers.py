"""Fixtures: a database server and a bucket, started once for all tests that need them."""

import pytest
from tests.archive.buckets import BucketServer
from tests.archive.postgresql import Cluster

from pellucid.archive import Archive, Places


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
