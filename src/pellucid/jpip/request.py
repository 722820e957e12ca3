"""What a client asks for: the fields of a JPIP request, checked (ISO/IEC 15444-9 Annex C)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import cast

from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.jpip.cache_model import Statement, read_needs, read_statements
from pellucid.jpip.window import Rounding

_MOST = (1 << 31) - 1
_MOST_STREAMS = 64
_MOST_ITEMS = 16384
_REFUSED = {
    "subtarget": "parts of a target",
    "context": "codestream contexts",
    "roi": "named regions",
    "upload": "uploads",
    "mset": "model sets",
}
"""Fields that change what is meant; all others that this server does not know may be passed over (C.1.2)."""

TYPES = ("jpp-stream", "jpt-stream", "raw", "jp2")


@dataclass(frozen=True, kw_only=True)
class ReturnType:
    """What the client takes: `kind` of `TYPES`; `extended`: precincts that say how many layers are complete."""

    kind: str = "jpp-stream"
    extended: bool = False


@dataclass(frozen=True, kw_only=True)
class Request:
    """The fields of one request; None or empty where a field is absent."""

    target: str = ""
    target_id: str = ""
    channel: str = ""
    new_channel: tuple[str, ...] = ()
    close: tuple[str, ...] = ()
    request_id: int | None = None
    frame: tuple[int, int] | None = None
    rounding: Rounding = "round-down"
    offset: tuple[int, int] = (0, 0)
    size: tuple[int, int] | None = None
    components: frozenset[int] | None = None
    streams: tuple[int, ...] = (0,)
    layers: int | None = None
    quality: int | None = None
    length: int | None = None
    align: bool = False
    types: tuple[ReturnType, ...] = (ReturnType(),)
    model: tuple[Statement, ...] = ()
    need: tuple[Statement, ...] | None = None


def read_request(fields: Iterable[tuple[str, str]]) -> Request:
    """The request that name and value pairs make; raises `InvalidInputError` naming the field that is malformed."""
    request = Request()
    seen = set()
    for name, value in fields:
        if name in seen:
            raise InvalidInputError("is given twice", field=name)
        seen.add(name)
        if name in _REFUSED:
            raise UnsupportedError(f"{_REFUSED[name]} are not handled", field=name)
        if name in _READERS:
            request = _READERS[name](request, value)
    if (request.offset != (0, 0) or request.size) and request.frame is None:
        raise InvalidInputError("needs fsiz", field="rsiz" if request.size else "roff")
    return request


def _number(name: str, value: str, most: int = _MOST) -> int:
    if not re.fullmatch("[0-9]{1,18}", value):
        raise InvalidInputError(f"is {value[:40]!r}; expected a whole number", field=name)
    if int(value) > most:
        raise InvalidInputError(f"is {value}; at most {most} is allowed", field=name)
    return int(value)


def _pair(name: str, value: str) -> tuple[int, int]:
    parts = value.split(",")
    if len(parts) != 2:
        raise InvalidInputError(f"is {value[:40]!r}; expected two whole numbers, such as 256,256", field=name)
    return _number(name, parts[0]), _number(name, parts[1])


def _frame(request: Request, value: str) -> Request:
    size, _, rounding = value.replace(",", " ", 1).partition(",")
    width, height = _pair("fsiz", size.replace(" ", ","))
    if rounding not in ("", "round-down", "round-up", "closest"):
        raise InvalidInputError(f"rounds {rounding[:40]!r}; known: round-down, round-up, closest", field="fsiz")
    if not width or not height:
        raise InvalidInputError(f"is {value[:40]}; a frame has at least one sample", field="fsiz")
    return replace(request, frame=(width, height), rounding=cast("Rounding", rounding or "round-down"))


def number_ranges(name: str, value: str, most: int) -> tuple[int, ...]:
    """Numbers of a list such as "0-2,5", without repetition; at most `most` of them."""
    found: dict[int, None] = {}
    for part in value.split(","):
        low, dash, high = part.partition("-")
        first = _number(name, low)
        last = _number(name, high) if dash else first
        if last < first or last - first >= most or len(found) + last - first >= most:
            raise InvalidInputError(f"names {part[:40]!r}; expected at most {most} numbers, such as 0-2,5", field=name)
        found.update(dict.fromkeys(range(first, last + 1)))
    return tuple(found)


def _types(request: Request, value: str) -> Request:
    found = []
    for part in value.split(","):
        kind, _, parameter = part.strip().lower().partition(";")
        kind = kind.removeprefix("image/")
        if kind not in TYPES:
            continue
        if parameter not in ("", "ptype=full", "ptype=ext", "ttype=full"):
            raise InvalidInputError(f"has the parameter {parameter[:40]!r}; known: ptype=ext", field="type")
        found.append(ReturnType(kind=kind, extended=parameter == "ptype=ext"))
    if not found:
        raise UnsupportedError(f"is {value[:60]!r}; this server returns {', '.join(TYPES)}", field="type")
    return replace(request, types=tuple(found))


def _choice(name: str, value: str) -> bool:
    if value not in ("yes", "no"):
        raise InvalidInputError(f"is {value[:40]!r}; expected yes or no", field=name)
    return value == "yes"


def _word(name: str, value: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{1,1024}", value):
        raise InvalidInputError("is not a name of visible characters", field=name)
    return value


def _wait(request: Request, value: str) -> Request:
    """Requests of a channel are always answered whole and one after another, which wait=no permits too."""
    _choice("wait", value)
    return request


_READERS: dict[str, Callable[[Request, str], Request]] = {
    "target": lambda request, value: replace(request, target=_word("target", value)),
    "tid": lambda request, value: replace(request, target_id=_word("tid", value)),
    "cid": lambda request, value: replace(request, channel=_word("cid", value)),
    "cnew": lambda request, value: replace(request, new_channel=tuple(_word("cnew", value).split(","))),
    "cclose": lambda request, value: replace(request, close=tuple(_word("cclose", value).split(","))),
    "qid": lambda request, value: replace(request, request_id=_number("qid", value, 1 << 53)),
    "fsiz": _frame,
    "roff": lambda request, value: replace(request, offset=_pair("roff", value)),
    "rsiz": lambda request, value: replace(request, size=_pair("rsiz", value)),
    "comps": lambda request, value: replace(request, components=frozenset(number_ranges("comps", value, _MOST_ITEMS))),
    "stream": lambda request, value: replace(request, streams=number_ranges("stream", value, _MOST_STREAMS)),
    "layers": lambda request, value: replace(request, layers=_number("layers", value)),
    "quality": lambda request, value: replace(request, quality=_number("quality", value, 100)),
    "len": lambda request, value: replace(request, length=_number("len", value, 1 << 53)),
    "align": lambda request, value: replace(request, align=_choice("align", value)),
    "wait": _wait,
    "type": _types,
    "model": lambda request, value: replace(request, model=read_statements("model", value)),
    "need": lambda request, value: replace(request, need=read_needs(value)),
}
