"""Numba decorators with types: one place for the compiler options of every hot loop."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

# Before numba is imported, and only where the user has not said otherwise.
if os.environ.get("PELLUCID_THREADS", "").isdigit():
    os.environ.setdefault("NUMBA_NUM_THREADS", os.environ["PELLUCID_THREADS"])
# Threads that wait for one another sleep instead of spinning: on a busy machine (other programs, several
# reconstructions in the server) spinning made these short loops up to 40 times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numba

P = ParamSpec("P")
R = TypeVar("R")

prange = numba.prange


def _compiled(function: Callable[P, R], **options: Any) -> Callable[P, R]:
    compiled: Callable[P, R] = numba.njit(cache=True, nogil=True, **options)(function)
    return compiled


def parallel_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop that runs on all threads; each output element is written by one thread only."""
    return _compiled(function, parallel=True, fastmath=True, error_model="numpy")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a loop that runs on the calling thread."""
    return _compiled(function, fastmath=True, error_model="numpy")


def inline_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a helper that is inlined into the kernels that call it."""
    return _compiled(function, fastmath=True, error_model="numpy", inline="always")


def thread_count() -> int:
    """Threads that kernels and FFTs use: `PELLUCID_THREADS` or `NUMBA_NUM_THREADS` at the start, else all cores."""
    return int(numba.get_num_threads())
