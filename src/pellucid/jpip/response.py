"""The messages of one response: what the window needs and the client lacks, cut where the limit is reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pellucid.jpip.cache_model import Held
from pellucid.jpip.index import Index
from pellucid.jpip.messages import BinClass, HeaderWriter, Reason
from pellucid.jpip.window import Window, precincts

Chunk = bytes | memoryview


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What of one codestream is asked for; `window` None: its headers alone."""

    index: Index
    held: Held
    stream: int
    window: Window | None
    layers: int


@dataclass(frozen=True)
class Piece:
    """What is left to send of a data-bin: bytes `start` to `end` of its `total`, the first at `place` in `data`."""

    bin_class: BinClass
    bin_id: int
    number: int
    data: Chunk
    place: int
    start: int
    end: int
    total: int


class Writer:
    """Messages up to a number of bytes, the end-of-response message not counted; it notes what it sends as held."""

    def __init__(self, limit: int, *, extended: bool = False, align: bool = False) -> None:
        self.chunks: list[Chunk] = []
        self.left = limit
        self._headers = HeaderWriter()
        self._extended = extended
        self._align = align

    def write(self, wanted: Wanted, *, tiles: bool) -> bool:
        """Write what is wanted of one codestream, in tile data-bins or precincts; False where the limit was met."""
        pieces = tile_pieces(wanted) if tiles else precinct_pieces(wanted)
        return all(self._piece(wanted, piece) for piece in pieces)

    def _piece(self, wanted: Wanted, piece: Piece) -> bool:
        length = self._fitting(wanted, piece)
        if length < 0 or (length == 0 and piece.end > piece.start):
            return False
        stop = piece.start + length
        header = self._header(wanted, piece, stop)
        self.chunks += [header, piece.data[piece.place : piece.place + length]]
        self.left -= len(header) + length
        self._headers.sent(self._class_of(piece), wanted.stream)
        _note(wanted.held, piece, stop)
        return stop == piece.end

    def _fitting(self, wanted: Wanted, piece: Piece) -> int:
        """How many bytes of the piece fit with their header; -1 where not even the header does."""
        length = piece.end - piece.start
        header = len(self._header(wanted, piece, piece.end))
        if header + length <= self.left:
            return length
        length = self.left - header
        if length > 0 and self._align and piece.bin_class == BinClass.PRECINCT:
            ends = wanted.index.layer_ends[piece.number]
            ends = ends[ends <= piece.start + length]
            length = int(ends[-1]) - piece.start if ends.size else 0
        return max(length, -1)

    def _class_of(self, piece: Piece) -> int:
        extends = self._extended and piece.bin_class == BinClass.PRECINCT
        return BinClass.EXTENDED_PRECINCT if extends else piece.bin_class

    def _header(self, wanted: Wanted, piece: Piece, stop: int) -> bytes:
        layers = 0
        if self._extended and piece.bin_class == BinClass.PRECINCT:
            layers = int(np.searchsorted(wanted.index.layer_ends[piece.number], stop, side="right"))
        return self._headers.header(
            self._class_of(piece),
            piece.bin_id,
            wanted.stream,
            piece.start,
            stop - piece.start,
            last=stop == piece.total,
            layers=layers,
        )


def precinct_pieces(wanted: Wanted) -> Iterator[Piece]:
    """Headers, then precincts from the lowest resolution up: what the client lacks of each."""
    index, held = wanted.index, wanted.held
    yield from _headers(wanted)
    if wanted.window is None:
        return
    chosen = precincts(index, wanted.window)
    for tile in np.unique(index.tile_numbers[chosen]).tolist():
        header = index.tiles[tile].header
        if held.tile_headers[tile] < len(header):
            start = max(int(held.tile_headers[tile]), 0)
            yield Piece(BinClass.TILE_HEADER, tile, tile, header, start, start, len(header), len(header))
    ends = index.layer_ends[chosen, wanted.layers - 1] if wanted.layers else np.zeros(chosen.size, np.int64)
    starts = np.minimum(held.precincts[chosen], index.lengths[chosen])
    for place in np.flatnonzero(starts < ends).tolist():
        number, start = int(chosen[place]), int(starts[place])
        yield Piece(
            BinClass.PRECINCT,
            int(index.bin_ids[number]),
            number,
            index.data,
            int(index.starts[number]) + start,
            start,
            int(ends[place]),
            int(index.lengths[number]),
        )


def tile_pieces(wanted: Wanted) -> Iterator[Piece]:
    """Headers, then whole tile-parts of the tiles that the window touches (JPT-stream)."""
    index, held = wanted.index, wanted.held
    yield from _headers(wanted)
    if wanted.window is None:
        return
    for number in np.unique(index.tile_numbers[precincts(index, wanted.window)]).tolist():
        tile = index.tiles[number]
        start, total = int(min(held.tiles[number], tile.end - tile.start)), tile.end - tile.start
        if start < total:
            yield Piece(BinClass.TILE, number, number, index.data, tile.start + start, start, total, total)


def reason_of(wanted: list[Wanted], *, tiles: bool, by_quality: bool) -> Reason:
    """Why a response ends that holds all that was asked for."""
    if all(_whole(one, tiles=tiles) for one in wanted):
        return Reason.IMAGE_DONE
    return Reason.QUALITY_LIMIT if by_quality else Reason.WINDOW_DONE


def _whole(wanted: Wanted, *, tiles: bool) -> bool:
    index, held = wanted.index, wanted.held
    if tiles:
        return all(held.tiles[number] >= tile.end - tile.start for number, tile in enumerate(index.tiles))
    return bool((held.precincts >= index.lengths).all())


def _headers(wanted: Wanted) -> Iterator[Piece]:
    """Metadata-bin 0, empty as a bare codestream has no boxes, then the main header."""
    held = wanted.held
    if held.metadata < 0:
        yield Piece(BinClass.METADATA, 0, 0, b"", 0, 0, 0, 0)
    header = wanted.index.main_header
    if held.main_header < len(header):
        start = held.main_header
        yield Piece(BinClass.MAIN_HEADER, 0, 0, header, start, start, len(header), len(header))


def _note(held: Held, piece: Piece, stop: int) -> None:
    if piece.bin_class == BinClass.METADATA:
        held.metadata = stop
    elif piece.bin_class == BinClass.MAIN_HEADER:
        held.main_header = stop
    elif piece.bin_class == BinClass.TILE_HEADER:
        held.tile_headers[piece.number] = stop
    elif piece.bin_class == BinClass.TILE:
        held.tiles[piece.number] = stop
    else:
        held.precincts[piece.number] = stop
