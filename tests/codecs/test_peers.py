"""Other people's programs read what is written here, and what they write is read here: pixels are the same."""

import os
import subprocess

import numpy as np
import pytest
from tests.codecs.made import file_of, pixels
from tests.codecs.test_transcode import read, values_of

from pellucid.codecs import named, transcode

FORMS = {
    "12 bits": pixels(1, (1, 40, 33), 16, 12),
    "16 bits signed": pixels(2, (1, 40, 33), 16, 16, signed=True),
    "8 bits": pixels(3, (2, 21, 34), 8, 8),
    "colour": pixels(4, (1, 24, 30, 3), 8, 8, photometric="RGB"),
}
DCMTK = {"jpeg-lossless-sv1": "dcmdjpeg", "jpeg-lossless": "dcmdjpeg", "jpeg-ls": "dcmdjpls", "rle": "dcmdrle"}
GDCM = ("rle", "jpeg-lossless-sv1", "jpeg-ls", "jpeg2000")


def run(*arguments):
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, env=dict(os.environ, LC_ALL="C"))
    assert done.returncode == 0, done.stderr or done.stdout


@pytest.fixture
def plain(tmp_path):
    """Call with a program's arguments around the two file names; the values of what it made."""

    def convert(data, *arguments):
        source, target = tmp_path / "in.dcm", tmp_path / "out.dcm"
        source.write_bytes(data)
        run(*arguments, str(source), str(target))
        return target.read_bytes()

    return convert


def valid(made):
    """What their programs ask of an instance beyond pixels."""
    return file_of(made, PatientID="1", StudyDate="", StudyTime="", InstanceNumber=1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("short", DCMTK)
def test_dcmtk_decodes_what_is_written_here(program, plain, form, short):
    made = FORMS[form]
    found = plain(transcode(valid(made), named(short)), program(DCMTK[short]))
    assert np.array_equal(values_of(found), made.values)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("short", GDCM)
def test_gdcm_decodes_what_is_written_here(program, plain, form, short):
    made = FORMS[form]
    found = plain(transcode(valid(made), named(short)), program("gdcmconv"), "--raw")
    assert np.array_equal(values_of(found), made.values)


WRITERS = {
    "DCMTK JPEG lossless": ("dcmcjpeg", "+e1"),
    "DCMTK JPEG lossless, any predictor": ("dcmcjpeg", "+el", "+sv", "6"),
    "DCMTK JPEG-LS": ("dcmcjpls", "+el"),
    "DCMTK RLE": ("dcmcrle",),
    "GDCM RLE": ("gdcmconv", "--rle"),
    "GDCM JPEG lossless": ("gdcmconv", "--jpeg"),
    "GDCM JPEG-LS": ("gdcmconv", "--jpegls"),
    "GDCM JPEG 2000": ("gdcmconv", "--j2k"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("writer", WRITERS)
def test_what_others_write_is_read_here(program, plain, form, writer):
    made, (name, *options) = FORMS[form], WRITERS[writer]
    coded = plain(valid(made), program(name), *options)
    assert np.array_equal(values_of(coded), made.values)
    again = transcode(coded, named("htj2k"))
    assert np.array_equal(values_of(again), made.values)
    assert read(again).file_meta.TransferSyntaxUID == named("htj2k")


@pytest.mark.parametrize("syntax", ["big-endian", "implicit", "deflated"])
def test_dcmtk_reads_every_native_transfer_syntax(program, plain, syntax):
    made = FORMS["12 bits"]
    found = plain(transcode(valid(made), named(syntax)), program("dcmconv"), "+te")
    assert np.array_equal(values_of(found), made.values)
    assert read(found).PatientName == read(valid(made)).PatientName
