"""Packet headers: which code-blocks a packet holds bytes of, and how many (ISO/IEC 15444-1 B.9, B.10; 15444-15 B).

The entropy-coded bytes are never looked into: a code-block that moves to another precinct keeps them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pellucid.jpip.markers import STYLE_BYPASS, STYLE_HT, STYLE_TERMINATE, bad
from pellucid.jpip.packet_bits import BitReader, BitWriter
from pellucid.jpip.tag_tree import TagTree

_MOST_ZERO_PLANES = 96
_MOST_LENGTH_BITS = 32
_NEVER = 1 << 20


@dataclass(slots=True)
class Contribution:
    """What one packet adds to a code-block: coding passes, in codeword segments (passes, bytes), and where they lie."""

    layer: int
    passes: int
    segments: list[tuple[int, int]]
    start: int = 0

    @property
    def length(self) -> int:
        """Bytes of all segments."""
        return sum(length for _, length in self.segments)


@dataclass(slots=True)
class Block:
    """A code-block: what the packet headers have said of it."""

    zero_planes: int = 0
    length_bits: int = 3
    passes: int = 0
    ht_began: bool = False
    contributions: list[Contribution] = field(default_factory=list)


class BandBlocks:
    """The code-blocks of one sub-band in one precinct, by rows."""

    __slots__ = ("blocks", "columns", "inclusion", "planes", "rows")

    def __init__(self, columns: int, rows: int, blocks: Sequence[Block] | None = None) -> None:
        self.columns = columns
        self.rows = rows
        self.blocks = [Block() for _ in range(columns * rows)] if blocks is None else blocks
        self.inclusion = TagTree(columns, rows)
        self.planes = TagTree(columns, rows)

    def prepare_to_write(self) -> None:
        """Fill the tag trees from the blocks."""
        begins = [b.contributions[0].layer if b.contributions else _NEVER for b in self.blocks]
        self.inclusion.set_values(begins)
        self.planes.set_values([b.zero_planes if b.contributions else _NEVER for b in self.blocks])
        for block in self.blocks:
            block.length_bits = 3


def read_packet(
    bands: Sequence[BandBlocks], layer: int, block_style: int, bits: BitReader
) -> list[tuple[Block, Contribution]]:
    """Read one packet header; the contributions in the order of their bytes."""
    found: list[tuple[Block, Contribution]] = []
    if not bits.bit():
        return found
    for band in bands:
        for leaf, block in enumerate(band.blocks):
            if block.contributions:
                included = bool(bits.bit())
            else:
                included = band.inclusion.read(bits, leaf, layer + 1)
                if included:
                    block.zero_planes = _zero_planes(band.planes, bits, leaf)
            if included:
                passes = _read_passes(bits)
                while bits.bit():
                    block.length_bits += 1
                if block.length_bits > _MOST_LENGTH_BITS:
                    raise bad("a packet header declares lengths of more than 32 bits")
                contribution = Contribution(layer, passes, list(_read_lengths(block, passes, block_style, bits)))
                block.passes += passes
                block.contributions.append(contribution)
                found.append((block, contribution))
    return found


def write_packet(bands: Sequence[BandBlocks], layer: int, taken: Sequence[Sequence[Contribution | None]]) -> bytes:
    """A packet header; `taken`: for each band what its blocks contribute in this layer.

    It is an empty one only where nothing follows in later layers: not all decoders catch up on the inclusion of
    code-blocks that an empty header in between says nothing of.
    """
    bits = BitWriter()
    if not any(block.contributions and block.contributions[-1].layer >= layer for b in bands for block in b.blocks):
        bits.bit(0)
        return bits.finish()
    bits.bit(1)
    for band, row in zip(bands, taken, strict=True):
        for leaf, (block, contribution) in enumerate(zip(band.blocks, row, strict=True)):
            begun = bool(block.contributions) and block.contributions[0].layer < layer
            if begun:
                bits.bit(int(contribution is not None))
            else:
                band.inclusion.write(bits, leaf, layer + 1)
            if contribution is None:
                continue
            if not begun:
                for threshold in range(1, block.zero_planes + 2):
                    band.planes.write(bits, leaf, threshold)
            _write_passes(bits, contribution.passes)
            _write_lengths(bits, block, contribution)
    return bits.finish()


def _zero_planes(tree: TagTree, bits: BitReader, leaf: int) -> int:
    for threshold in range(1, _MOST_ZERO_PLANES):
        if tree.read(bits, leaf, threshold):
            return threshold - 1
    raise bad(f"a code-block declares more than {_MOST_ZERO_PLANES} empty bit-planes")


def _read_passes(bits: BitReader) -> int:
    if not bits.bit():
        return 1
    if not bits.bit():
        return 2
    more = bits.bits(2)
    if more < 3:
        return 3 + more
    more = bits.bits(5)
    if more < 31:
        return 6 + more
    return 37 + bits.bits(7)


def _write_passes(bits: BitWriter, passes: int) -> None:
    if passes < 3:
        bits.bits((0, 0b0, 0b10)[passes], passes)
    elif passes < 6:
        bits.bits(0b1100 | passes - 3, 4)
    elif passes < 37:
        bits.bits(0b1111 << 5 | passes - 6, 9)
    else:
        bits.bits(0b111111111 << 7 | passes - 37, 16)


def _read_lengths(block: Block, passes: int, style: int, bits: BitReader) -> Iterator[tuple[int, int]]:
    """The codeword segments of a contribution: passes and bytes."""
    if style & STYLE_HT:
        yield from _read_ht_lengths(block, passes, bits)
        return
    done = block.passes
    while passes:
        count = min(passes, _segment_room(done, style))
        yield count, bits.bits(block.length_bits + count.bit_length() - 1)
        done += count
        passes -= count


def _segment_room(done: int, style: int) -> int:
    """How many more passes belong to the codeword segment that pass number `done` is in (15444-1 table D.9)."""
    if style & STYLE_TERMINATE:
        return 1
    if not style & STYLE_BYPASS:
        return 1 << 8
    if done < 10:
        return 10 - done
    return (2, 1, 1)[(done - 10) % 3]


def _read_ht_lengths(block: Block, passes: int, bits: BitReader) -> Iterator[tuple[int, int]]:
    """HT code-blocks: placeholder passes and the first clean-up pass are one segment, refinements another."""
    done = block.passes
    if not block.ht_began:
        refinements = (done + passes - 1) % 3
        first = passes - refinements
        if first < 1:
            yield passes, _no_bytes(bits, block.length_bits + passes.bit_length() - 1)
            return
        length = bits.bits(block.length_bits + first.bit_length() - 1)
        if not length:
            yield passes, _no_bytes(bits, passes.bit_length() - first.bit_length())
            return
        block.ht_began = True
        yield first, length
        done += first
        passes = refinements
    while passes:
        count = 1 if done % 3 == 0 else min(passes, 3 - done % 3)
        yield count, bits.bits(block.length_bits + count.bit_length() - 1)
        done += count
        passes -= count


def _no_bytes(bits: BitReader, count: int) -> int:
    """Placeholder passes have no bytes."""
    if bits.bits(count):
        raise bad("an HT code-block has bytes before its first clean-up pass")
    return 0


def _write_lengths(bits: BitWriter, block: Block, contribution: Contribution) -> None:
    needed = max(length.bit_length() - passes.bit_length() + 1 for passes, length in contribution.segments)
    while block.length_bits < needed:
        bits.bit(1)
        block.length_bits += 1
    bits.bit(0)
    for passes, length in contribution.segments:
        bits.bits(length, block.length_bits + passes.bit_length() - 1)
