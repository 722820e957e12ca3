"""Memory of the running server while it stores what is larger than it may hold, and very many; a large index."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from validation import NotAvailableError, check

FREE_BYTES = 16 << 30
WARM, MANY = 10_000, 90_000


@contextmanager
def _server() -> Iterator[Any]:
    from tests.server.running import Server

    with tempfile.TemporaryDirectory() as folder:
        if shutil.disk_usage(folder).free < FREE_BYTES:
            raise NotAvailableError("less than 16 GB of disk are free")
        started = Server(Path(folder))
        try:
            yield started
        finally:
            started.stop()


@check(
    "A multi-frame object of 4.0e9 bytes by C-STORE, and one by STOW-RS: the most memory that a process had",
    against="known truth",
    unit="MB",
    high=400,
    reason="objects stream to the disk; 400 MB is asked",
    tested_elsewhere=True,
)
def peak_of_four_gigabytes() -> float:
    """Megabytes, resident."""
    from tests.fuzz.storing import large_by_association, large_by_http

    with _server() as server:
        stored = large_by_http(server), large_by_association(server)
        return float(server.peak_mb()) if stored == (200, 0) else float("nan")


@lru_cache(maxsize=1)
def _many() -> tuple[float, float]:
    """The most memory that a process had [MB], and what each instance after the first thousands added [byte]."""
    from tests.fuzz.storing import store_many

    with _server() as server:
        store_many(server, 0, WARM)
        before = server.resident_mb()
        store_many(server, WARM, MANY)
        return server.peak_mb(), (server.resident_mb() - before) * 1e6 / MANY


@check(
    "100,000 small instances by C-STORE over eight associations: the most memory that a process had",
    against="known truth",
    unit="MB",
    high=400,
    reason="400 MB is asked",
    tested_elsewhere=True,
)
def peak_of_very_many() -> float:
    """Megabytes, resident."""
    return _many()[0]


@check(
    "The same, what each of the last 90,000 added to the memory of all processes",
    against="known truth",
    unit="byte",
    high=400,
    reason="SQLite's page cache still grows; an instance that stayed would be more than 1,000",
    tested_elsewhere=True,
)
def growth_of_very_many() -> float:
    """Bytes an instance."""
    return _many()[1]


@check(
    "13 searches of an index of 1,000,000 instances, the slowest beside the same of 10,000 instances",
    against="known truth",
    high=3,
    reason="every search goes through an index; 3 times is asked; below a millisecond the clock is too coarse",
    tested_elsewhere=True,
)
def searching_a_million() -> float:
    """Largest ratio of processor times, of the best of 7."""
    from tests.archive.test_large_index import fill, times

    with tempfile.TemporaryDirectory() as folder:
        with fill(Path(folder) / "small", 100, 100) as small:
            few = times(small)
        with fill(Path(folder) / "large", 10_000, 100) as large:
            many = times(large)
    return max(other / max(one, 0.001) for one, other in zip(few, many, strict=True))
