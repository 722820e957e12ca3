"""A codestream rebuilt from data-bins is the one they were cut from, whatever its order; smaller pictures are right."""

import subprocess

import imagecodecs
import numpy as np
import pytest
from tests.jpip.encoders import needs_openjpeg, openjpeg, opj_decompress, picture
from tests.jpip.test_partition import OPTIONS

from pellucid.errors import InvalidInputError
from pellucid.jpip.codestream import Codestream
from pellucid.jpip.rebuild import Bin, Bins

IN_PARTS = ("tile-parts", "progression changes")


def cut(source):
    """The data-bins of a codestream as its encoder ordered it: packets by precinct, headers without SOT and SOD."""
    codestream = Codestream(source)
    start = source.index(b"\xff\x90\x00\x0a")
    bins = Bins(main_header=Bin(bytearray(source[:start]), complete=True))
    for tile in codestream.tiles():
        number, count = tile.tile.number, len(tile.tile.components)
        header = b"".join(segment.encoded() for segment in tile.segments)
        bins.tile_headers[number] = Bin(bytearray(header), complete=True)
        places = iter([(part.start, part.end) for part in tile.parts])
        at = end = 0
        for (precinct, _), length in zip(tile.tile.packets().tolist(), tile.packet_lengths, strict=True):
            while at >= end:
                at, end = next(places)
            component, _, sequence = tile.tile.locate(precinct)
            bin_id = number + (component + sequence * count) * codestream.size.tiles
            bins.precincts.setdefault(bin_id, Bin(complete=True)).data += source[at : at + length]
            at += length
    return bins


@needs_openjpeg
@pytest.mark.parametrize("kind", sorted(OPTIONS.keys() - IN_PARTS))
def test_byte_for_byte(tmp_path, kind):
    source = openjpeg(tmp_path, picture(157, 221), *OPTIONS[kind])
    assert cut(source).codestream() == source


@needs_openjpeg
@pytest.mark.parametrize("kind", IN_PARTS)
def test_tile_parts_become_one(tmp_path, kind):
    source = openjpeg(tmp_path, picture(157, 221), *OPTIONS[kind])
    rebuilt = cut(source).codestream()
    assert rebuilt.count(b"\xff\x90\x00\x0a") == (4 if kind == "tile-parts" else 1)
    assert opj_decompress(tmp_path, rebuilt) == opj_decompress(tmp_path, source)


@needs_openjpeg
@pytest.mark.parametrize(
    "kind", ["plain", "RPCL", "layers", "RLCP with SOP and EPH", "irreversible", "offset", "power of two"]
)
@pytest.mark.parametrize("discard", [1, 2])
def test_smaller_pictures_are_those_that_openjpeg_makes(tmp_path, kind, discard):
    """OpenJPEG decodes the whole codestream without its highest resolutions."""
    options = {"offset": ("-d", "13,21"), "power of two": ("-t", "64,64"), **OPTIONS}[kind]
    source = openjpeg(tmp_path, picture(157, 221), *options)
    smaller, out = cut(source).codestream(discard), tmp_path / "reduced.raw"
    (tmp_path / "whole.j2k").write_bytes(source)
    command = ["opj_decompress", "-i", tmp_path / "whole.j2k", "-o", out, "-r", str(discard)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert len(smaller) < len(source)
    assert opj_decompress(tmp_path, smaller) == out.read_bytes()


@needs_openjpeg
def test_tiles_that_are_no_multiples_cannot_be_made_smaller(tmp_path):
    bins = cut(openjpeg(tmp_path, picture(157, 221), "-t", "100,90"))
    assert bins.codestream(1)
    with pytest.raises(InvalidInputError, match="multiples of 4"):
        bins.codestream(2)


@needs_openjpeg
@pytest.mark.parametrize("kind", ["layers", "RLCP with SOP and EPH", "all styles"])
def test_precincts_that_are_cut_off_keep_their_whole_packets(tmp_path, kind):
    source = openjpeg(tmp_path, picture(157, 221), *OPTIONS[kind])
    whole = imagecodecs.jpeg2k_decode(source).astype(float)
    errors = []
    for share in (0.02, 0.3, 0.95):
        bins = cut(source)
        for found in list(bins.precincts.values())[-2:]:  # the highest resolutions
            found.data = found.data[: int(share * len(found.data))]
            found.complete = False
        errors.append(np.abs(imagecodecs.jpeg2k_decode(bins.codestream()) - whole).mean())
    assert errors == sorted(errors, reverse=True)
    assert kind != "layers" or errors[0] > errors[2] > 0


@needs_openjpeg
def test_nothing_but_headers_is_a_picture_too(tmp_path):
    bins = cut(openjpeg(tmp_path, picture(157, 221), *OPTIONS["tiles"]))
    bins.precincts.clear()
    bins.tile_headers.clear()
    assert set(opj_decompress(tmp_path, bins.codestream())) == {0x80, 0}


def test_without_a_main_header_there_is_nothing():
    with pytest.raises(InvalidInputError, match="main header"):
        Bins().codestream()
