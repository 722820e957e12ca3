"""Decoded frames as Secondary Capture or Ultrasound objects, written as they come: memory holds one frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pellucid.capture import objects
from pellucid.capture.objects import Series
from pellucid.capture.settings import CaptureSettings, Crop, Region
from pellucid.capture.source import Source, TimedFrame, rgb
from pellucid.errors import InvalidInputError
from pellucid.progress import Progress

_CENTIMETRES, _TISSUE, _TWO_DIMENSIONAL = 3, 1, 1


def kept(
    source: Source, settings: CaptureSettings, stop: Callable[[], bool], progress: Progress
) -> Iterator[TimedFrame]:
    """The frames that are wanted, cropped; their times are since the source's first frame."""
    end = settings.stop_s if settings.stop_s is not None else source.duration_s
    wanted = sorted(settings.stills_s)
    count, size = 0, None
    for time_s, frame in source.decoded(settings.deinterlace, stop):
        if settings.stop_s is not None and time_s >= settings.stop_s:
            return
        size = size or (frame.width, frame.height)
        progress(min(0.99, time_s / end) if end else 0.0, f"{time_s:.1f} s captured")
        if time_s < settings.start_s:
            continue
        count += 1
        if settings.stills_s:
            if time_s < wanted[0]:
                continue
            while wanted and wanted[0] <= time_s:
                wanted.pop(0)
        elif (count - 1) % settings.every:
            continue
        yield TimedFrame(time_s, _cropped(rgb(frame, size), settings.crop))
        if settings.stills_s and not wanted:
            return


def _cropped(pixels: NDArray[np.uint8], crop: Crop | None) -> NDArray[np.uint8]:
    if crop is None:
        return pixels
    rows, columns = pixels.shape[:2]
    if crop.x + crop.width > columns or crop.y + crop.height > rows:
        raise InvalidInputError(f"is {crop}; the picture is {columns} x {rows} pixels", field="crop")
    return np.ascontiguousarray(pixels[crop.y : crop.y + crop.height, crop.x : crop.x + crop.width])


def write_frames(
    source: Source, series: Series, folder: Path, stop: Callable[[], bool], progress: Progress
) -> list[Path]:
    """Write what is wanted of the source: one object of all frames, or one for each still."""
    frames = kept(source, series.settings, stop, progress)
    with TemporaryDirectory(prefix="frames-", dir=folder) as temporary:
        spool = Path(temporary) / "pixels"
        if series.settings.stills_s:
            return [_write([frame], source, series, spool, folder, number) for number, frame in enumerate(frames, 1)]
        return [_write(frames, source, series, spool, folder, 1)]


def _write(
    frames: Iterator[TimedFrame] | list[TimedFrame],
    source: Source,
    series: Series,
    spool: Path,
    folder: Path,
    number: int,
) -> Path:
    times: list[float] = []
    shape, size = (0, 0), 0
    with spool.open("wb") as file:
        for frame in frames:
            size += frame.pixels.nbytes
            if size > series.settings.largest_bytes:
                raise InvalidInputError(
                    f"is more than {series.settings.largest_bytes} bytes of pixels after {len(times)} frames: keep "
                    "less (start, stop, every, crop), or store it as video",
                    field="video",
                )
            shape = (frame.pixels.shape[0], frame.pixels.shape[1])
            times.append(frame.time_s)
            file.write(np.ascontiguousarray(frame.pixels).tobytes())
    if not times:
        raise InvalidInputError("holds no frames in the part that is wanted", field="video")
    target = folder / f"{number:06d}.dcm"
    ratio = size / max(1, source.packet_bytes)
    objects.write_native(_data_set(times, shape, ratio, source, series, number), spool, target)
    return target


def _data_set(
    times: list[float], shape: tuple[int, int], ratio: float, source: Source, series: Series, number: int
) -> Dataset:
    many = len(times) > 1
    kind = _ultrasound if series.settings.kind == "us" else _secondary_capture
    return objects.merged(
        (
            kind(series, number, many=many, shape=shape),
            objects.colour_pixels(*shape, "RGB", source.pixel_aspect),
            objects.loss(source.codec, ratio, lossy=source.lossy),
            _frames_of(times) if many else Dataset(),
        )
    )


def _frames_of(times: list[float]) -> Dataset:
    made = objects.timing(times)
    made.NumberOfFrames = len(times)
    return made


def _secondary_capture(series: Series, number: int, *, many: bool, shape: tuple[int, int]) -> Dataset:  # noqa: ARG001
    sop_class = objects.SECONDARY_CAPTURE_TRUE_COLOUR if many else objects.SECONDARY_CAPTURE
    made = series.data_set(sop_class, objects.modality_of(series.settings), number)
    made.ConversionType = "DV"
    made.ImageType = ["ORIGINAL", "PRIMARY"]
    made.DateOfSecondaryCapture, made.TimeOfSecondaryCapture = made.ContentDate, made.ContentTime
    return made


def _ultrasound(series: Series, number: int, *, many: bool, shape: tuple[int, int]) -> Dataset:
    sop_class = objects.ULTRASOUND_MULTI_FRAME if many else objects.ULTRASOUND
    made = series.data_set(sop_class, objects.modality_of(series.settings), number)
    made.ImageType = ["ORIGINAL", "PRIMARY"]
    regions = [_region(region, series.settings.crop, shape) for region in series.settings.regions]
    if regions:
        made.SequenceOfUltrasoundRegions = regions
    return made


def _region(region: Region, crop: Crop | None, shape: tuple[int, int]) -> Dataset:
    """An item of Sequence of Ultrasound Regions (PS3.3 C.8.5.5), in the coordinates of the stored picture."""
    left, top = region.area.x - (crop.x if crop else 0), region.area.y - (crop.y if crop else 0)
    right, bottom = left + region.area.width - 1, top + region.area.height - 1
    if left < 0 or top < 0 or right >= shape[1] or bottom >= shape[0]:
        raise InvalidInputError(
            f"is {region.area}; the picture that is kept is {shape[1]} x {shape[0]} pixels", field="region"
        )
    made = Dataset()
    made.RegionSpatialFormat = _TWO_DIMENSIONAL
    made.RegionDataType = _TISSUE
    made.RegionFlags = 0
    made.RegionLocationMinX0, made.RegionLocationMinY0 = left, top
    made.RegionLocationMaxX1, made.RegionLocationMaxY1 = right, bottom
    made.PhysicalUnitsXDirection = made.PhysicalUnitsYDirection = _CENTIMETRES
    made.PhysicalDeltaX = region.column_spacing_mm / 10
    made.PhysicalDeltaY = region.row_spacing_mm / 10
    return made
