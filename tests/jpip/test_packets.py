"""Packet headers as they are written are read again, for every way that code-blocks are cut into segments."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pellucid.errors import InvalidInputError
from pellucid.jpip.markers import STYLE_BYPASS, STYLE_HT, STYLE_TERMINATE
from pellucid.jpip.packet_bits import BitReader, BitWriter
from pellucid.jpip.packets import BandBlocks, Block, Contribution, read_packet, write_packet
from pellucid.jpip.tag_tree import TagTree

LENGTHS = st.one_of(st.integers(0, 40), st.integers(0, 1 << 20))


def plain_segments(draw, done, passes):
    return [(passes, draw(LENGTHS))]


def terminated_segments(draw, done, passes):
    return [(1, draw(LENGTHS)) for _ in range(passes)]


def bypass_segments(draw, done, passes):
    """Ten passes, then raw ones (two) and arithmetic-coded ones (one) in turn: 15444-1 table D.9."""
    found = []
    for number in range(done, done + passes):
        begins = number in (0, 10) or (number > 10 and (number - 10) % 3 != 1)
        if begins or not found:
            found.append([0, draw(LENGTHS)])
        found[-1][0] += 1
    return [tuple(segment) for segment in found]


@st.composite
def blocks(draw, layers, segments):
    """A code-block with contributions in some layers."""
    block = Block(zero_planes=draw(st.integers(0, 20)))
    for layer in range(layers):
        passes = draw(st.one_of(st.just(0), st.integers(1, 40), st.integers(37, 164)))
        if passes and block.passes + passes <= 164:
            block.contributions.append(Contribution(layer, passes, segments(draw, block.passes, passes)))
            block.passes += passes
    return block


@st.composite
def ht_blocks(draw, layers):
    """HT sets after placeholder passes (threes without bytes), refinements together or in later layers."""
    block = Block(zero_planes=draw(st.integers(0, 20)))
    began, done = False, 0
    for layer in range(layers):
        if draw(st.booleans()):
            continue
        size = draw(st.integers(2, 4000))
        if not began and draw(st.booleans()):
            found = [(3 * draw(st.integers(1, 3)), 0)]
        elif not began:
            found = [(3 * draw(st.integers(0, 2)) + 1, size)]
            began = True
            if more := draw(st.integers(0, 2)):
                found.append((more, draw(LENGTHS)))
        elif done % 3:
            found = [(draw(st.integers(1, 3 - done % 3)), draw(LENGTHS))]
        else:
            found = [(1, size)]
            if more := draw(st.integers(0, 2)):
                found.append((more, draw(LENGTHS)))
        passes = sum(count for count, _ in found)
        block.contributions.append(Contribution(layer, passes, found))
        done += passes
    return block


KINDS = {
    "plain": (0, lambda layers: blocks(layers, plain_segments)),
    "every pass terminated": (STYLE_TERMINATE, lambda layers: blocks(layers, terminated_segments)),
    "bypass": (STYLE_BYPASS, lambda layers: blocks(layers, bypass_segments)),
    "HT": (STYLE_HT, ht_blocks),
}


def in_layer(block, layer):
    return next((c for c in block.contributions if c.layer == layer), None)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_headers_are_read_as_written(kind, data):
    style, strategy = KINDS[kind]
    layers = data.draw(st.integers(1, 4))
    sizes = data.draw(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=3))
    made = [[data.draw(strategy(layers)) for _ in range(columns * rows)] for columns, rows in sizes]
    written = [BandBlocks(*size, own) for size, own in zip(sizes, made, strict=True)]
    read = [BandBlocks(*size) for size in sizes]
    for band in written:
        band.prepare_to_write()
    for layer in range(layers):
        taken = [
            [next((c for c in b.contributions if c.layer == layer), None) for b in band.blocks] for band in written
        ]
        header = write_packet(written, layer, taken)
        assert not header.endswith(b"\xff")
        # An empty header before a block's first layer is one that not all decoders catch up on.
        assert header[0] >> 7 == any(
            b.contributions and b.contributions[-1].layer >= layer for own in made for b in own
        )
        bits = BitReader(header + b"\x55", 0, len(header) + 1)
        read_packet(read, layer, style, bits)
        assert bits.finish() == len(header)
    for own, band in zip(made, read, strict=True):
        for block, again in zip(own, band.blocks, strict=True):
            assert [(c.layer, c.passes, c.segments) for c in again.contributions] == [
                (c.layer, c.passes, c.segments) for c in block.contributions
            ]
            assert not block.contributions or again.zero_planes == block.zero_planes


@given(values=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 1)) | st.tuples(st.integers(0, 255), st.just(8))))
def test_no_marker_appears_in_headers(values):
    """After 0xFF comes a bit that is zero, so that no two bytes look like a marker."""
    bits = BitWriter()
    for value, count in values:
        bits.bits(value, count)
    data = bits.finish()
    assert all(data[n + 1] < 0x80 for n in range(len(data) - 1) if data[n] == 0xFF)
    assert not data.endswith(b"\xff")
    reader = BitReader(data, 0, len(data))
    assert [reader.bits(count) for _, count in values] == [value for value, _ in values]
    if values:
        assert reader.finish() == len(data)


def test_the_tag_tree_of_the_standard():
    """15444-1 figure B.12 and its example: leaves 1, 3, 2 … and 2 are written as 01111, 001, 101."""
    values = [1, 3, 2, 3, 2, 3, 2, 2, 1, 4, 3, 2, 2, 2, 2, 2, 1, 2]
    tree, bits = TagTree(6, 3), BitWriter()
    tree.set_values(values)
    for leaf in range(3):
        for threshold in range(1, values[leaf] + 2):
            tree.write(bits, leaf, threshold)
    assert bits.finish() == bytes([0b01111001, 0b10100000])


@pytest.mark.parametrize("header", [b"", b"\xe0", b"\xff" * 3])
def test_headers_that_end_early_are_refused(header):
    with pytest.raises(InvalidInputError, match="longer"):
        read_packet([BandBlocks(2, 2)], 0, 0, BitReader(header, 0, len(header)))
