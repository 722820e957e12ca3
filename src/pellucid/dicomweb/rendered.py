"""Frames as pictures for people: rescale, window, palette, square pixels (PS3.18 section 8.7.4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.uid import SegmentationStorage

from pellucid.dicomweb.picture_files import annotated, encoded, profile_of
from pellucid.dicomweb.pixels import Frame, Pixels, decode
from pellucid.dicomweb.problems import RequestError
from pellucid.dicomweb.rendering import LARGEST, Rendering, Viewport, Window

_LOOKED_AT = 32
_TABLE_BITS = 16
THUMBNAIL = 128
"""Longer side of a thumbnail."""


def render(pixels: Pixels, frame: int, rendering: Rendering) -> bytes:
    """One frame (counted from 0) as an encoded picture."""
    with pixels.opened() as dataset:
        return encoded(picture_of(dataset, frame, rendering), rendering, profile_of(dataset, rendering))


def picture_of(dataset: FileDataset, frame: int, rendering: Rendering) -> Image.Image:
    """One frame (counted from 0) of an open data set as a picture."""
    shown = _displayed(decode(dataset, frame), dataset, frame, rendering.window)
    picture = _placed(Image.fromarray(shown), _pixel_aspect(dataset, frame), rendering.viewport)
    return annotated(picture, dataset, rendering.annotation) if rendering.annotation else picture


def representative_frame(pixels: Pixels) -> int:
    """The frame that stands for all: the middle one; of a segmentation, whose frames may be nearly empty, the fullest.

    Of a segmentation at most 32 frames are looked at, at equal distances.
    """
    count = pixels.record.number_of_frames
    if pixels.record.sop_class_uid != SegmentationStorage or count == 1:
        return (count - 1) // 2
    candidates = np.unique(np.linspace(0, count - 1, min(count, _LOOKED_AT)).round().astype(int)).tolist()
    with pixels.opened() as dataset:
        marked = [np.count_nonzero(decode(dataset, index).array) for index in candidates]
    return int(candidates[int(np.argmax(marked))])


def _displayed(frame: Frame, dataset: Dataset, index: int, window: Window | None) -> NDArray[np.uint8]:
    array = frame.array
    if frame.photometric == "PALETTE COLOR":
        coloured = apply_color_lut(array, dataset)
        return (coloured >> 8 if coloured.dtype.itemsize > 1 else coloured).astype(np.uint8)
    if array.ndim == 3:
        depth = int(dataset.get("BitsStored", 8))
        return (array >> (depth - 8) if depth > 8 else array).astype(np.uint8)
    inverted = frame.photometric == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE"
    if array.dtype.kind not in "iu" or array.dtype.itemsize * 8 > _TABLE_BITS:
        return _grey(array, array, dataset, index, window, inverted=inverted)
    # What a pixel becomes depends on its value alone: every value between the extremes is looked at once.
    low, high = int(array.min()), int(array.max())
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    values = np.arange(low, high + 1).astype(array.dtype)
    if values.size >= array.size:
        return _grey(array, array, dataset, index, window, inverted=inverted)
    return _looked_up_in(values, _grey(values, array, dataset, index, window, inverted=inverted), array)


def _looked_up_in(values: NDArray[Any], grey: NDArray[np.uint8], array: NDArray[Any]) -> NDArray[np.uint8]:
    """`grey` of the values that `array` has; the table is as large as all values, so that bits are places in it."""
    unsigned = np.dtype(f"u{array.dtype.itemsize}")
    table = np.zeros(1 << (8 * array.dtype.itemsize), np.uint8)
    table[values.view(unsigned)] = grey
    return np.take(table, np.ascontiguousarray(array).view(unsigned))


def _grey(
    stored: NDArray[Any], content: NDArray[Any], dataset: Dataset, index: int, window: Window | None, *, inverted: bool
) -> NDArray[np.uint8]:
    """0 … 255 for stored values; `content`: all those of the frame."""
    grey = _windowed(stored, content, dataset, index, window)
    return np.clip(np.rint(255 - grey if inverted else grey), 0, 255).astype(np.uint8)


def _rescaled(array: NDArray[Any], dataset: Dataset, index: int) -> NDArray[Any]:
    transform = _functional_group(dataset, index, "PixelValueTransformationSequence")
    return np.asarray(apply_modality_lut(array, transform if transform is not None else dataset), np.float64)


def _windowed(
    stored: NDArray[Any], content: NDArray[Any], dataset: Dataset, index: int, window: Window | None
) -> NDArray[np.float64]:
    """0 … 255 as floating point."""
    values = _rescaled(stored, dataset, index)
    if window is None:
        window = _own_window(dataset, index)
    if window is None and "VOILUTSequence" in dataset:
        return _looked_up(values, dataset)
    if window is None:
        window = _window_of_segments(dataset)
    if window is None:
        window = _window_of_content(_rescaled(content, dataset, index), content, dataset)
    return _through(values, window)


def _through(values: NDArray[Any], window: Window) -> NDArray[np.float64]:
    """The VOI function of PS3.3 C.11.2.1.2.1 … 3 with output 0 … 255."""
    centre, width = window.centre, window.width
    if window.function == "SIGMOID":
        return 255.0 / (1.0 + np.exp(np.clip(-4.0 * (values - centre) / width, -700, 700)))
    if window.function == "LINEAR_EXACT":
        return np.clip((values - centre) / width + 0.5, 0.0, 1.0) * 255.0
    if width <= 1:
        return np.where(values <= centre - 0.5, 0.0, 255.0)
    return np.clip((values - (centre - 0.5)) / (width - 1.0) + 0.5, 0.0, 1.0) * 255.0


def _looked_up(values: NDArray[Any], dataset: Dataset) -> NDArray[np.float64]:
    item = dataset.VOILUTSequence[0]
    entries, first, bits = (int(v) for v in item.LUTDescriptor)
    data = item["LUTData"].value
    table = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.asarray(data)
    index = np.clip(np.rint(values).astype(np.int64) - first, 0, min(entries or 65536, table.size) - 1)
    grey: NDArray[np.float64] = table[index] * (255.0 / ((1 << bits) - 1))
    return grey


def _own_window(dataset: Dataset, index: int) -> Window | None:
    source = _functional_group(dataset, index, "FrameVOILUTSequence") or dataset
    centre, width = _first(source.get("WindowCenter")), _first(source.get("WindowWidth"))
    if centre is None or width is None or width <= 0:
        return None
    return Window(centre, width, str(source.get("VOILUTFunction") or "LINEAR"))


def _window_of_segments(dataset: Dataset) -> Window | None:
    """Of a segmentation: from nothing to wholly within the segment (PS3.3 C.8.20.2)."""
    if dataset.get("SegmentationType") not in ("BINARY", "FRACTIONAL"):
        return None
    full = float(dataset.get("MaximumFractionalValue") or 1)
    return Window(full / 2, full, "LINEAR_EXACT")


def _window_of_content(values: NDArray[Any], stored: NDArray[Any], dataset: Dataset) -> Window:
    """Between the 0.5 and 99.5 percentiles of what is not padding."""
    padding = dataset.get("PixelPaddingValue")
    shown = values[stored != padding] if isinstance(padding, int) else values.ravel()
    shown = shown[np.isfinite(shown)]
    if shown.size == 0:
        return Window(0.5, 1.0, "LINEAR_EXACT")
    low, high = np.percentile(shown, (0.5, 99.5))
    if high <= low:
        low, high = float(shown.min()), float(shown.max())
    return Window((low + high) / 2, max(high - low, 1e-12), "LINEAR_EXACT")


def _functional_group(dataset: Dataset, index: int, keyword: str) -> Dataset | None:
    """A macro of an enhanced multi-frame object: the frame's own, else the shared one (PS3.3 C.7.6.16)."""
    frames = dataset.get("PerFrameFunctionalGroupsSequence") or []
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for group in (*frames[index : index + 1], *shared[:1]):
        if group.get(keyword):
            found: Dataset = group[keyword].value[0]
            return found
    return None


def _pixel_aspect(dataset: Dataset, index: int) -> float:
    """Height of a pixel over its width."""
    measures = _functional_group(dataset, index, "PixelMeasuresSequence") or dataset
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"):
        value = measures.get(keyword)
        if value and len(value) == 2 and float(value[0]) > 0 and float(value[1]) > 0:
            return float(value[0]) / float(value[1])
    return 1.0


def _placed(picture: Image.Image, aspect: float, viewport: Viewport | None) -> Image.Image:
    """The picture, or its region, with square pixels, as large as fits into the viewport."""
    if viewport is not None and viewport.is_region:
        picture = _cropped(picture, viewport)
    width, height = picture.width * max(1.0, 1 / aspect), picture.height * max(1.0, aspect)
    if viewport is not None:
        scale = min(viewport.width / width, viewport.height / height)
        width, height = width * scale, height * scale
    size = (max(1, min(LARGEST, round(width))), max(1, min(LARGEST, round(height))))
    return picture if size == picture.size else picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _cropped(picture: Image.Image, viewport: Viewport) -> Image.Image:
    """The part of a region that lies in the frame, mirrored where its width or height is negative."""
    left, top = viewport.left, viewport.top
    width = picture.width - left if viewport.region_width is None else viewport.region_width
    height = picture.height - top if viewport.region_height is None else viewport.region_height
    begin_column, end_column = _covered(left, abs(width), picture.width)
    begin_row, end_row = _covered(top, abs(height), picture.height)
    picture = picture.crop((begin_column, begin_row, end_column, end_row))
    picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if width < 0 else picture
    return picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if height < 0 else picture


def _covered(start: float, length: float, size: int) -> tuple[int, int]:
    """First pixel and end of what a region covers of a frame's side: one pixel at least."""
    first, end = max(start, 0.0), min(start + length, size)
    if first >= end:
        raise RequestError(400, f"viewport: the region {start:g} … {start + length:g} lies beside the {size} pixels")
    begin = min(round(first), size - 1)
    return begin, max(round(end), begin + 1)


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        return float(value)
    except TypeError:
        return float(value[0]) if len(value) else None
