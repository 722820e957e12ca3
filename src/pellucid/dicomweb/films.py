"""Multi-frame images as films: an MP4 file (H.264) or an animated GIF."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import generate_fragments
from pydicom.uid import MPEGTransferSyntaxes

from pellucid.dicomweb.pixels import Pixels
from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.rendered import picture_of
from pellucid.dicomweb.rendering import Rendering

_MOST_FRAMES = 10_000
_FRAMES_PER_SECOND = 10.0
_COARSEST = 51
"""The largest quantiser of H.264."""


def film(pixels: Pixels, rendering: Rendering) -> bytes:
    """All frames as a film at their own speed."""
    count = pixels.record.number_of_frames
    if count > _MOST_FRAMES:
        raise RequestError(406, f"a film of {count} frames is not made; up to {_MOST_FRAMES} are")
    with pixels.opened() as dataset:
        if pixels.record.transfer_syntax_uid in MPEGTransferSyntaxes:
            return _as_stored(dataset, rendering)
        pictures = (picture_of(dataset, frame, rendering) for frame in range(count))
        rate = _rate(dataset)
        return _gif(pictures, rate) if rendering.media_type == "image/gif" else _mp4(pictures, rate, rendering)


def _rate(dataset: Dataset) -> float:
    """Frames in a second (PS3.3 sections C.7.6.5.1.1, C.7.6.5.1.2)."""
    for keyword in ("RecommendedDisplayFrameRate", "CineRate"):
        if float(dataset.get(keyword) or 0) > 0:
            return min(float(dataset.get(keyword)), 100.0)
    milliseconds = float(dataset.get("FrameTime") or 0)
    return min(1000.0 / milliseconds, 100.0) if milliseconds > 0 else _FRAMES_PER_SECOND


def _gif(pictures: Iterator[Image.Image], rate: float) -> bytes:
    first, target = next(pictures), io.BytesIO()
    first.save(target, "GIF", save_all=True, append_images=pictures, duration=round(1000 / rate), loop=0)
    return target.getvalue()


def _mp4(pictures: Iterator[Image.Image], rate: float, rendering: Rendering) -> bytes:
    import av

    target = io.BytesIO()
    with av.open(target, "w", format="mp4") as container:
        stream: Any = None
        for picture in pictures:
            colours = np.asarray(_even(picture.convert("RGB")))
            if stream is None:
                codec = next(name for name in ("libx264", "libopenh264", "mpeg4") if name in av.codecs_available)
                stream = container.add_stream(codec, rate=max(1, round(rate)))
                stream.height, stream.width = colours.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.options = {"crf": str(round((100 - rendering.quality) / 99 * _COARSEST))}
            container.mux(stream.encode(av.VideoFrame.from_ndarray(colours, "rgb24")))
        container.mux(stream.encode())
    return target.getvalue()


def _as_stored(dataset: FileDataset, rendering: Rendering) -> bytes:
    """A stored film in an MP4 file, its pictures untouched."""
    import av

    if rendering.media_type != "video/mp4":
        raise RequestError(406, "the film is given as video/mp4 only")
    stored = b"".join(generate_fragments(dataset.PixelData[8 + int.from_bytes(dataset.PixelData[4:8], "little") :]))
    target = io.BytesIO()
    try:
        with av.open(io.BytesIO(stored), "r") as source, av.open(target, "w", format="mp4") as container:
            stream = source.streams.video[0]
            copied = container.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.dts is not None:
                    packet.stream = copied
                    container.mux(packet)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise RequestError(406, "the stored film cannot be put into an MP4 file; ask for the pixel data") from error
    return target.getvalue()


def _even(picture: Image.Image) -> Image.Image:
    """H.264 with halved colour has even sides only: a last odd row or column is left out."""
    width, height = max(2, picture.width & ~1), max(2, picture.height & ~1)
    return picture.crop((0, 0, width, height)) if (width, height) != picture.size else picture
