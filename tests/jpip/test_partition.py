"""Codestreams are read down to the packets and re-packed into precincts, and decode to the same samples."""

import struct
import time
from contextlib import suppress

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tests.jpip.encoders import htj2k, j2k, needs_openjpeg, openjpeg, opj_decompress, picture, planes
from tests.properties import examples

from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.jpip.codestream import Codestream
from pellucid.jpip.markers import PLT
from pellucid.jpip.partition import partition, tile_part_start

OPTIONS = {
    "plain": (),
    "RPCL": ("-p", "RPCL", "-c", "[64,64]"),
    "CPRL": ("-p", "CPRL", "-c", "[128,64],[64,64]"),
    "PCRL": ("-p", "PCRL", "-n", "4"),
    "RLCP with SOP and EPH": ("-p", "RLCP", "-SOP", "-EPH"),
    "tiles": ("-t", "100,90"),
    "offsets": ("-t", "100,90", "-d", "13,21", "-T", "5,7"),
    "layers": ("-r", "20,10,1", "-b", "16,16"),
    "tile-parts": ("-r", "20,10,1", "-p", "RPCL", "-t", "128,128", "-TP", "R"),
    "bypass": ("-M", "1"),
    "every pass terminated": ("-M", "4"),
    "bypass, terminated": ("-M", "5"),
    "all styles": ("-M", "63", "-r", "10,1"),
    "progression changes": ("-r", "20,10,1", "-POC", "T1=0,0,3,3,1,RLCP/T1=3,0,3,6,1,RLCP"),
    "irreversible": ("-I", "-r", "8"),
    "precincts smaller than code-blocks": ("-c", "[32,32]", "-b", "64,64"),
    "one resolution": ("-n", "1"),
    "region of interest": ("-ROI", "c=0,U=3"),
}


@needs_openjpeg
@pytest.mark.parametrize("kind", OPTIONS)
def test_every_kind_of_codestream(tmp_path, kind):
    source = openjpeg(tmp_path, picture(157, 221), *OPTIONS[kind])
    made = partition(source)
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(made.data), imagecodecs.jpeg2k_decode(source))
    assert opj_decompress(tmp_path, made.data) == opj_decompress(tmp_path, source)
    assert partition(made.data).data == made.data


@needs_openjpeg
def test_packet_lengths_are_those_that_the_encoder_wrote(tmp_path):
    """OpenJPEG's own PLT marker segments say how long each packet is."""
    source = openjpeg(tmp_path, picture(157, 221), "-PLT", "-r", "20,10,1", "-t", "128,128", "-c", "[64,64]")
    for tile in Codestream(source).tiles():
        said, value = [], 0
        for segment in tile.segments:
            if segment.marker == PLT:
                for byte in segment.body[1:]:
                    value = value << 7 | byte & 0x7F
                    if not byte & 0x80:
                        said.append(value)
                        value = 0
        assert tile.packet_lengths == said


@needs_openjpeg
@pytest.mark.parametrize("step", [2, 3])
@pytest.mark.parametrize("progression", ["LRCP", "RLCP", "RPCL", "PCRL", "CPRL"])
def test_sub_sampled_components(tmp_path, progression, step):
    width, height = 121, 67
    small = -(-width // step) * -(-height // step)
    samples = np.random.default_rng(1).integers(0, 255, width * height + small).astype(np.uint8)
    size = f"{width},{height},2,8,u@1x1:{step}x{step}"
    source = openjpeg(tmp_path, samples.tobytes(), "-p", progression, "-mct", "0", "-c", "[32,32]", size=size)
    truth = planes(tmp_path, source)
    assert [len(set(plane)) > 200 for plane in truth] == [True, True]
    assert planes(tmp_path, partition(source).data) == truth


@pytest.mark.parametrize("encode", [htj2k, j2k])
@pytest.mark.parametrize(
    ("shape", "dtype"), [((317, 421), np.uint16), ((129, 257), np.int16), ((99, 100, 3), np.uint8), ((1, 7), np.uint8)]
)
def test_decoders_of_the_package(encode, shape, dtype):
    """OpenJPEG and (for HTJ2K) OpenJPH, which share no code."""
    array = picture(*shape[:2], *shape[2:], dtype=dtype).reshape(shape)
    made = partition(encode(array))
    np.testing.assert_array_equal(imagecodecs.jpeg2k_decode(made.data).reshape(shape), array)
    if encode is htj2k:
        np.testing.assert_array_equal(imagecodecs.htj2k_decode(made.data).reshape(shape), array)


def test_precincts_are_small_and_hold_whole_code_blocks():
    made = partition(htj2k(picture(600, 700)))
    style = next(Codestream(made.data).tiles()).tile.coding.styles[0]
    assert set(style.precincts) == {(7, 7)}
    assert made.packet_lengths.size > 5 * 6


@needs_openjpeg
@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_any_options(tmp_path, data):
    draw = data.draw
    width, height = draw(st.integers(1, 150)), draw(st.integers(1, 150))
    corner = draw(st.tuples(st.integers(0, 40), st.integers(0, 36)))
    resolutions = draw(st.integers(1, min(5, min(width, height).bit_length())))
    options = ["-d", f"{corner[0]},{corner[1]}", "-n", str(resolutions)]
    options += ["-p", draw(st.sampled_from(["LRCP", "RLCP", "RPCL", "PCRL", "CPRL"]))]
    options += ["-M", str(draw(st.integers(0, 63)))]
    options += draw(st.sampled_from([[], ["-t", "64,50"], ["-t", "300,37"]]))
    options += draw(st.sampled_from([[], ["-c", "[64,32]"], ["-c", "[128,128],[32,16]"]]))
    options += draw(st.sampled_from([[], ["-r", "12,4,1"], ["-SOP"], ["-EPH"]]))
    array = picture(height, width, dtype=draw(st.sampled_from([np.uint8, np.uint16, np.int16]))).reshape(height, width)
    source = openjpeg(tmp_path, array, *options)
    made = partition(source)
    assert opj_decompress(tmp_path, made.data) == opj_decompress(tmp_path, source)
    assert partition(made.data).data == made.data


def test_headers_with_markers_that_stand_alone():
    """FF30 … FF3F have no length (15444-1 table A.2); they are left out."""
    source = htj2k(picture(90, 110))
    at = source.index(b"\xff\x5c")
    assert partition(source[:at] + b"\xff\x30" + source[at:]).data == partition(source).data


def test_the_end_marker_may_be_missing():
    source = htj2k(picture(90, 110))
    assert partition(source[:-2]).data == partition(source).data


@pytest.mark.parametrize(("style", "levels", "message"), [(0xC0, 5, "mixed"), (0x40, 133, "Part 2")])
def test_what_is_not_handled_is_named(style, levels, message):
    source = bytearray(htj2k(picture(90, 110)))
    at = source.index(b"\xff\x52")
    source[at + 9], source[at + 12] = levels, style
    with pytest.raises(UnsupportedError, match=message):
        partition(bytes(source))


GOOD = partition(htj2k(picture(90, 110))).data


@settings(max_examples=examples(300), deadline=2000)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(0, len(GOOD)),
)
def test_broken_codestreams_are_refused_or_read(changes, cut):
    data = bytearray(GOOD)
    for at, value in changes:
        data[at] = value
    for broken in (bytes(data), bytes(data[:cut])):
        with suppress(InvalidInputError):
            partition(broken)


@settings(max_examples=examples(400), deadline=2000)
@given(at=st.integers(2, 100), value=st.integers(0, 255))
def test_broken_headers_are_refused_or_read(at, value):
    data = bytearray(GOOD)
    data[at] = value
    with suppress(InvalidInputError):
        partition(bytes(data))


def test_cut_off_codestreams_are_refused():
    for length in range(0, len(GOOD) - 2, 97):
        with pytest.raises(InvalidInputError, match="codestream"):
            partition(GOOD[:length])


def bomb(width, height, tile, *, levels=5, block=4, precinct=0, layers=1, components=1, body=bytes(1000)):
    """A small codestream that declares much: all its packets are empty."""
    main = [
        (0xFF51, struct.pack(">H8IH", 0, width, height, 0, 0, *tile, 0, 0, components) + b"\x0f\1\1" * components),
        (
            0xFF52,
            struct.pack(">BBHB5B", bool(precinct), 2, layers, 0, levels, block, block, 0, 1)
            + bytes([precinct]) * (levels + 1) * bool(precinct),
        ),
        (0xFF5C, b"\x40" + b"\x88" * (3 * levels + 1)),
    ]
    head = b"".join(struct.pack(">HH", marker, len(text) + 2) + text for marker, text in main)
    tiles = -(-width // tile[0]) * -(-height // tile[1])
    parts = b"".join(tile_part_start(t, 2 + len(body)) + b"\xff\x93" + body for t in range(min(tiles, 5000)))
    return b"\xff\x4f" + head + parts + b"\xff\xd9"


BOMBS = {
    "small blocks": bomb(1 << 14, 1 << 14, (1 << 14, 1 << 14), block=0),
    "many precincts": bomb(1 << 15, 1 << 15, (1 << 15, 1 << 15), precinct=0x66, body=bytes(300_000)),
    "many layers": bomb(256, 256, (256, 256), layers=65535, body=bytes(500_000)),
    "many tiles": bomb(128 * 32, 128 * 32, (32, 32), body=bytes(6)),
    "millions of tiles": bomb(1 << 20, 1 << 20, (64, 64), body=bytes(6)),
    "many components": bomb(512, 512, (512, 512), components=16384, body=bytes(200_000)),
    "very wide": bomb((1 << 31) - 1, 1, ((1 << 31) - 1, 1)),
    "many levels": bomb(100, 100, (100, 100), levels=32),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_small_codestreams_that_declare_much_cost_little(kind):
    before = time.process_time()
    with suppress(InvalidInputError):
        partition(BOMBS[kind])
    assert time.process_time() - before < 5
