"""How much one request may bring."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StoreLimits:
    """The largest store request: bytes of one part and of all, and number of parts.

    `metadata_bytes`: of one part of JSON or XML; `bulk_bytes`: of a value other than pixels that is given by reference.
    """

    part_bytes: int = 4 << 30
    total_bytes: int = 16 << 30
    parts: int = 20_000
    metadata_bytes: int = 32 << 20
    bulk_bytes: int = 64 << 20
