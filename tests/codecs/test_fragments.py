"""Which fragments are whose: every way that the standard knows to say it, and what contradicts itself."""

import io

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended
from tests.codecs.made import dataset, file_of, pixels

from pellucid.codecs import Instance, named, transcode
from pellucid.codecs.fragments import offset_tables
from pellucid.errors import InvalidInputError

MADE = pixels(1, (4, 20, 30))


def coded_frames():
    with Instance.open(transcode(file_of(MADE), named("jpeg-ls"))) as instance:
        return [instance.coded_frame(n) for n in range(4)]


FRAMES = coded_frames()


def file_with(value, **attributes):
    found = dataset(MADE, **attributes)
    found.PixelData = value
    found["PixelData"].VR = "OB"
    found["PixelData"].is_undefined_length = True
    found.file_meta = pydicom.dataset.FileMetaDataset()
    found.file_meta.TransferSyntaxUID = named("jpeg-ls")
    target = io.BytesIO()
    found.save_as(target, enforce_file_format=True)
    return target.getvalue()


def extended(frames):
    value, offsets, lengths = encapsulate_extended(frames)
    return file_with(value, ExtendedOffsetTable=offsets, ExtendedOffsetTableLengths=lengths)


WAYS = {
    "basic table": lambda: file_with(encapsulate(FRAMES)),
    "basic table, several fragments": lambda: file_with(encapsulate(FRAMES, fragments_per_frame=3)),
    "no table, one fragment each": lambda: file_with(encapsulate(FRAMES, has_bot=False)),
    "no table, several fragments": lambda: file_with(encapsulate(FRAMES, fragments_per_frame=3, has_bot=False)),
    "extended table": lambda: extended(FRAMES),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_say_it(way):
    data = WAYS[way]()
    with Instance.open(data) as instance:
        assert [instance.coded_frame(n).rstrip(b"\0") for n in (3, 0, 2, 1)] == [
            FRAMES[n].rstrip(b"\0") for n in (3, 0, 2, 1)
        ]
        assert instance.end_of_pixels() == len(data)
        with pytest.raises(InvalidInputError, match="there is no frame 5"):
            instance.coded_frame(4)
    plain = pydicom.dcmread(io.BytesIO(transcode(data, named("explicit"))))
    assert np.array_equal(plain.pixel_array, MADE.values)
    assert "ExtendedOffsetTable" not in plain


def test_a_wrong_table_is_not_believed():
    value = bytearray(encapsulate(FRAMES))
    value[12:16] = (2).to_bytes(4, "little")
    with Instance.open(file_with(bytes(value))) as instance:
        assert instance.coded_frame(1).rstrip(b"\0") == FRAMES[1].rstrip(b"\0")


def test_fragments_that_nothing_explains_are_refused():
    value = encapsulate(
        [frame.replace(b"\xff\xd9", b"\xff\xd8") for frame in FRAMES], fragments_per_frame=2, has_bot=False
    )
    with (
        Instance.open(file_with(value)) as instance,
        pytest.raises(InvalidInputError, match="8 fragments for 4 frames"),
    ):
        instance.coded_frame(0)


def test_tables_that_are_written():
    assert offset_tables([100]) == (b"", b"", b"")
    basic, offsets, lengths = offset_tables([100, 50, 20])
    assert np.frombuffer(basic, "<u4").tolist() == [0, 108, 166]
    assert (offsets, lengths) == (b"", b"")
    sizes = [3 << 30, 3 << 30, 10]
    basic, offsets, lengths = offset_tables(sizes)
    assert basic == b""
    assert np.frombuffer(offsets, "<u8").tolist() == [0, (3 << 30) + 8, (6 << 30) + 16]
    assert np.frombuffer(lengths, "<u8").tolist() == sizes
