"""Videos as Secondary Capture and Ultrasound: order, colours and times of the frames survive."""

import subprocess
from fractions import Fraction

import numpy as np
import pytest
from tests.capture.videos import colour, field_of, number_of, picture, uneven, write

from pellucid.capture import Crop, Region
from pellucid.dicom.conformance import conformance
from pellucid.errors import InvalidInputError

# What chroma at half resolution, 8-bit YCbCr and the quantisers below may change of a flat colour.
LOSSY = 6


def frames_of(made):
    array = made.pixel_array
    return array if array.ndim == 4 else array[None]


def times_of(made):
    return np.cumsum([float(step) for step in made.FrameTimeVector])


@pytest.mark.parametrize(
    ("name", "codec", "how", "tolerance"),
    [
        ("a.mp4", "libx264", {"crf": 10}, LOSSY),
        ("a.webm", "libvpx", {"crf": 4, "b": "4M"}, LOSSY),
        ("a.mkv", "ffv1", {"pixels": "bgr0"}, 0),
        ("a.avi", "mjpeg", {"pixels": "yuvj420p", "qmin": 1, "qmax": 2}, LOSSY),
    ],
)
@pytest.mark.parametrize("kind", ["sc", "us"])
def test_order_colours_and_times(tmp_path, captured, name, codec, how, tolerance, kind):
    times = uneven(30) if not name.endswith("avi") else [40 * n for n in range(30)]
    (made,) = captured(write(tmp_path / name, codec, times=times, **how), kind=kind)
    frames = frames_of(made)
    assert [number_of(frame) for frame in frames] == list(range(30))
    for number, frame in enumerate(frames):
        np.testing.assert_allclose(field_of(frame), colour(number), atol=tolerance)
    np.testing.assert_allclose(times_of(made), times, atol=0.5)
    assert made.LossyImageCompression == ("00" if codec == "ffv1" else "01")
    assert made.SOPClassUID == {"sc": "1.2.840.10008.5.1.4.1.1.7.4", "us": "1.2.840.10008.5.1.4.1.1.3.1"}[kind]


@pytest.mark.parametrize("kind", ["sc", "us"])
def test_objects_conform(tmp_path, captured, program, kind):
    regions = (Region.parse("60x40+10+20@0.3,0.2"),) if kind == "us" else ()
    stills = captured(write(tmp_path / "a.mp4"), kind=kind, regions=regions, stills_s=(0.0, 0.5))
    assert conformance(stills) == []
    (tmp_path / "captured").rename(tmp_path / "stills")
    many = captured(tmp_path / "a.mp4", kind=kind, regions=regions, body_part="liver")
    assert conformance(many) == []
    for file in [*(tmp_path / "stills").iterdir(), *(tmp_path / "captured").iterdir()]:
        said = subprocess.run([program("dciodvfy"), file], capture_output=True, text=True)
        assert "Error" not in said.stderr + said.stdout


def test_an_odd_number_of_bytes_is_padded(tmp_path, captured):
    """17 x 9 pixels of three bytes, lossless: the last byte is no pixel."""
    write(tmp_path / "a.mkv", "ffv1", pixels="bgr0", count=1)
    (made,) = captured(tmp_path / "a.mkv", crop=Crop(x=3, y=50, width=17, height=9))
    assert len(made.PixelData) == 460
    np.testing.assert_array_equal(made.pixel_array, picture(0)[50:59, 3:20])


def test_a_part_of_the_picture_and_of_the_time(tmp_path, captured):
    write(tmp_path / "a.mkv", "ffv1", pixels="bgr0")
    (made,) = captured(tmp_path / "a.mkv", crop=Crop(x=40, y=10, width=60, height=50), start_s=0.2, stop_s=0.8, every=3)
    frames = frames_of(made)
    assert len(frames) == 5
    for frame, number in zip(frames, (5, 8, 11, 14, 17), strict=True):
        np.testing.assert_array_equal(frame, picture(number)[10:60, 40:100])
    np.testing.assert_allclose(times_of(made), [0, 120, 240, 360, 480])


def test_stills_are_the_frames_at_or_after_their_times(tmp_path, captured):
    write(tmp_path / "a.mkv", "ffv1", pixels="bgr0")
    made = captured(tmp_path / "a.mkv", stills_s=(0.5, 0.0, 0.41))
    assert [number_of(one.pixel_array) for one in made] == [0, 11, 13]
    assert [one.InstanceNumber for one in made] == [1, 2, 3]
    assert {one.SOPClassUID for one in made} == {"1.2.840.10008.5.1.4.1.1.7"}
    assert len({one.SeriesInstanceUID for one in made}) == 1
    assert len({one.SOPInstanceUID for one in made}) == 3


def test_a_single_picture(tmp_path, captured):
    from PIL import Image

    Image.fromarray(picture(77)).save(tmp_path / "a.png")
    (made,) = captured(tmp_path / "a.png")
    assert made.SOPClassUID == "1.2.840.10008.5.1.4.1.1.7"
    np.testing.assert_array_equal(made.pixel_array, picture(77))
    assert "FrameIncrementPointer" not in made


def test_calibrated_regions_follow_the_crop(tmp_path, captured):
    write(tmp_path / "a.mp4", count=3)
    (made,) = captured(
        tmp_path / "a.mp4",
        kind="us",
        crop=Crop(x=10, y=20, width=100, height=80),
        regions=(Region.parse("50x40+15+30@0.3,0.2"),),
    )
    (region,) = made.SequenceOfUltrasoundRegions
    assert (region.RegionLocationMinX0, region.RegionLocationMinY0) == (5, 10)
    assert (region.RegionLocationMaxX1, region.RegionLocationMaxY1) == (54, 49)
    assert (region.PhysicalDeltaX, region.PhysicalDeltaY) == (0.03, 0.02)  # cm
    assert region.PhysicalUnitsXDirection == region.PhysicalUnitsYDirection == 3


def combed(number, rows, columns):
    """Two fields of different moments: a bar that moves by eight columns from field to field."""
    made = np.full((rows, columns, 3), 60, np.uint8)
    for field in (0, 1):
        left = 10 + 8 * (2 * number + field)
        made[field::2, left : left + 20] = 200
    return made


@pytest.mark.parametrize(("how", "combs"), [("always", False), ("auto", False), ("never", True)])
def test_deinterlacing(tmp_path, captured, how, combs):
    """Between rows of an interlaced picture the bar jumps; deinterlaced it does not."""
    options = {"x264-params": "interlaced=1:tff=1"} if how != "always" else {}
    write(tmp_path / "a.mkv", count=7, picture=combed, crf=8, **options)
    (made,) = captured(tmp_path / "a.mkv", deinterlace=how)
    frames = frames_of(made)[2:-2].astype(int)
    assert len(frames_of(made)) == 7
    jumps = np.abs(np.diff(frames.mean(-1), axis=1)) > 70
    assert (jumps.mean() > 0.02) == combs


def test_pixels_that_are_not_square(tmp_path, captured):
    import av

    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(16, 11)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(1), format="rgb24")))
        container.mux(stream.encode(None))
    (made,) = captured(tmp_path / "a.mkv")
    assert list(made.PixelAspectRatio) == [11, 16]  # vertical, horizontal


def test_too_much_is_refused_before_it_is_written(tmp_path, captured):
    write(tmp_path / "a.mp4")
    with pytest.raises(InvalidInputError, match="more than 1000000 bytes of pixels after 17 frames"):
        captured(tmp_path / "a.mp4", largest_bytes=1_000_000)
    assert list((tmp_path / "captured").iterdir()) == []


def test_crop_and_region_outside_the_picture(tmp_path, captured):
    write(tmp_path / "a.mp4", count=2)
    with pytest.raises(InvalidInputError, match=r"crop: is .* the picture is 160 x 120"):
        captured(tmp_path / "a.mp4", crop=Crop(x=100, y=0, width=61, height=10))
    with pytest.raises(InvalidInputError, match=r"region: is .* 160 x 120"):
        captured(tmp_path / "a.mp4", kind="us", regions=(Region.parse("10x10+155+0@1"),))
