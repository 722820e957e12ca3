"""Frames as pictures for people: rescale, window, palette, square pixels; JPEG, PNG or GIF (PS3.18 section 8.7.4)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut
from pydicom.uid import SegmentationStorage

from pellucid.dicomweb.accept import MediaRange, not_acceptable
from pellucid.dicomweb.pixels import Frame, Pixels, decode
from pellucid.dicomweb.problems import RequestError

_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF"}
_FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
_LARGEST = 8192
_LOOKED_AT = 32
THUMBNAIL = 128
"""Longer side of a thumbnail."""


@dataclass(frozen=True)
class Window:
    """Centre and width in units after rescale, and the function (PS3.3 C.11.2.1.2)."""

    centre: float
    width: float
    function: str = "LINEAR"


@dataclass(frozen=True)
class Viewport:
    """The picture's size, and the region of the frame (in its pixels: left, top, width, height) shown in it."""

    width: int
    height: int
    region: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class Rendering:
    """How to render: media type, window (None: the instance's own), viewport (None: full size), JPEG quality."""

    media_type: str
    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = 90

    @classmethod
    def asked(cls, query: Mapping[str, str], ranges: list[MediaRange]) -> Rendering:
        """From a request's parameters."""
        media_type = next((m for r in ranges for m in _FORMATS if r.allows(m) and r.part != "*/*"), None)
        if media_type is None and not any(r.part == "*/*" for r in ranges):
            raise not_acceptable(", ".join(_FORMATS))
        return cls(
            media_type or "image/jpeg",
            _window(query["window"]) if query.get("window") else None,
            _viewport(query["viewport"]) if query.get("viewport") else None,
            _quality(query.get("quality", "90")),
        )


def render(pixels: Pixels, frame: int, rendering: Rendering) -> bytes:
    """One frame (counted from 0) as an encoded picture."""
    with pixels.opened() as dataset:
        shown = _displayed(decode(dataset, frame), dataset, frame, rendering.window)
        aspect = _pixel_aspect(dataset, frame)
    return _encoded(_placed(Image.fromarray(shown), aspect, rendering.viewport), rendering)


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
    if frame.photometric == "PALETTE COLOR":
        coloured = apply_color_lut(frame.array, dataset)
        return (coloured >> 8 if coloured.dtype.itemsize > 1 else coloured).astype(np.uint8)
    if frame.array.ndim == 3:
        depth = int(dataset.get("BitsStored", 8))
        return (frame.array >> (depth - 8) if depth > 8 else frame.array).astype(np.uint8)
    values = _rescaled(frame.array, dataset, index)
    grey = _windowed(values, frame.array, dataset, index, window)
    if frame.photometric == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE":
        grey = 255 - grey
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def _rescaled(array: NDArray[Any], dataset: Dataset, index: int) -> NDArray[Any]:
    transform = _functional_group(dataset, index, "PixelValueTransformationSequence")
    return np.asarray(apply_modality_lut(array, transform if transform is not None else dataset), np.float64)


def _windowed(
    values: NDArray[Any], stored: NDArray[Any], dataset: Dataset, index: int, window: Window | None
) -> NDArray[np.float64]:
    """0 … 255 as floating point."""
    if window is None:
        window = _own_window(dataset, index)
    if window is None and "VOILUTSequence" in dataset:
        return _looked_up(values, dataset)
    if window is None:
        window = _window_of_segments(dataset) or _window_of_content(values, stored, dataset)
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
    if viewport is not None and viewport.region is not None:
        picture = _cropped(picture, viewport.region)
    width, height = picture.width * max(1.0, 1 / aspect), picture.height * max(1.0, aspect)
    if viewport is not None:
        scale = min(viewport.width / width, viewport.height / height)
        width, height = width * scale, height * scale
    size = (max(1, min(_LARGEST, round(width))), max(1, min(_LARGEST, round(height))))
    return picture if size == picture.size else picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _cropped(picture: Image.Image, region: tuple[float, float, float, float]) -> Image.Image:
    """The part of a region that lies in the frame, mirrored where its width or height is negative."""
    left, top, width, height = region
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


def _encoded(picture: Image.Image, rendering: Rendering) -> bytes:
    target = io.BytesIO()
    options: dict[str, Any] = {"quality": rendering.quality} if rendering.media_type == "image/jpeg" else {}
    picture.save(target, _FORMATS[rendering.media_type], **options)
    return target.getvalue()


def _window(text: str) -> Window:
    parts = text.split(",")
    expected = "centre,width,function with function linear, linear-exact or sigmoid"
    try:
        centre, width = float(parts[0]), float(parts[1])
        function = _FUNCTIONS[parts[2].lower()] if len(parts) > 2 else "LINEAR"
    except (ValueError, IndexError, KeyError):
        raise RequestError(400, f"window: is {text!r}; expected {expected}") from None
    if len(parts) > 3 or not np.isfinite([centre, width]).all() or width <= 0 or (function == "LINEAR" and width < 1):
        raise RequestError(400, f"window: is {text!r}; expected {expected}, width > 0 (linear: >= 1)")
    return Window(centre, width, function)


def _viewport(text: str) -> Viewport:
    parts = text.split(",")
    problem = RequestError(
        400, f"viewport: is {text!r}; expected width,height[,left,top,width,height] in pixels, up to {_LARGEST}"
    )
    if len(parts) not in (2, 6):
        raise problem
    try:
        width, height = int(parts[0]), int(parts[1])
        region = tuple(float(part) if part else float("nan") for part in parts[2:])
    except ValueError:
        raise problem from None
    if not (1 <= width <= _LARGEST and 1 <= height <= _LARGEST):
        raise problem
    if not region:
        return Viewport(width, height)
    if not np.isfinite(region).all() or 0 in region[2:]:
        raise problem
    left, top, w, h = region
    return Viewport(width, height, (left, top, w, h))


def _quality(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 100:
        raise RequestError(400, f"quality: is {text!r}; expected 1 … 100")
    return int(text)


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    try:
        return float(value)
    except TypeError:
        return float(value[0]) if len(value) else None
