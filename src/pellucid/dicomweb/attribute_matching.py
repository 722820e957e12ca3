"""Matching of attributes of a data set in the DICOM JSON model (PS3.4 section C.2.2.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from pellucid.archive.columns import folded
from pellucid.dicomweb.problems import RequestError

_TIMES = frozenset({"DA", "TM", "DT"})
_NUMBERS = frozenset({"IS", "DS", "US", "SS", "UL", "SL", "FL", "FD", "UV", "SV"})
_RANGE = re.compile(r"([0-9.]*)-([0-9.]*)")
_DATE_TIME = re.compile(r"([0-9]{4,14}(?:\.[0-9]{1,6})?)([+-][0-9]{4})?")
_HIGHEST = "~"
_MAXIMUM_VALUES = 200


def path_of(name: str) -> str:
    """An attribute by keyword or tag, those in sequences joined by dots, as keywords; raises `RequestError` 400."""
    return ".".join(map(_keyword, name.split(".")))


def matches(item: Mapping[str, Any], path: str, value: str, *, fuzzy: bool = False) -> bool:
    """Whether a data set matches `value` at a path of keywords; raises `RequestError` 400 for a malformed value."""
    keyword = path.rpartition(".")[2]
    vr = dictionary_VR(keyword)
    if value in ("", "*"):
        return True
    if len(re.findall(r"[\\,]", value)) >= _MAXIMUM_VALUES:
        raise RequestError(400, f"{keyword}: lists more than {_MAXIMUM_VALUES} values")
    if vr in _TIMES:
        return _in_range([str(v) for v in values_at(item, path)], value, keyword)
    found = list(values_at(item, path))
    if vr == "PN":
        return any(_name(name, value, fuzzy=fuzzy) for name in found if isinstance(name, Mapping))
    if vr == "UI":
        return any(str(v) in re.split(r"[\\,]", value) for v in found)
    if vr in _NUMBERS:
        return _number(found, value, keyword)
    wanted = value.replace(",", "\\") if vr in ("CS", "AE") else value
    return any(_wildcard(str(v), option) for v in found for option in wanted.split("\\"))


def values_at(item: Mapping[str, Any], path: str) -> Iterator[Any]:
    """The values at a path of keywords, of all items of its sequences."""
    keyword, _, below = path.partition(".")
    values = item.get(f"{tag_for_keyword(keyword):08X}", {}).get("Value") or ()
    if not below:
        yield from values
        return
    for part in values:
        if isinstance(part, Mapping):
            yield from values_at(part, below)


def _wildcard(text: str, pattern: str) -> bool:
    if not set(pattern) & set("*?"):
        return text == pattern
    expression = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in re.sub(r"\*+", "*", pattern))
    return re.fullmatch(expression, text, re.DOTALL) is not None


def _name(name: Mapping[str, Any], value: str, *, fuzzy: bool) -> bool:
    groups = [folded(str(group)) for group in name.values()]
    if fuzzy:
        words = [word for group in groups for word in re.split(r"[\s^]+", group)]
        asked = re.split(r"[\s^=,*?]+", folded(value))
        return all(any(word.startswith(part) for word in words) for part in asked if part)
    return any(_wildcard(group, folded(value)) for group in [*groups, "=".join(groups)])


def _number(found: list[Any], value: str, keyword: str) -> bool:
    try:
        wanted = {float(part) for part in value.split("\\")}
        return any(float(v) in wanted for v in found)
    except (ValueError, TypeError):
        raise RequestError(400, f"{keyword}: is {value[:40]!r}; expected a number") from None


def _in_range(found: list[str], value: str, keyword: str) -> bool:
    """Dates and times as far as they are given: "2026" is all of that year, and the upper end of a range is within."""
    zone = re.compile(r"(?<=[0-9])[+-][0-9]{4}$")
    plain = value if _RANGE.fullmatch(value) else zone.sub("", value)
    single, bounds = _DATE_TIME.fullmatch(plain), _RANGE.fullmatch(plain)
    if single is not None and not single[2]:
        return any(v.startswith(plain) for v in found)
    if bounds is None or not (bounds[1] or bounds[2]):
        raise RequestError(400, f"{keyword}: is {value[:60]!r}; expected a date or time, or a range of them")
    low, high = bounds.groups()
    return any((not low or v >= low) and (not high or v <= high + _HIGHEST) for v in (zone.sub("", v) for v in found))


def _keyword(name: str) -> str:
    if tag_for_keyword(name) is not None:
        return name
    keyword = keyword_for_tag(int(name, 16)) if re.fullmatch("[0-9A-Fa-f]{8}", name) else ""
    if not keyword:
        raise RequestError(400, f"{name[:80]!r} is not a DICOM keyword or tag")
    if tag_for_keyword(keyword) is None:
        raise RequestError(400, f"{name} is of a repeating group, which is not matched")
    return keyword
