"""Videos as video objects: a stream that conforms is kept bit for bit; any other is coded anew as H.264."""

import hashlib
import io
import subprocess

import av
import numpy as np
import pytest
from pydicom.encaps import generate_fragments
from tests.capture.videos import colour, field_of, number_of, uneven, write

from pellucid.archive import Archive
from pellucid.capture import Crop
from pellucid.dicom.conformance import conformance
from pellucid.errors import InvalidInputError

H264_4_1, H264_4_2 = "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.104"


def stream_of(made):
    """The coded stream: behind an empty offset table, one fragment."""
    table, stream = generate_fragments(made.PixelData)
    assert table == b""
    return stream


def shown(stream):
    """Times [ms] and frames of a coded stream."""
    with av.open(io.BytesIO(stream)) as container:
        assert [one.type for one in container.streams] == ["video"]
        found = [(1000 * frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    return [time - found[0][0] for time, _ in found], [frame for _, frame in found]


def packets(source):
    """Digests of the coded frames."""
    with av.open(source) as container:
        return [hashlib.sha256(bytes(packet)).hexdigest() for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize(
    ("how", "syntax"),
    [
        ({"profile": "high", "level": "4.0"}, H264_4_1),
        ({"profile": "high", "level": "4.2"}, H264_4_2),
        ({"profile": "main"}, H264_4_1),
        ({"profile": "baseline"}, H264_4_1),
    ],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_conforming_stream_is_kept_as_it_is(tmp_path, captured, how, syntax, name):
    source = write(tmp_path / name, times=uneven(30), **how)
    (made,) = captured(source, kind="video")
    assert made.file_meta.TransferSyntaxUID == syntax
    assert packets(io.BytesIO(stream_of(made))) == packets(str(source))
    times, frames = shown(stream_of(made))
    np.testing.assert_allclose(times, uneven(30), atol=0.5)
    assert [number_of(frame) for frame in frames] == list(range(30))
    assert (made.Rows, made.Columns, made.NumberOfFrames) == (120, 160, 30)
    assert float(made.FrameTime) == pytest.approx(40, abs=1.5)


@pytest.mark.parametrize(
    ("name", "codec", "how"),
    [
        ("a.webm", "libvpx", {"crf": 4, "b": "4M"}),
        ("a.webm", "libvpx-vp9", {"crf": 4, "b": "4M"}),
        ("a.mp4", "libx264", {"profile": "high444", "pixels": "yuv444p"}),
        ("a.mp4", "libx264", {"level": "5.1"}),
        ("a.mkv", "ffv1", {"pixels": "bgr0"}),
    ],
)
def test_any_other_is_coded_anew(tmp_path, captured, name, codec, how):
    (made,) = captured(write(tmp_path / name, codec, times=uneven(30), **how), kind="video")
    assert made.file_meta.TransferSyntaxUID == H264_4_1
    times, frames = shown(stream_of(made))
    np.testing.assert_allclose(times, uneven(30), atol=0.5)
    assert [number_of(frame) for frame in frames] == list(range(30))
    for number, frame in enumerate(frames):
        np.testing.assert_allclose(field_of(frame), colour(number), atol=10)  # two lossy codings
    with av.open(io.BytesIO(stream_of(made))) as container:
        coded = container.streams.video[0].codec_context
        assert (coded.profile, coded.level, coded.pix_fmt) == ("High", 41, "yuv420p")


def test_hevc_is_kept_as_it_is(tmp_path, captured):
    source = write(tmp_path / "a.mp4", "libx265", **{"x265-params": "log-level=none"})
    (made,) = captured(source, kind="video")
    assert made.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.107"
    assert packets(io.BytesIO(stream_of(made))) == packets(str(source))
    assert made.LossyImageCompressionMethod == "ISO_23008_2"


def test_a_part_with_odd_sides(tmp_path, captured):
    write(tmp_path / "a.mp4")
    (made,) = captured(
        tmp_path / "a.mp4", kind="video", crop=Crop(x=0, y=0, width=159, height=119), start_s=0.2, stop_s=0.6
    )
    times, frames = shown(stream_of(made))
    assert [number_of(frame) for frame in frames] == list(range(5, 15))
    assert (made.Rows, made.Columns, made.NumberOfFrames) == (120, 160, 10)
    assert frames[0].shape == (120, 160, 3)
    assert times[0] == 0


def test_sound_is_left_out(tmp_path, captured):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        sound = container.add_stream("libopus", rate=48000)
        for number in range(5):
            container.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
            tone = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.int16), format="s16", layout="mono")
            tone.sample_rate, tone.pts = 48000, 1920 * number
            container.mux(sound.encode(tone))
        container.mux(stream.encode(None))
        container.mux(sound.encode(None))
    (made,) = captured(path, kind="video")
    shown(stream_of(made))


@pytest.mark.parametrize(
    ("view", "sop_class", "modality"),
    [
        ("photographic", "1.2.840.10008.5.1.4.1.1.77.1.4.1", "XC"),
        ("endoscopic", "1.2.840.10008.5.1.4.1.1.77.1.1.1", "ES"),
        ("microscopic", "1.2.840.10008.5.1.4.1.1.77.1.2.1", "GM"),
    ],
)
def test_objects_conform_and_are_stored(tmp_path, captured, program, view, sop_class, modality):
    (made,) = captured(write(tmp_path / "a.mp4"), kind="video", view=view, body_part="colon")
    assert (made.SOPClassUID, made.Modality) == (sop_class, modality)
    assert conformance([made]) == []
    (file,) = (tmp_path / "captured").iterdir()
    said = subprocess.run([program("dciodvfy"), file], capture_output=True, text=True)
    assert "Error" not in said.stderr + said.stdout
    with Archive(tmp_path / "data") as archive:
        stored = archive.store(file)
        (record,) = archive.instances(stored.study_instance_uid)
        assert record.number_of_frames == 30


def test_too_large_for_level_4_2(tmp_path, captured):
    write(tmp_path / "a.mkv", "ffv1", pixels="bgr0", count=1, rows=2200, columns=2200)
    with pytest.raises(InvalidInputError, match="2200 x 2200 pixels at 25 frames a second: more than level"):
        captured(tmp_path / "a.mkv", kind="video")


def test_without_an_encoder(tmp_path, captured, monkeypatch):
    monkeypatch.setattr("pellucid.capture.video._ENCODERS", ())
    write(tmp_path / "a.webm", "libvpx")
    with pytest.raises(InvalidInputError, match="has no encoder for it; store it as sc or us"):
        captured(tmp_path / "a.webm", kind="video")
    captured(write(tmp_path / "a.mp4"), kind="video")
