"""Channels: what each client of a session has been sent, so that it need not say so (ISO/IEC 15444-9 B.2)."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from threading import Lock

from pellucid.jpip.cache_model import Held
from pellucid.jpip.index import Index
from pellucid.jpip.limits import Limits


@dataclass
class Channel:
    """One client's view of one target; `answering` is held while a request of it is answered."""

    name: str
    caller: str
    target: str
    held: OrderedDict[str, Held] = field(default_factory=OrderedDict)
    used: float = 0.0
    answering: Lock = field(default_factory=Lock)

    def held_of(self, key: str, index: Index, most: int) -> Held:
        """What the client has of a codestream; the one used longest ago is forgotten beyond `most`."""
        held = self.held.get(key) or Held.nothing(index)
        self.held[key] = held
        self.held.move_to_end(key)
        while len(self.held) > most:
            self.held.popitem(last=False)
        return held


class Channels:
    """The open channels. Idle ones, and beyond the limits those used longest ago, are forgotten."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._open: OrderedDict[str, Channel] = OrderedDict()
        self._lock = Lock()

    def open(self, caller: str, target: str, like: Channel | None = None) -> Channel:
        """A new channel; `like` one of the same session, whose cache the client shares where the target is the same."""
        channel = Channel(secrets.token_urlsafe(18), caller, target, used=self._clock())
        if like is not None and like.target == target:
            channel.held = like.held
            channel.answering = like.answering
        with self._lock:
            self._forget()
            own = [name for name, one in self._open.items() if one.caller == caller]
            for name in own[: max(0, len(own) + 1 - self._limits.channels_of_caller)]:
                del self._open[name]
            while len(self._open) >= self._limits.channels:
                self._open.popitem(last=False)
            self._open[channel.name] = channel
        return channel

    def get(self, caller: str, name: str) -> Channel | None:
        """A caller's open channel."""
        with self._lock:
            self._forget()
            channel = self._open.get(name)
            if channel is None or channel.caller != caller:
                return None
            channel.used = self._clock()
            self._open.move_to_end(name)
            return channel

    def close(self, caller: str, names: Collection[str]) -> None:
        """Close these channels of the caller."""
        with self._lock:
            for name in names:
                channel = self._open.get(name)
                if channel is not None and channel.caller == caller:
                    del self._open[name]

    def session_of(self, channel: Channel) -> list[str]:
        """The channels that share a client's cache with this one."""
        with self._lock:
            return [name for name, one in self._open.items() if one.held is channel.held]

    def _forget(self) -> None:
        oldest = self._clock() - self._limits.idle_seconds
        for name in [name for name, channel in self._open.items() if channel.used < oldest]:
            del self._open[name]
