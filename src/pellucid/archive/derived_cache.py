"""What was made from stored objects and may be made again: encoded frames, rendered pictures, kept on disk."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pellucid.archive.remembered import Remembered

_MAGIC = b"PLCDERV1"
_DIGEST = 16
_TOUCH_SECONDS = 60.0
_FULL, _EMPTIED = 1.0, 0.8
_LARGEST_PART = 8
_SCAN_PART = 20
_ABANDONED_SECONDS = 3600.0
_EXACT_NAME = 40
_IN_MEMORY_BYTES, _LARGEST_IN_MEMORY = 64 << 20, 1 << 20


class DerivedCache:
    """A folder of values by the object they were made from and a name; the longest unused go when it is full.

    Those used last are held in memory too.

    Safe for several threads and processes: values appear whole or not at all, and one whose checksum is wrong is
    thrown away. Losing the folder loses nothing. Names are hashed: none becomes a path.
    """

    def __init__(self, folder: Path, limit_bytes: int = 4 << 30) -> None:
        self._folder = folder
        self.limit_bytes = limit_bytes
        self._written = limit_bytes  # the first value looks how full the folder is
        self._lock = threading.Lock()
        self._sweep: threading.Thread | None = None
        self._recent = Remembered(_IN_MEMORY_BYTES)

    def get(self, object_sha256: str, name: str) -> bytes | None:
        """The value, or None where there is none."""
        recent = self._recent.get(object_sha256 + name)
        if recent is not None:
            return recent
        path = self._path(object_sha256, name)
        try:
            with path.open("rb", buffering=0) as file:
                data = file.readall()
                used = os.fstat(file.fileno()).st_mtime
        except OSError:
            return None
        value = data[len(_MAGIC) + _DIGEST :]
        if data[: len(_MAGIC)] != _MAGIC or data[len(_MAGIC) : len(_MAGIC) + _DIGEST] != _digest(path.name, value):
            with suppress(OSError):
                path.unlink()
            return None
        if time.time() - used > _TOUCH_SECONDS:
            with suppress(OSError):
                os.utime(path)
        self._remember(object_sha256 + name, value)
        return value

    def put(self, object_sha256: str, name: str, value: bytes) -> None:
        """Keep a value; does nothing where it is too large, or the disk has no room."""
        if len(value) > self.limit_bytes // _LARGEST_PART:
            return
        path = self._path(object_sha256, name)
        temporary = self._folder / f"new-{uuid.uuid4().hex}"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb", buffering=0) as file:
                file.write(_MAGIC + _digest(path.name, value))
                file.write(value)
            temporary.replace(path)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            return
        self._count(len(value))

    def forget(self, object_sha256: str) -> None:
        """Remove everything made from an object."""
        self._recent.forget(object_sha256)
        shutil.rmtree(self._of(object_sha256), ignore_errors=True)

    def wait(self) -> None:
        """Until nothing is being removed."""
        sweep = self._sweep
        if sweep is not None:
            sweep.join()

    def _remember(self, key: str, value: bytes) -> None:
        if len(value) <= _LARGEST_IN_MEMORY:
            self._recent.put(key, value)

    def _of(self, object_sha256: str) -> Path:
        return self._folder / object_sha256[:2] / object_sha256

    def _path(self, object_sha256: str, name: str) -> Path:
        return self._of(object_sha256) / hashlib.sha256(name.encode()).hexdigest()[:_EXACT_NAME]

    def _count(self, size: int) -> None:
        with self._lock:
            self._written += size
            if self._written < self.limit_bytes // _SCAN_PART or (self._sweep and self._sweep.is_alive()):
                return
            self._written = 0
            self._sweep = threading.Thread(target=self._remove_oldest, name="derived cache", daemon=True)
            self._sweep.start()

    def _files(self) -> Iterator[Path]:
        for folder, _, names in os.walk(self._folder):  # passes over folders that are forgotten meanwhile
            yield from (Path(folder, name) for name in names)

    def _remove_oldest(self) -> None:
        """Bring the folder to 80 % of its limit where it is beyond it; another process may do the same."""
        found = []
        now = time.time()
        for path in self._files():
            with suppress(OSError):
                status = path.stat()
                if path.name.startswith("new-") and now - status.st_mtime > _ABANDONED_SECONDS:
                    path.unlink()
                else:
                    found.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in found)
        if total <= _FULL * self.limit_bytes:
            return
        for _, size, path in sorted(found, key=lambda one: one[0]):
            with suppress(OSError):
                path.unlink()
            with suppress(OSError):
                path.parent.rmdir()  # only where it is empty
            total -= size
            if total <= _EMPTIED * self.limit_bytes:
                return


def _digest(name: str, value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=_DIGEST, key=name.encode()).digest()
