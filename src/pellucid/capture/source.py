"""A video file, device or stream: opened with what may be opened, and decoded frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError, UnsupportedError

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

_CONTAINERS = "mov,mp4,matroska,webm,avi,mpegts,mpeg,mpegvideo,h264,hevc,m4v,ogg,asf,flv,dv,mjpeg,gif,png_pipe"
"""Formats of files: none of them names other files or addresses, as playlists do."""

_STREAMS = ("rtsp", "rtsps", "rtmp", "http", "https", "udp", "rtp")
_OPEN_SECONDS, _READ_SECONDS = 15.0, 15.0
_LARGEST_SIDE = 16384
_LARGEST_PICTURE = 1 << 26
_HD_ROWS = 720
_UNSPECIFIED = 2
_BT601, _BT709 = "ITU601", "ITU709"


@dataclass(frozen=True, eq=False)
class TimedFrame:
    """A picture `[row, column, RGB]`, 8 bits, and its time since the first frame of the source [s]."""

    time_s: float
    pixels: NDArray[np.uint8]


class Source:
    """An open source: one video stream of it."""

    def __init__(self, container: InputContainer, stream: VideoStream, *, live: bool) -> None:
        self.container = container
        self.stream = stream
        self.live = live
        self.packet_bytes = 0
        """Of what was decoded so far."""
        self._first: Fraction | None = None
        self._decoded = 0

    @property
    def codec(self) -> str:
        """FFmpeg's name of the codec."""
        return self.stream.codec_context.codec.canonical_name

    @property
    def lossy(self) -> bool:
        """Whether the codec may lose something."""
        return self.stream.codec_context.codec.lossy

    @property
    def duration_s(self) -> float | None:
        """How long it is, where it says so."""
        if self.stream.duration and self.stream.time_base:
            return float(self.stream.duration * self.stream.time_base)
        return self.container.duration / 1e6 if self.container.duration else None

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel over its height."""
        return self.stream.sample_aspect_ratio or Fraction(1)

    def rewind(self) -> None:
        """Begin again."""
        self.container.seek(0)
        self.packet_bytes = 0

    def is_turned(self) -> bool:
        """Whether the pictures are to be shown turned, which a reader of DICOM does not know."""
        import av

        if self.live:
            return False
        try:
            first = next(self.container.decode(self.stream), None)
            self.rewind()
        except av.error.FFmpegError as error:
            raise InvalidInputError(f"cannot be decoded ({error.strerror})", field="video") from error
        return first is not None and bool(first.rotation)

    def decoded(self, deinterlace: str, stop: Callable[[], bool]) -> Iterator[tuple[float, VideoFrame]]:
        """Every frame in the order of display with its time since the first [s], progressive where asked."""
        filtering = _Deinterlacer(deinterlace)
        for packet in self.packets():
            if stop():
                return
            for frame in self._of_packet(packet):
                for shown in filtering.passed(frame):
                    yield self._time(shown), shown
        for shown in filtering.rest():
            yield self._time(shown), shown

    def packets(self) -> Iterator[Any]:
        """The coded packets of the stream."""
        import av

        try:
            for packet in self.container.demux(self.stream):
                self.packet_bytes += packet.size
                yield packet
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            if not self.live:
                raise InvalidInputError(f"cannot be read ({error.strerror})", field="video") from error

    def _of_packet(self, packet: Any) -> list[VideoFrame]:
        import av

        try:
            frames = packet.decode()
        except av.error.EOFError:
            return []
        except av.error.FFmpegError as error:
            raise InvalidInputError(
                f"cannot be decoded after frame {self._decoded} ({error.strerror})", field="video"
            ) from error
        sound = []
        for frame in frames:
            require_size(frame.width, frame.height)
            if not frame.is_corrupt:
                sound.append(frame)
            elif not self.live:
                raise InvalidInputError(f"is damaged near frame {self._decoded + 1}", field="video")
        self._decoded += len(sound)
        return sound

    def _time(self, frame: VideoFrame) -> float:
        """From the time stamp; frames without one are spaced by the stream's rate."""
        if frame.pts is None or frame.time_base is None:
            return float((self._decoded - 1) / (self.stream.average_rate or Fraction(25)))
        now = frame.pts * frame.time_base
        if self._first is None:
            self._first = now
        return float(now - self._first)


@contextmanager
def opened(source: str | Path) -> Iterator[Source]:
    """Open a source; raises `InvalidInputError` where it cannot be, or holds no video."""
    import av

    text = str(source)
    try:
        container = av.open(text, mode="r", **_how(text))
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise InvalidInputError(
            f"cannot be opened as video ({getattr(error, 'strerror', None) or type(error).__name__})", file=text
        ) from error
    with container:
        stream = next(iter(container.streams.video), None)
        if stream is None:
            raise InvalidInputError("holds no video", file=text)
        require_size(stream.codec_context.width or 1, stream.codec_context.height or 1)
        stream.thread_type = "AUTO"
        yield Source(container, stream, live=_is_live(text))


def _how(source: str) -> dict[str, Any]:
    """What FFmpeg may do to open this: a file opens nothing but itself."""
    if _is_device(source):
        return {"format": "v4l2", "timeout": (_OPEN_SECONDS, _READ_SECONDS)}
    if _is_live(source):
        scheme = urlsplit(source).scheme
        options = {"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else {}
        return {"options": options, "timeout": (_OPEN_SECONDS, _READ_SECONDS)}
    if "://" in source:
        raise UnsupportedError(f"is none of the streams that are read: {', '.join(_STREAMS)}", file=source)
    if not Path(source).is_file():
        raise InvalidInputError("is not there", file=source)
    return {"options": {"protocol_whitelist": "file", "format_whitelist": _CONTAINERS}}


def _is_device(source: str) -> bool:
    return source.startswith("/dev/")


def _is_live(source: str) -> bool:
    return _is_device(source) or urlsplit(source).scheme in _STREAMS


def require_size(width: int, height: int) -> None:
    """Raises `UnsupportedError` where a picture is larger than is taken."""
    if max(width, height) > _LARGEST_SIDE or width * height > _LARGEST_PICTURE:
        raise UnsupportedError(f"is {width} x {height} pixels; up to {_LARGEST_PICTURE} are taken", field="video")


def rgb(frame: VideoFrame, size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """The picture as `[row, column, RGB]`, as its colour space says, turned as its rotation says.

    `size`: width and height that the source began with; streams from screens change theirs.
    """
    width, height = size or (frame.width, frame.height)
    made = frame.reformat(width=width, height=height, format="rgb24", src_colorspace=_colour_space(frame))
    pixels: NDArray[np.uint8] = np.asarray(made.to_ndarray(), np.uint8)
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90))) if frame.rotation else pixels


def _colour_space(frame: VideoFrame) -> str | None:
    """What is meant where a stream does not say: BT.709 from 720 rows on, BT.601 below."""
    if int(frame.colorspace) != _UNSPECIFIED:
        return None
    return _BT709 if frame.height >= _HD_ROWS else _BT601


class _Deinterlacer:
    """Passes frames through FFmpeg's `bwdif` where they are interlaced, one frame for one."""

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._graph: Any = None

    def passed(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        if self._graph is None and (self._mode == "never" or (self._mode == "auto" and not frame.interlaced_frame)):
            yield frame
            return
        if self._graph is None:
            self._graph = _bwdif(frame, everything=self._mode == "always")
        self._graph.push(frame)
        yield from self._pulled()

    def rest(self) -> Iterator[VideoFrame]:
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pulled()

    def _pulled(self) -> Iterator[VideoFrame]:
        import av

        while True:
            try:
                yield self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return


def _bwdif(frame: VideoFrame, *, everything: bool) -> Any:
    from av.filter import Graph

    graph = Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or Fraction(1, 1000)
    )
    deint = "all" if everything else "interlaced"
    graph.link_nodes(source, graph.add("bwdif", f"mode=send_frame:deint={deint}"), graph.add("buffersink"))
    graph.configure()
    return graph
