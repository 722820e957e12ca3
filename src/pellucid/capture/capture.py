"""One capture from beginning to end: DICOM files in a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pellucid.capture.context import CaptureContext
from pellucid.capture.frames import write_frames
from pellucid.capture.objects import Series
from pellucid.capture.settings import CaptureSettings
from pellucid.capture.source import opened
from pellucid.capture.video import write_video
from pellucid.errors import InvalidInputError
from pellucid.progress import Progress, no_progress


def _never() -> bool:
    return False


def capture(
    source: str | Path,
    context: CaptureContext,
    settings: CaptureSettings,
    folder: Path,
    *,
    stop: Callable[[], bool] = _never,
    progress: Progress = no_progress,
) -> list[Path]:
    """Capture a source into DICOM files in `folder`; the files.

    `source`: a file, a device (/dev/video0), or a stream (rtsp://, http://). `stop`: asked between frames; true ends
    the capture, and what came until then is kept. Memory is a few frames, however long it takes.

    Raises `InvalidInputError` where it cannot be read, holds nothing that is wanted, or does not fit an object.
    """
    with opened(source) as video:
        if video.live and settings.stop_s is None and stop is _never:
            raise InvalidInputError("has no end of its own; say when to stop", field="stop", file=source)
        series = Series.new(context, settings)
        write = write_video if settings.kind == "video" else write_frames
        files = write(video, series, folder, stop, progress)
    progress(1.0, "captured")
    return files
