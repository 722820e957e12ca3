"""A coded stream as a video object: as it is where it conforms, else coded anew as H.264 (PS3.5 section 8.2.7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pellucid.capture import objects
from pellucid.capture.frames import kept
from pellucid.capture.objects import Series
from pellucid.capture.source import Source, TimedFrame
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.progress import Progress

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

H264_4_1, H264_4_2 = "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.104"
HEVC_MAIN, HEVC_MAIN_10 = "1.2.840.10008.1.2.4.107", "1.2.840.10008.1.2.4.108"
_PROFILES = ("High", "Main", "Constrained Baseline")
"""What a decoder of the High Profile decodes (ISO/IEC 14496-10 A.2.4)."""

_LEVELS = ((41, 8192, 245_760, H264_4_1), (42, 8704, 522_240, H264_4_2))
"""Level, most macroblocks of a frame and of a second (ISO/IEC 14496-10 table A-1), transfer syntax."""

_HEVC_LEVEL = 153
"""Level 5.1, thirty times."""

_ENCODERS = ("libx264", "libopenh264")
_QUALITY = {"libx264": {"preset": "fast", "crf": "17"}, "libopenh264": {"rc_mode": "quality"}}
_TIME_BASE = Fraction(1, 90_000)
_DEFAULT_RATE = 25.0
_BLOCK = 16
_HD_ROWS = 720
_BT601, _BT709 = 6, 1
"""Colour spaces as ISO/IEC 14496-10 table E-5 numbers them; FFmpeg names them by the numbers below."""


@dataclass
class _Stream:
    """A coded stream in an MP4 file, and what was learnt while it was written."""

    file: Path
    syntax: str
    codec: str
    rows: int
    columns: int
    times: list[float] = field(default_factory=list)
    duration_s: float = 0.0
    uncompressed: int = 0


def write_video(
    source: Source, series: Series, folder: Path, stop: Callable[[], bool], progress: Progress
) -> list[Path]:
    """Write one video object."""
    with TemporaryDirectory(prefix="video-", dir=folder) as temporary:
        file = Path(temporary) / "stream.mp4"
        syntax = passed_through(source) if series.settings.keeps_everything else None
        if syntax is not None:
            stream = _copied(source, file, syntax, series.settings.largest_bytes, stop, progress)
        else:
            stream = _coded_anew(source, series, file, stop, progress)
        if not stream.times:
            raise InvalidInputError("holds no frames in the part that is wanted", field="video")
        target = folder / "000001.dcm"
        objects.write_encapsulated(_data_set(stream, source, series), stream.syntax, stream.file, target)
        return [target]


def passed_through(source: Source) -> str | None:
    """The transfer syntax that the stream conforms to as it is; None where it must be coded anew."""
    coded = source.stream.codec_context
    if coded.pix_fmt not in ("yuv420p", "yuvj420p", "yuv420p10le") or source.is_turned():
        return None
    eight_bits = coded.pix_fmt != "yuv420p10le"
    if source.codec == "h264" and eight_bits and coded.profile in _PROFILES:
        return next((syntax for level, _, _, syntax in _LEVELS if 0 < coded.level <= level), None)
    if source.codec == "hevc" and 0 < coded.level <= _HEVC_LEVEL:
        return {"Main": HEVC_MAIN, "Main 10": HEVC_MAIN_10}.get(coded.profile or "")
    return None


def _copied(
    source: Source, file: Path, syntax: str, limit: int, stop: Callable[[], bool], progress: Progress
) -> _Stream:
    """The stream's packets in an MP4 file of their own, without sound and without touching a bit of the frames."""
    import av

    stream = source.stream
    made = _Stream(file, syntax, source.codec, stream.codec_context.height, stream.codec_context.width)
    base = stream.time_base or _TIME_BASE
    orders = iter(_decoding_times(source))
    with av.open(str(file), "w", format="mp4") as container:
        target = container.add_stream_from_template(stream)
        for packet in source.packets():
            if not packet.size or packet.pts is None:
                continue
            if stop():
                break
            packet.dts = next(orders, packet.dts)
            made.times.append(float(packet.pts * base))
            made.duration_s = max(made.duration_s, float((packet.pts + (packet.duration or 0)) * base) - made.times[0])
            if source.packet_bytes > limit:
                raise InvalidInputError(f"is larger than {limit} bytes", field="video")
            progress(min(0.99, made.duration_s / source.duration_s) if source.duration_s else 0.0, "copying the stream")
            packet.stream = target
            container.mux(packet)
    first = min(made.times, default=0.0)
    made.times = [time - first for time in sorted(made.times)]
    made.uncompressed = len(made.times) * made.rows * made.columns * 3
    return made


def _decoding_times(source: Source) -> list[int]:
    """When each coded frame is decoded: as late as frames that are shown in their order allow; not every file says.

    Nothing of a live source, which says it itself.
    """
    if source.live:
        return []
    shown = [packet.pts for packet in source.packets() if packet.size and packet.pts is not None]
    source.rewind()
    in_order = sorted(shown)
    ahead = max((late - early for late, early in zip(in_order, shown, strict=True)), default=0)
    return [time - ahead for time in in_order]


def _coded_anew(source: Source, series: Series, file: Path, stop: Callable[[], bool], progress: Progress) -> _Stream:
    """The wanted frames as H.264, with the times they had."""
    import av

    frames = kept(source, series.settings, stop, progress)
    first = next(frames, None)
    if first is None:
        raise InvalidInputError("holds no frames in the part that is wanted", field="video")
    rows, columns = (side + side % 2 for side in first.pixels.shape[:2])
    rate = float(source.stream.average_rate or _DEFAULT_RATE) / series.settings.every
    level, syntax = _level(rows, columns, rate)
    made = _Stream(file, syntax, "h264", rows, columns)
    with av.open(str(file), "w", format="mp4") as container:
        target = _encoder(container, rows, columns, rate, level)
        for frame in _with_first(first, frames):
            made.times.append(frame.time_s - first.time_s)
            for packet in target.encode(_shown(frame, first.time_s, rows, columns)):
                container.mux(packet)
            if file.exists() and file.stat().st_size > series.settings.largest_bytes:
                raise InvalidInputError(f"is larger than {series.settings.largest_bytes} bytes", field="video")
        for packet in target.encode(None):
            container.mux(packet)
    span = made.times[-1]
    made.duration_s = span + (span / (len(made.times) - 1) if len(made.times) > 1 else 1 / rate)
    made.uncompressed = len(made.times) * rows * columns * 3
    return made


def _with_first(first: TimedFrame, rest: Iterator[TimedFrame]) -> Iterator[TimedFrame]:
    yield first
    yield from rest


def _level(rows: int, columns: int, rate: float) -> tuple[int, str]:
    """The lowest level that the transfer syntaxes have and that this fits."""
    blocks = -(-rows // _BLOCK) * -(-columns // _BLOCK)
    for level, of_frame, of_second, syntax in _LEVELS:
        if blocks <= of_frame and blocks * rate <= of_second:
            return level, syntax
    raise UnsupportedError(
        f"is {columns} x {rows} pixels at {rate:g} frames a second: more than level 4.2 of H.264 holds; crop it or "
        "keep fewer frames",
        field="video",
    )


def _encoder(container: OutputContainer, rows: int, columns: int, rate: float, level: int) -> VideoStream:
    import av

    name = next((name for name in _ENCODERS if name in av.codecs_available), None)
    if name is None:
        raise UnsupportedError(
            "cannot be coded as H.264: the installed FFmpeg has no encoder for it; store it as sc or us", field="video"
        )
    stream: Any = container.add_stream(name, rate=Fraction(rate).limit_denominator(1001))
    stream.width, stream.height, stream.pix_fmt = columns, rows, "yuv420p"
    stream.codec_context.time_base = _TIME_BASE
    stream.codec_context.options = {**_QUALITY[name], "profile": "high", "level": f"{level / 10:.1f}"}
    space = _BT709 if rows >= _HD_ROWS else _BT601
    stream.codec_context.colorspace = space
    stream.codec_context.color_range = 1
    return stream  # type: ignore[no-any-return]


def _shown(frame: TimedFrame, start_s: float, rows: int, columns: int) -> Any:
    """A frame for the encoder; H.264 takes even sizes: a last row or column is repeated."""
    import av

    pixels: NDArray[np.uint8] = frame.pixels
    missing = (rows - pixels.shape[0], columns - pixels.shape[1])
    if any(missing):
        pixels = np.pad(pixels, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
    space = "ITU709" if rows >= _HD_ROWS else "ITU601"
    made = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    made = made.reformat(format="yuv420p", dst_colorspace=space, dst_color_range="MPEG")
    made.pts = round((frame.time_s - start_s) / _TIME_BASE)
    made.time_base = _TIME_BASE
    return made


def _data_set(stream: _Stream, source: Source, series: Series) -> Dataset:
    sop_class, _ = objects.VIDEO[series.settings.view]
    count = len(stream.times)
    ratio = stream.uncompressed / max(1, stream.file.stat().st_size)
    made = objects.merged(
        (
            series.data_set(sop_class, objects.modality_of(series.settings), 1),
            objects.colour_pixels(stream.rows, stream.columns, "YBR_PARTIAL_420", source.pixel_aspect),
            objects.even_timing(1000 * stream.duration_s / count),
            objects.loss(stream.codec, ratio, lossy=True),
        )
    )
    made.NumberOfFrames = count
    made.ImageType = ["ORIGINAL", "PRIMARY"]
    made.AcquisitionContextSequence = []
    return made
