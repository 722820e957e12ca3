"""Attribute matching of PS3.4 section C.2.2.2, for what no index holds: DICOM JSON against DICOM JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pellucid.archive.metadata import folded
from pellucid.dimse.data_set import text

_RANGED = frozenset({"DA", "TM", "DT"})
_EXACT = frozenset({"AT", "FD", "FL", "IS", "DS", "SL", "SS", "UL", "US", "SV", "UV", "UI"})
_DATE_TIME = r"(\d*\.?\d*(?:[+-](?:0\d|1[0-4])\d\d)?)"
_DATE_TIME_RANGE = re.compile(f"{_DATE_TIME}(-?){_DATE_TIME}")
_LATEST = "~"
"""Sorts after every digit: an upper limit given to the minute includes all of that minute."""


def matches(attributes: Mapping[str, Any], keys: Mapping[str, Any], *, fuzzy: bool = False) -> bool:
    """Whether attributes match all keys; a key without a value matches everything, and so does an absent sequence."""
    return all(_matches(attributes.get(tag), key, fuzzy=fuzzy) for tag, key in keys.items())


def is_universal(key: Mapping[str, Any]) -> bool:
    """Whether a key matches everything."""
    values = key.get("Value") or []
    if key.get("vr") == "SQ":
        return not values or all(is_universal(inner) for inner in (values[0] or {}).values())
    return all(value in ("", "*", None) for value in values)


def date_time_matches(date: str, time: str, dates: str, times: str) -> bool:
    """Date and time matched together: the range goes from the first date's time to the last date's (C.2.2.2.5)."""
    value = date + time
    first, _, last = _range(dates)
    from_time, _, to_time = _range(times)
    return bool(date) and first + from_time <= value <= (last + to_time if last else "") + _LATEST


def _matches(attribute: Mapping[str, Any] | None, key: Mapping[str, Any], *, fuzzy: bool) -> bool:
    if is_universal(key):
        return True
    vr = key.get("vr", "UN")
    if vr == "SQ":
        items = (attribute or {}).get("Value") or []
        return any(matches(item or {}, key["Value"][0], fuzzy=fuzzy) for item in items)
    wanted = text({"": key}, "")
    found = text({"": attribute or {}}, "").split("\\")
    if vr in _RANGED:
        return any(_in_range(value, wanted, vr) for value in found)
    if vr == "PN":
        return any(_name_matches(value, wanted, fuzzy=fuzzy) for value in found)
    if vr in _EXACT:
        return not set(found).isdisjoint(wanted.split("\\"))
    return any(_wildcard(option, value) for option in wanted.split("\\") for value in found)


def _wildcard(pattern: str, value: str) -> bool:
    """`*` is any text, `?` any character; without backtracking into exponential time."""
    at = place = 0
    star, mark = -1, 0
    while place < len(value):
        if at < len(pattern) and pattern[at] == "*":
            star, mark, at = at, place, at + 1
        elif at < len(pattern) and pattern[at] in ("?", value[place]):
            at, place = at + 1, place + 1
        elif star >= 0:
            at, mark, place = star + 1, mark + 1, mark + 1
        else:
            return False
    return not pattern[at:].strip("*")


def _name_matches(value: str, wanted: str, *, fuzzy: bool) -> bool:
    plain, pattern = folded(value), folded(wanted)
    if fuzzy:
        words = re.split(r"[\s^=]+", plain)
        return all(any(w.startswith(part) for w in words) for part in re.split(r"[\s^=,*?]+", pattern) if part)
    return any(_wildcard(pattern, group) for group in (plain, *plain.split("=")))


def _range(text_: str) -> tuple[str, str, str]:
    """First, dash, last; a single value is both."""
    first, dash, last = text_.partition("-")
    return (first, dash, last) if dash else (first, dash, first)


def _in_range(value: str, wanted: str, vr: str) -> bool:
    if vr == "DT":  # a time zone's sign is not a range's dash
        first, _, last = _date_time_range(wanted)
    else:
        first, _, last = _range(wanted)
    if not value:
        return False
    return first <= value and (not last or value <= last + ("" if vr == "DA" else _LATEST))


def _date_time_range(wanted: str) -> tuple[str, str, str]:
    found = _DATE_TIME_RANGE.fullmatch(wanted)
    if not found:
        return wanted, "", wanted
    first, dash, last = found[1], found[2], found[3]
    return (first, dash, last) if dash else (first, dash, first)
