"""The errors a user can meet: each says what, where, what was expected, what was got and the likely fix."""

from collections.abc import Iterable
from difflib import get_close_matches


def _one_line(text: str) -> str:
    """Text in which what a damaged file says can be quoted: control characters would break lines and terminals."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)


class PellucidError(Exception):
    """Something that Pellucid could not do; its text is one line meant for the user."""


class InvalidInputError(PellucidError, ValueError):
    """A file, a field or a parameter is not what it must be (exit code 2, HTTP 4xx)."""

    def __init__(self, message: str, *, file: object = None, field: str | None = None) -> None:
        where = ": ".join(str(part) for part in (file, field) if part is not None)
        super().__init__(_one_line(f"{where}: {message}" if where else message))
        self.file = None if file is None else str(file)
        self.field = field


class UnknownOptionError(InvalidInputError):
    """A name that is not in the list of known names; the message lists them."""

    def __init__(self, what: str, given: str, known: Iterable[str], *, file: object = None) -> None:
        names = sorted(known)
        near = get_close_matches(given, names, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        super().__init__(f"unknown {what} {given!r}{hint}; known: {', '.join(names) or 'none'}", file=file)


class UnsupportedError(InvalidInputError):
    """Valid input of a kind that Pellucid does not handle; the message gives the reason."""


class CancelledError(PellucidError):
    """The user cancelled the work."""
