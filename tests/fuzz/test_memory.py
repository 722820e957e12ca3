"""The memory of a running server while it stores what is larger than it may hold, and very many."""

import shutil
import sys

import pytest
from tests.fuzz.storing import large_by_association, large_by_http, store_many
from tests.server.running import Server

LARGEST_MB = 400
FREE_BYTES = 16 << 30


@pytest.fixture
def server(tmp_path):
    if shutil.disk_usage(tmp_path).free < FREE_BYTES:
        pytest.skip("less than 16 GB of disk are free")
    started = Server(tmp_path)
    yield started
    sys.stderr.write(f"\npeak {started.peak_mb():.0f} MB\n")
    started.stop()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_four_gigabytes_by_http(server):
    assert large_by_http(server) == 200
    frame = "/dicom-web/studies/1.2.3/series/1.2.3.1/instances/1.2.3.1.1/frames/7000"
    assert server.request("GET", frame)[0] == 200
    assert server.peak_mb() < LARGEST_MB


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_four_gigabytes_by_association(server):
    assert large_by_association(server) == 0
    assert server.peak_mb() < LARGEST_MB


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_small_instances(server):
    """After the first thousands nothing more is taken: less than 400 bytes for each of 10⁵ instances."""
    warm, count = 10_000, 100_000
    store_many(server, 0, warm)
    before = server.resident_mb()
    store_many(server, warm, count - warm)
    grown = server.resident_mb() - before
    sys.stderr.write(f"\ngrown {grown:.1f} MB in {count - warm} instances, {server.resident_mb():.0f} MB in all\n")
    assert grown * 1e6 / (count - warm) < 400
    assert server.peak_mb() < LARGEST_MB
