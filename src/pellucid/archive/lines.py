"""DICOM JSON as the index keeps it: an object with one attribute a line, in the order of tags.

A JSON text has no line end of its own (strings escape theirs), so attributes can be chosen and put together
without reading what they say.
"""

from __future__ import annotations

from collections.abc import Container, Iterable

SEPARATOR = ",\n"


def lines_of(text: str) -> list[str]:
    """The attributes of an object, each as `"00100010":{…}`."""
    return text[1:-1].split(SEPARATOR) if text else []


def tag_of_line(line: str) -> str:
    """The tag that a line begins with, such as "00100010"."""
    return line[1:9]


def object_of(lines: Iterable[str]) -> str:
    """The object of some attributes, which are in order."""
    return "{" + SEPARATOR.join(lines) + "}"


def chosen(lines: Iterable[str], tags: Container[str]) -> list[str]:
    """The attributes whose tags are asked for."""
    return [line for line in lines if line[1:9] in tags]


def merged(first: str, second: str) -> str:
    """One object of two that have different attributes."""
    return object_of(sorted(lines_of(first) + lines_of(second))) if second else first
