"""Damaged PDUs, files and requests: none ends a process, none is answered as it must not be, none takes long."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from validation import check

PDUS, PARSED, STORED, READ, REQUESTS, EXCHANGES = 100_000, 100_000, 20_000, 20_000, 100_000, 10_000


@lru_cache(maxsize=1)
def _pdus() -> tuple[int, Any]:
    from tests.fuzz.test_associations import converse_often

    with tempfile.TemporaryDirectory() as folder:
        damaged, watch = converse_often(Path(folder) / "archive", PDUS)
        return damaged, watch


@lru_cache(maxsize=1)
def _files() -> list[Any]:
    from tests.fuzz.test_files import parse_often, read_often, store_often

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        return [parse_often(PARSED), store_often(place / "archive", STORED), read_often(place, READ)]


@lru_cache(maxsize=1)
def _requests() -> list[Any]:
    from tests.fuzz.test_requests import application, ask_often, exchange_often

    with tempfile.TemporaryDirectory() as folder, application(Path(folder)) as app:
        return [ask_often(app, REQUESTS), exchange_often(app, EXCHANGES)]


def _all() -> list[Any]:
    return [_pdus()[1], *_files(), *_requests()]


@check(
    "Damaged PDUs at the listener: each conversation is answered or ended, and the next partner served",
    against="known truth",
    low=PDUS,
    reason="none ends a thread or a process, none is logged as a failure, and the archive verifies afterwards",
    tested_elsewhere=True,
)
def damaged_pdus() -> float:
    """Number of damaged PDUs."""
    return _pdus()[0]


@check(
    "Damaged DICOM files parsed, stored and read as images: each is taken whole, or refused in one line",
    against="known truth",
    low=PARSED + STORED + READ,
    reason="nothing but a refusal is raised, and the archive verifies afterwards",
    tested_elsewhere=True,
)
def damaged_files() -> float:
    """Number of files."""
    return sum(watch.cases for watch in _files())


@check(
    "Damaged HTTP requests, most to the application, some to the server's sockets: each is answered, none by 5xx",
    against="known truth",
    low=REQUESTS + EXCHANGES,
    reason="but for 501, which JPIP and FHIR give to what is well-formed and not provided",
    tested_elsewhere=True,
)
def damaged_requests() -> float:
    """Number of requests."""
    return sum(watch.cases for watch in _requests())


@check(
    "The longest that any of these took",
    against="known truth",
    unit="s",
    high=5,
    reason="nobody waits: 5 s is asked",
    tested_elsewhere=True,
)
def longest_answer() -> float:
    """Seconds."""
    return max(watch.slowest for watch in _all())


@check(
    "The most memory that any kind of them added to the process, once its caches were warm",
    against="known truth",
    unit="MB",
    high=96,
    reason="caches and the allocator; a leak of 1 kB a case would be 100 MB",
    tested_elsewhere=True,
)
def memory_added() -> float:
    """Megabytes; measured at the end of each."""
    return max(watch.grown_mb for watch in _all())
