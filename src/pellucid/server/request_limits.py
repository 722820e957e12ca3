"""How much one address may ask, and how requests' bodies may look, before any of it is read as a whole."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict

from pellucid.access.login_attempts import TooManyAttemptsError

DEEPEST = 64
_MOST_ADDRESSES = 10_000
_STRING = re.compile(rb'"(?:[^"\\]+|\\.)*"?', re.DOTALL)
_NOT_BRACKETS = re.compile(rb"[^\[\]{}]+")


class Throttle:
    """A bucket for every address: `burst` at once, `per_second` on average."""

    def __init__(self, *, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def require(self, address: str) -> None:
        """Raises `TooManyAttemptsError` where the bucket is empty."""
        left = self._level(address)
        if left < 1.0:
            raise TooManyAttemptsError((1.0 - left) / self._per_second)

    def take(self, address: str) -> bool:
        """Take one out of the bucket; False where it is empty."""
        with self._lock:
            level = self._level(address)
            if level < 1.0:
                return False
            self._buckets[address] = level - 1.0, time.monotonic()
            self._buckets.move_to_end(address)
            if len(self._buckets) > _MOST_ADDRESSES:
                self._buckets.popitem(last=False)
            return True

    def _level(self, address: str) -> float:
        level, at = self._buckets.get(address, (self._burst, 0.0))
        return min(self._burst, level + (time.monotonic() - at) * self._per_second)


def json_depth(text: bytes) -> int:
    """How deep objects and lists lie in each other, whether the text is valid JSON or not."""
    depth = deepest = 0
    for bracket in _NOT_BRACKETS.sub(b"", _STRING.sub(b"", text)):
        if bracket in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        else:
            depth -= 1
    return deepest
