"""What a client has: statements of its cache (`model`, `need`), and the server's picture of it (15444-9 C.8, B.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import numpy as np

from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.jpip.index import Index, Integers

_MOST_STATEMENTS = 1 << 16
_MOST_WORK = 1 << 28
_ALL = 1 << 62

Kind = Literal["Hm", "H", "M", "P", "T", "implicit"]
Range = tuple[int, int]
"""First and last; -1 as last: no end."""

_EVERY: Range = (0, -1)
_EXPLICIT = re.compile(r"(-?)(?:(Hm)|([HMPT])(?:(\*)|([0-9]{1,15})))(?::(L?)([0-9]{1,15}))?")
_IMPLICIT = re.compile(r"(-?)((?:[tcrp](?:\*|[0-9]{1,9}(?:-[0-9]{0,9})?))+)(?::L([0-9]{1,6}))?")
_SELECTOR = re.compile(r"([tcrp])(?:(\*)|([0-9]+)(-?)([0-9]*))")


@dataclass(frozen=True)
class Statement:
    """One statement: of which data-bins, and how much of each (`amount` None: all) the client has, or has not.

    `streams`: the codestreams it is about, None: the one that is asked for.
    """

    removes: bool
    kind: Kind
    streams: tuple[Range, ...] | None = None
    number: int | None = None
    ranges: tuple[tuple[str, Range], ...] = ()
    amount: int | None = None
    counts_layers: bool = False

    def concerns(self, stream: int, default: int) -> bool:
        """Whether the statement is about a codestream."""
        if self.streams is None:
            return stream == default
        return any(low <= stream and (high < 0 or stream <= high) for low, high in self.streams)


def read_statements(name: str, value: str) -> tuple[Statement, ...]:
    """The statements of a `model` or `need` field."""
    found: list[Statement] = []
    streams: tuple[Range, ...] | None = None
    for item in re.findall(r"\[[^\]]*\]|[^,\[\]]+|[\[\]]", value):
        if item.startswith("["):
            streams = tuple(_range(name, part) for part in re.split("[;,]", item[1:-1]))
        else:
            found.append(_statement(name, item, streams))
        if len(found) > _MOST_STATEMENTS:
            raise InvalidInputError(f"has more than {_MOST_STATEMENTS} statements", field=name)
    return tuple(found)


def read_needs(value: str) -> tuple[Statement, ...]:
    """The data-bins of a `need` field, as what a client that has all others lacks."""
    found = read_statements("need", value)
    for statement in found:
        if statement.removes or statement.amount is not None:
            raise UnsupportedError("only whole data-bins can be needed, such as P3 or r0-2", field="need")
    return tuple(replace(statement, removes=True) for statement in found)


def _statement(name: str, item: str, streams: tuple[Range, ...] | None) -> Statement:
    if match := _EXPLICIT.fullmatch(item):
        minus, main, kind, every, number, unit, amount = match.groups()
        return Statement(
            bool(minus),
            cast("Kind", main or kind),
            streams,
            number=None if main or every else int(number),
            amount=None if amount is None else int(amount),
            counts_layers=unit == "L",
        )
    if match := _IMPLICIT.fullmatch(item):
        minus, selectors, layers = match.groups()
        ranges = tuple(
            (letter, _EVERY if every else (int(low), (int(high) if high else -1) if dash else int(low)))
            for letter, every, low, dash, high in _SELECTOR.findall(selectors)
        )
        amount = None if layers is None else int(layers)
        return Statement(bool(minus), "implicit", streams, ranges=ranges, amount=amount, counts_layers=True)
    raise InvalidInputError(f"has {item[:40]!r}; expected data-bins such as Hm, H0, P17:200 or t0c*r0-2:L1", field=name)


def _range(name: str, text: str) -> Range:
    match = re.fullmatch("([0-9]{1,9})(-?)([0-9]{0,9})", text)
    if not match or (match[3] and not match[2]):
        raise InvalidInputError(f"names codestreams {text[:40]!r}; expected such as [0-3]", field=name)
    low = int(match[1])
    return low, (int(match[3]) if match[3] else -1) if match[2] else low


@dataclass
class Held:
    """How much the client has of each data-bin of one codestream [byte]; -1: nothing of a bin that may be empty."""

    main_header: int
    metadata: int
    tile_headers: Integers
    tiles: Integers
    precincts: Integers
    work: int = field(default=0, repr=False)

    @classmethod
    def nothing(cls, index: Index) -> Held:
        """The cache of a client that has nothing."""
        tiles = len(index.tiles)
        return cls(0, -1, np.full(tiles, -1), np.zeros(tiles, np.int64), np.zeros(index.lengths.size, np.int64))

    @classmethod
    def everything(cls, index: Index) -> Held:
        """The cache of a client that has all."""
        tiles = len(index.tiles)
        return cls(_ALL, _ALL, np.full(tiles, _ALL), np.full(tiles, _ALL), index.lengths.copy())

    def state(self, index: Index, statement: Statement) -> None:
        """Take a statement into account."""
        amount = _ALL if statement.amount is None else statement.amount
        if statement.removes and statement.amount is None:
            amount = -1
        kind = statement.kind
        if kind == "Hm":
            self.main_header = max(self._changed(self.main_header, amount, removes=statement.removes), 0)
        elif kind == "M":
            if statement.number in (None, 0):
                self.metadata = self._changed(self.metadata, amount, removes=statement.removes)
        elif kind in ("H", "T"):
            self._state_tiles(self.tile_headers if kind == "H" else self.tiles, statement, amount)
        else:
            self._state_precincts(index, statement, amount)

    @staticmethod
    def _changed(has: int, amount: int, *, removes: bool) -> int:
        return min(has, amount) if removes else max(has, amount)

    def _state_tiles(self, has: Integers, statement: Statement, amount: int) -> None:
        number = statement.number
        if number is None:
            self._spend(has.size)
            chosen = slice(None)
        elif number < has.size:
            chosen = slice(number, number + 1)
        else:
            raise InvalidInputError(f"names tile {number}; there are {has.size}", field="model")
        has[chosen] = np.minimum(has[chosen], amount) if statement.removes else np.maximum(has[chosen], amount)

    def _state_precincts(self, index: Index, statement: Statement, amount: int) -> None:
        chosen = self.chosen(index, statement)
        amounts = np.full(chosen.size, amount)
        if statement.counts_layers and statement.amount is not None:
            layer = min(statement.amount, index.layers)
            amounts = index.layer_ends[chosen, layer - 1] if layer else np.zeros(chosen.size, np.int64)
        has = self.precincts[chosen]
        limited = np.minimum(np.minimum(has, amounts) if statement.removes else np.maximum(has, amounts), _ALL)
        self.precincts[chosen] = np.clip(limited, 0, index.lengths[chosen])

    def chosen(self, index: Index, statement: Statement) -> Integers:
        """The numbers of the precincts that a statement is about."""
        if statement.kind == "P" and statement.number is not None:
            number = index.precinct(statement.number)
            if number < 0:
                raise InvalidInputError(f"names precinct {statement.number}, which does not exist", field="model")
            return np.array([number])
        self._spend(index.lengths.size * (1 + len(statement.ranges)))
        wanted = np.ones(index.lengths.size, bool)
        columns = {"t": index.tile_numbers, "c": index.components, "r": index.resolutions}
        for letter, (low, high) in statement.ranges:
            values = columns.get(letter, index.positions)
            wanted &= values >= low
            if high >= 0:
                wanted &= values <= high
        return np.flatnonzero(wanted)

    def _spend(self, work: int) -> None:
        """Bounds what one client's statements may cost."""
        self.work += work
        if self.work > _MOST_WORK:
            raise InvalidInputError("has too many statements about many data-bins each", field="model")
