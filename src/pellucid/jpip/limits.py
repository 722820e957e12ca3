"""What a client may ask for."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The largest sizes accepted or given.

    `query_bytes`: a request's fields [byte]; `response_bytes`: one response's messages [byte]; `channels`: open at
    the same time, and of one caller; `idle_seconds`: after which a channel is forgotten; `streams`: codestreams that a
    channel remembers; `opened_bytes`: codestreams held in memory.
    """

    query_bytes: int = 1 << 20
    response_bytes: int = 32 << 20
    channels: int = 256
    channels_of_caller: int = 64
    idle_seconds: float = 300.0
    streams: int = 256
    opened_bytes: int = 256 << 20
