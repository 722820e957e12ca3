"""Copies on this machine of objects that lie elsewhere: bounded, verified when they come, gone without harm."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_STAYS_SECONDS = 60
"""A copy that was just given to someone is not removed from under them."""


class LocalCopies:
    """A folder of objects by name; those unused longest go when there are more than `limit_bytes`."""

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._limit = limit_bytes
        self._lock = threading.Lock()
        for left in folder.glob("new-*"):
            if time.time() - left.stat().st_mtime > 3600:
                left.unlink(missing_ok=True)

    def find(self, name: str) -> Path | None:
        """The copy, where there is one."""
        path = self._path(name)
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        return path

    def add(self, name: str, fetch: Callable[[Path], None]) -> Path:
        """Make a copy: `fetch` writes it."""
        path, temporary = self._path(name), self._folder / f"new-{uuid.uuid4().hex}"
        try:
            fetch(temporary)
            path.parent.mkdir(exist_ok=True)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        self._sweep()
        return path

    def remove(self, name: str) -> None:
        """Remove a copy."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / name[:2] / name

    def _sweep(self) -> None:
        with self._lock:
            found = []
            for path in self._folder.glob("??/*"):
                with suppress(OSError):
                    status = path.stat()
                    found.append((status.st_mtime, status.st_size, path))
            excess = sum(size for _, size, _ in found) - self._limit
            now = time.time()
            for used, size, path in sorted(found):
                if excess <= 0 or now - used < _STAYS_SECONDS:
                    return
                path.unlink(missing_ok=True)
                excess -= size
