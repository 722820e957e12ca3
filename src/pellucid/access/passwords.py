"""Passwords: which are taken (after NIST SP 800-63B section 3.1.1), and how they are kept (Argon2id, RFC 9106)."""

from __future__ import annotations

import threading
import unicodedata
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from pellucid.errors import InvalidInputError

SHORTEST, LONGEST = 12, 256
_FEWEST_DIFFERENT = 5
_COMMON = (
    "password", "passwort", "motdepasse", "contraseña", "qwertyuiop", "qwertzuiop", "1234567890", "0987654321",
    "abcdefghij", "iloveyou", "letmein", "welcome", "changeme", "administrator", "pellucid", "radiology",
)  # fmt: skip
"""What is tried first: such a word may be part of a password, not more than half of it."""

_hasher = PasswordHasher()
# Each takes 64 MiB (RFC 9106, second recommended option): many at once must not take the machine's memory.
_at_once = threading.BoundedSemaphore(2)


def require_fit(password: str, name: str) -> None:
    """Raises `InvalidInputError` where the password is too easily guessed; `name`: of the account."""
    text = _normal(password)
    if not SHORTEST <= len(text) <= LONGEST:
        raise _unfit(f"has {len(text)} characters; expected {SHORTEST} to {LONGEST}")
    folded = text.casefold()
    if len(set(folded)) < _FEWEST_DIFFERENT:
        raise _unfit(f"has fewer than {_FEWEST_DIFFERENT} different characters")
    for word in (*_COMMON, name.casefold()):
        if len(word) >= 3 and word in folded and len(word) * 2 > len(folded):
            raise _unfit("is mostly the account's name, or a word that is tried first")


def hash_of(password: str) -> str:
    """What is kept of a password or passphrase."""
    with _at_once:
        return _hasher.hash(_normal(password))


def matches(password: str, kept: str) -> bool:
    """Whether a password is the one that was kept; takes as long where nothing was (`kept` is empty)."""
    if len(password) > LONGEST:
        password = ""
    try:
        with _at_once:
            _hasher.verify(kept or _nobodys(), _normal(password))
    except (Argon2Error, InvalidHashError):
        return False
    return bool(kept)


def is_outdated(kept: str) -> bool:
    """Whether it was kept with other costs than are used now."""
    return _hasher.check_needs_rehash(kept)


@cache
def _nobodys() -> str:
    return _hasher.hash("of no account")


def _normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _unfit(why: str) -> InvalidInputError:
    return InvalidInputError(why, field="password")
