"""Packet headers kept in main or tile headers (PPM, PPT), which no encoder at hand writes: moved there here."""

import imagecodecs
import numpy as np
import pytest
from tests.jpip.encoders import htj2k, needs_openjpeg, openjpeg, picture
from tests.jpip.test_partition import OPTIONS

from pellucid.errors import InvalidInputError
from pellucid.jpip.codestream import Codestream
from pellucid.jpip.markers import PPM, PPT, Segment
from pellucid.jpip.partition import partition, tile_part_start

ARRAY = picture(157, 221)
KINDS = ("plain", "tiles", "layers", "RLCP with SOP and EPH")


def split(source):
    """Of every tile: the headers of its packets, and the rest of them; each codestream has one tile-part for a tile."""
    codestream = Codestream(source)
    for tile in codestream.tiles():
        (part,) = tile.parts
        at, headers, rest = part.start, [], b""
        for (precinct, layer), length in zip(tile.tile.packets().tolist(), tile.packet_lengths, strict=True):
            packet = source[at : at + length]
            blocks = [block for band in tile.precincts[precinct] for block in band.blocks]
            body = sum(c.length for block in blocks for c in block.contributions if c.layer == layer)
            begin = 6 if packet[:2] == b"\xff\x91" else 0
            headers.append(packet[begin : length - body])
            rest += packet[:begin] + packet[length - body :]
            at += length
        yield tile.tile.number, headers, rest


def with_packed_headers(source, marker):
    start = source.index(b"\xff\x90\x00\x0a")
    main, tiles = source[:start], b""
    packed = b""
    for number, headers, rest in split(source):
        text = b"".join(headers)
        packed += len(text).to_bytes(4, "big") + text
        own = b""
        if marker == PPT:
            half = len(text) // 2
            # Out of order: the index in each segment counts.
            own = Segment(PPT, b"\x01" + text[half:]).encoded() + Segment(PPT, b"\x00" + text[:half]).encoded()
        tiles += tile_part_start(number, len(own) + 2 + len(rest)) + own + b"\xff\x93" + rest
    if marker == PPM:
        main += Segment(PPM, b"\x00" + packed).encoded()
    return main + tiles + b"\xff\xd9"


@needs_openjpeg
@pytest.mark.parametrize("marker", [PPM, PPT])
@pytest.mark.parametrize("kind", KINDS)
def test_packed_headers(tmp_path, kind, marker):
    source = openjpeg(tmp_path, ARRAY, *OPTIONS[kind])
    moved = with_packed_headers(source, marker)
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(moved), imagecodecs.jpeg2k_decode(source))
    assert partition(moved).data == partition(source).data


@pytest.mark.parametrize("marker", [PPM, PPT])
def test_packed_headers_that_are_cut_off(marker):
    moved = with_packed_headers(htj2k(ARRAY), marker)
    at = moved.index(marker.to_bytes(2, "big"))
    for cut in (3, 9):
        length = int.from_bytes(moved[at + 2 : at + 4], "big") - cut
        broken = moved[: at + 2] + length.to_bytes(2, "big") + moved[at + 4 :]
        with pytest.raises(InvalidInputError):
            partition(broken)
