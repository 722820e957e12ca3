"""Made things that are kept as long as there is room: the longest unused go first."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock


class Remembered:
    """Bytes by key, up to `limit` bytes in all; safe for use from many threads."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: str) -> bytes | None:
        """What is kept under a key."""
        with self._lock:
            data = self._kept.get(key)
            if data is not None:
                self._kept.move_to_end(key)
            return data

    def forget(self, prefix: str) -> None:
        """Let go of everything whose key begins so."""
        with self._lock:
            for key in [key for key in self._kept if key.startswith(prefix)]:
                self._size -= len(self._kept.pop(key))

    def put(self, key: str, data: bytes) -> None:
        """Keep something, and let go of what there is no room for."""
        with self._lock:
            self._size += len(data) - len(self._kept.pop(key, b""))
            self._kept[key] = data
            while self._size > self._limit:
                self._size -= len(self._kept.popitem(last=False)[1])
