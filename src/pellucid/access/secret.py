"""Random tokens that stand for somebody; only their digests are kept."""

from __future__ import annotations

import hashlib
import secrets

_BYTES = 32


def new_secret(prefix: str = "") -> str:
    """A token of 256 random bits, which text that is published by mistake can be searched for by its prefix."""
    return prefix + secrets.token_urlsafe(_BYTES)


def digest_of(secret: str) -> str:
    """What is kept of a token: it has too many bits to be guessed, so a plain digest does."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
