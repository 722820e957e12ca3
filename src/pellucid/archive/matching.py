"""Matching of attributes as DICOM PS3.4 section C.2.2.2 defines it, written as SQL conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, false, func, literal, or_, true

from pellucid.archive.columns import LARGEST_INTEGER, folded
from pellucid.errors import InvalidInputError

Kind = Literal["text", "name", "date", "time", "uid", "code", "integer"]
Condition = ColumnElement[bool]

MAXIMUM_VALUES = 200
"""Of one list; a longer one would make a statement that no database takes."""

_DATE = re.compile(r"(\d{8})?(-)?(\d{8})?")
_TIME = re.compile(r"(\d{2,6}(?:\.\d{1,6})?)?(-)?(\d{2,6}(?:\.\d{1,6})?)?")


def condition(
    column: Any, kind: Kind, value: str, keyword: str, *, fuzzy: bool = False, groups: Sequence[Any] = ()
) -> Condition:
    """The condition that `column` matches `value`; raises `InvalidInputError` for a malformed one.

    An empty value, and the lone wildcard, match everything (universal matching). `groups`: columns with the second
    and third component group of the name that is in `column`.
    """
    if value in ("", "*"):
        return true()
    if len(re.findall(r"[\\,]", value)) >= MAXIMUM_VALUES:
        raise InvalidInputError(f"lists more than {MAXIMUM_VALUES} values", field=keyword)
    if kind == "name" and fuzzy:
        return _fuzzy_name(column, value)
    if kind == "name" and groups:
        return _name_with_groups(column, groups, value)
    return _MATCHERS[kind](column, value, keyword)


def _text(column: Any, value: str, keyword: str) -> Condition:  # noqa: ARG001
    return or_(*(_wildcard(column, option) for option in value.split("\\")))


def _code(column: Any, value: str, keyword: str) -> Condition:
    # Code strings hold no comma, so a comma can separate values as it does for UIDs.
    return _text(column, value.upper().replace(",", "\\"), keyword)


def _wildcard(column: Any, value: str) -> Condition:
    if not re.search(r"[*?]", value):
        return and_(column == value)
    return and_(column.like(_pattern(value), escape="\\"))


def _pattern(value: str) -> str:
    escaped = re.sub(r"([\\%_])", r"\\\1", value)
    return escaped.replace("*", "%").replace("?", "_")


def _name(column: Any, value: str, keyword: str) -> Condition:  # noqa: ARG001
    """Ignoring case and accents; a name's alphabetic, ideographic and phonetic groups match each by itself."""
    pattern = _pattern(folded(value))
    places = (pattern, f"{pattern}=%", f"%={pattern}", f"%={pattern}=%")
    return or_(*(column.like(place, escape="\\") for place in places))


def _name_with_groups(column: Any, groups: Sequence[Any], value: str) -> Condition:
    """The same, by indexes: each group but the first has a column of its own."""
    pattern = _pattern(folded(value))
    if "=" in pattern:
        return _name(column, value, "")
    places = [(column, pattern), (column, f"{pattern}=%"), *((group, pattern) for group in groups)]
    return or_(*(place.like(form, escape="\\") for place, form in places))


def listed(column: Any, value: str, keyword: str) -> Condition:
    """That one of the UIDs in `value` is in a column that lists them, separated by backslashes."""
    return true() if value in ("", "*") else _listed(column, _uids(value, keyword))


def listed_codes(column: Any, value: str) -> Condition:
    """The same for codes, without wildcards."""
    return _listed(column, value.upper().replace(",", "\\").split("\\")) if value else true()


def _listed(column: Any, values: list[str]) -> Condition:
    spaced = literal("\\").concat(column).concat("\\")
    return or_(*(spaced.like(f"%\\\\{_pattern(value)}\\\\%", escape="\\") for value in values))


def _fuzzy_name(column: Any, value: str) -> Condition:
    """Every word of the query begins a component of the name, in any order."""
    words = re.split(r"[\s^=,*?]+", folded(value))
    spaced = func.replace(func.replace(column, "^", " "), "=", " ")
    conditions = []
    for pattern in (_pattern(word) for word in words if word):
        # That the word is there at all is quicker to see, and rules out nearly every name.
        conditions += [column.like(f"%{pattern}%", escape="\\"), (" " + spaced).like(f"% {pattern}%", escape="\\")]
    return and_(true(), *conditions)


def _uid(column: Any, value: str, keyword: str) -> Condition:
    return and_(column.in_(_uids(value, keyword)))


def _uids(value: str, keyword: str) -> list[str]:
    uids = re.split(r"[,\\]", value)
    if any(not re.fullmatch(r"[0-9.]{1,64}", uid) for uid in uids):
        raise InvalidInputError(f"is {value!r}; expected UIDs separated by commas", field=keyword)
    return uids


def _integer(column: Any, value: str, keyword: str) -> Condition:
    try:
        number = int(value)
    except ValueError:
        raise InvalidInputError(f"is {value!r}; expected an integer", field=keyword) from None
    return and_(column == number) if abs(number) < LARGEST_INTEGER else false()


def _date(column: Any, value: str, keyword: str) -> Condition:
    return _range(column, value, keyword, _DATE, "a date YYYYMMDD or a range of them", end="")


def _time(column: Any, value: str, keyword: str) -> Condition:
    # "0930" as an upper limit includes all of that minute.
    return _range(column, value, keyword, _TIME, "a time HHMMSS or a range of them", end="~")


def _range(column: Any, value: str, keyword: str, form: re.Pattern[str], expected: str, *, end: str) -> Condition:
    found = form.fullmatch(value)
    if not found or not (found[1] or found[3]):
        raise InvalidInputError(f"is {value!r}; expected {expected}", field=keyword)
    first, dash, last = found.groups()
    if not dash:
        return and_(column >= first, column <= first + end)
    conditions = [column != ""]
    if first:
        conditions.append(column >= first)
    if last:
        conditions.append(column <= last + end)
    return and_(*conditions)


_MATCHERS: dict[str, Callable[[Any, str, str], Condition]] = {
    "text": _text,
    "name": _name,
    "date": _date,
    "time": _time,
    "uid": _uid,
    "code": _code,
    "integer": _integer,
}
