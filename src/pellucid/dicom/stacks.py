"""Frames → stacks: which frames make one volume, in what order, with which channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.dicom.channels import REPETITION, channels_of
from pellucid.dicom.frames import Frame
from pellucid.dicom.pixels import stored_values
from pellucid.dicom.planes import Planes, affine_of, normal_of
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import Channel

_SAME_DIRECTION = 1e-3
_SAME_PLACE_MM = 0.01
_EXACT_IN_FLOAT32 = 24


@dataclass(frozen=True)
class Stack:
    """The frames of one image: `places[slice][channel combination]`."""

    places: list[list[Frame]]
    channels: tuple[Channel, ...]
    affine: NDArray[np.float64]

    @property
    def first(self) -> Frame:
        """The frame that speaks for all."""
        return self.places[0][0]

    @property
    def frames(self) -> Iterator[Frame]:
        """All frames."""
        return (frame for frames in self.places for frame in frames)

    def array(self) -> NDArray[Any]:
        """The values `[slice, row, column, *channels]`: float32, or float64 where more than 24 bits are stored."""
        lengths = tuple(len(channel.values) for channel in self.channels)
        rows, columns = self.first.shape
        bits = int(self.first.dataset.get("BitsStored") or self.first.dataset.BitsAllocated)
        wide = bits > _EXACT_IN_FLOAT32 and "FloatPixelData" not in self.first.dataset
        pixels = _Decoded()
        pixels.of(self.first)  # a file that is too short is refused before memory for all is taken
        flat = np.empty((len(self.places), rows, columns, int(np.prod(lengths))), np.float64 if wide else np.float32)
        for place, frames in enumerate(self.places):
            for channel, frame in enumerate(frames):
                flat[place, :, :, channel] = _values(frame, pixels.of(frame))
        return flat.reshape((len(self.places), rows, columns, *lengths))


def stacks_of(frames: Iterable[Frame]) -> list[Stack]:
    """The stacks in the frames of one series.

    Frames belong together where size, orientation, pixel spacing, slice thickness and ImageType agree. Slices are
    ordered along their normal; several frames at one place become channels. Raises `InvalidInputError` where slices
    are missing, unevenly spaced, incomplete, or, in CT, all at one place with nothing that tells them apart.
    """
    groups = _groups(frames)
    found = []
    for group in groups:
        try:
            found.append(_stack(group))
        except InvalidInputError as error:
            raise _other_size(group, groups) or error from None
    return found


def _other_size(group: list[Frame], groups: list[list[Frame]]) -> InvalidInputError | None:
    """Where slices of `group` are missing because files of the series are of another size: the first such file."""
    kind = _kind(group[0])
    for other in groups:
        there = _kind(other[0])
        if other is group or there[0] != kind[0] or there[2:] != kind[2:] or not _parallel(group[0], other[0]):
            continue
        few, many = sorted((other, group), key=len)
        for keyword, is_, expected in zip(("Rows", "Columns"), few[0].shape, many[0].shape, strict=True):
            if is_ != expected:
                return InvalidInputError(f"is {is_}; the series has {expected}", file=few[0].file, field=keyword)
    return None


def _groups(frames: Iterable[Frame]) -> list[list[Frame]]:
    groups: dict[tuple[Any, ...], list[list[Frame]]] = {}
    for frame in frames:
        candidates = groups.setdefault(_kind(frame), [])
        for group in candidates:
            if _parallel(group[0], frame):
                group.append(frame)
                break
        else:
            candidates.append([frame])
    return [group for candidates in groups.values() for group in candidates]


def _kind(frame: Frame) -> tuple[Any, ...]:
    image_type = frame.get("FrameType") or frame.get("ImageType") or []
    thickness = frame.get("SliceThickness")
    return (
        str(frame.dataset.SOPClassUID),
        frame.shape,
        tuple(str(part) for part in image_type),
        round(float(thickness), 2) if thickness else None,
        str(frame.get("StackID", "")),
        str(frame.get("ComplexImageComponent", "")),
    )


def _parallel(a: Frame, b: Frame) -> bool:
    same_spacing = np.allclose(a.pixel_spacing, b.pixel_spacing, rtol=_SAME_DIRECTION, atol=0)
    return same_spacing and float(abs(a.orientation - b.orientation).max()) < _SAME_DIRECTION


def _stack(frames: list[Frame]) -> Stack:
    first = frames[0]
    places = _places(frames)
    counts = {len(place) for place in places}
    if len(counts) > 1:
        raise InvalidInputError(
            f"slice positions have {min(counts)} to {max(counts)} images; expected equally many. Files missing?",
            file=first.file,
            field="ImagePositionPatient",
        )
    channels, ordered = channels_of(places)
    if len(places) == 1:
        _require_told_apart(frames, channels)
    positions = np.array([place[0].position for place in places])
    planes = Planes(positions, first.orientation, first.pixel_spacing, _stated_spacing(first))
    try:
        affine = affine_of(planes)
    except InvalidInputError as error:
        raise InvalidInputError(str(error), file=first.file) from error
    if len(places) > 1:
        _require_neighbours(first, abs(float(affine[:3, 0] @ normal_of(first.orientation))))
    return Stack(ordered, channels, affine)


def _require_neighbours(first: Frame, distance_mm: float) -> None:
    """Slices twice or more as far apart as they say of themselves are not all there.

    Where the gap alone was written as the distance, against the standard, nothing is concluded.
    """
    try:
        stated, thickness = (abs(float(first.get(name, 0))) for name in ("SpacingBetweenSlices", "SliceThickness"))
    except (TypeError, ValueError):
        return
    share = distance_mm / stated if 0 < stated < np.inf else 0.0
    is_gap = stated < 0.99 * thickness or abs(distance_mm - stated - thickness) < 0.01 * distance_mm
    if round(share) >= 2 and abs(share - round(share)) < 0.01 * share and not is_gap:
        raise InvalidInputError(
            f"is {stated:.4g} mm, but the slices are {distance_mm:.4g} mm apart: {round(share) - 1} missing between "
            "neighbours?",
            file=first.file,
            field="SpacingBetweenSlices",
        )


def _require_told_apart(frames: list[Frame], channels: tuple[Channel, ...]) -> None:
    """CT slices all at one place must differ in time or acquisition: else their positions are wrong."""
    first = frames[0]
    untold = [channel.name for channel in channels] == [REPETITION]
    if untold and first.get("Modality") == "CT" and len({str(f.get("AcquisitionNumber", "")) for f in frames}) == 1:
        raise InvalidInputError(
            f"is the same in all {len(frames)} slices of this CT series, which differ neither in time nor in "
            "AcquisitionNumber; expected one place each",
            file=first.file,
            field="ImagePositionPatient",
        )


def _stated_spacing(frame: Frame) -> float:
    """What the frame says of the distance between slices; where it says nothing, its pixels' own size."""
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        try:
            spacing = abs(float(frame.get(keyword, 0)))
        except (TypeError, ValueError):
            continue
        if 0 < spacing < np.inf:
            return spacing
    return frame.pixel_spacing[0]


def _places(frames: list[Frame]) -> list[list[Frame]]:
    """Frames by place along the normal, lowest first."""
    normal = normal_of(frames[0].orientation)
    tolerance = min(_SAME_PLACE_MM, 0.02 * min(frames[0].pixel_spacing), 0.1 * _stated_spacing(frames[0]))
    ordered = sorted(frames, key=lambda frame: float(frame.position @ normal))
    heights = np.array([float(frame.position @ normal) for frame in ordered])
    numbers = np.concatenate([[0], np.cumsum(np.diff(heights) > tolerance)])
    places = [[ordered[i] for i, _ in group] for _, group in groupby(enumerate(numbers), key=lambda pair: pair[1])]
    for place in places:
        shift = max(float(np.linalg.norm(frame.position - place[0].position)) for frame in place)
        if shift > 0.05 * max(place[0].pixel_spacing) + tolerance:
            raise UnsupportedError(
                f"images of one plane are shifted by {shift:.3f} mm against each other; read them one by one",
                file=place[0].file,
                field="ImagePositionPatient",
            )
    return places


class _Decoded:
    """The last decoded instance: frames of one instance come in a row."""

    def __init__(self) -> None:
        self._key: int | None = None
        self._values: NDArray[Any] = np.zeros((0, 0, 0))

    def of(self, frame: Frame) -> NDArray[Any]:
        """The stored values of a frame."""
        if self._key != id(frame.dataset):
            self._values = stored_values(frame.dataset, frame.file)
            self._key = id(frame.dataset)
        plane: NDArray[Any] = self._values[frame.index]
        return plane[frame.tile] if frame.tile is not None else plane


def _values(frame: Frame, stored: NDArray[Any]) -> NDArray[Any]:
    """Stored values as what they stand for."""
    if frame.dataset.get("ModalityLUTSequence"):
        from pydicom.pixels.processing import apply_modality_lut

        return np.asarray(apply_modality_lut(np.asarray(stored), frame.dataset))
    slope, intercept = rescaling(frame)
    if slope == 1 and intercept == 0:
        return stored
    scaled: NDArray[Any] = stored * np.float64(slope) + intercept
    return scaled


def rescaling(frame: Frame) -> tuple[float, float]:
    """Slope and intercept from stored to real values: the real-world value mapping, else the modality's own."""
    mapping = real_world_mapping(frame)
    if mapping is not None:
        slope, intercept = mapping.get("RealWorldValueSlope"), mapping.get("RealWorldValueIntercept")
        return _finite(slope, "RealWorldValueSlope", frame), _finite(intercept, "RealWorldValueIntercept", frame)
    slope, intercept = frame.get("RescaleSlope", 1), frame.get("RescaleIntercept", 0)
    return _finite(slope, "RescaleSlope", frame), _finite(intercept, "RescaleIntercept", frame)


def real_world_mapping(frame: Frame) -> Any:
    """The linear real-world value mapping that tells values and unit, or None.

    PET images in a known unit keep that unit: their mappings, where vendors add any, are to others.
    """
    if frame.get("Modality") == "PT" and frame.get("Units") in ("BQML", "GML", "CNTS"):
        return None
    items = frame.dataset.get("RealWorldValueMappingSequence")
    item = frame.groups if "RealWorldValueSlope" in frame.groups else items[0] if items else {}
    return item if item.get("RealWorldValueSlope") is not None and item.get("MeasurementUnitsCodeSequence") else None


def _finite(value: Any, keyword: str, frame: Frame) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number) or (number == 0 and keyword.endswith("Slope")):
        raise InvalidInputError(f"is {value!r}; expected a finite number other than 0", file=frame.file, field=keyword)
    return number
