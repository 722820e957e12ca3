"""Instances as single planes: classic images, enhanced multi-frame, tomographic NM, mosaics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID, NuclearMedicineImageStorage, SegmentationStorage

from pellucid.dicom.planes import ORTHOGONAL, normal_of
from pellucid.errors import InvalidInputError, UnsupportedError

PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_FARTHEST_MM = 1e6
"""A kilometre from the origin is no place in a scanner."""
_ALIASES = {"EffectiveEchoTime": "EchoTime", "TemporalPositionIndex": "TemporalPositionIdentifier"}
"""Functional-group keyword → the classic keyword of the same meaning."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One plane of one instance.

    `file`: its name in messages. `index`: frame number from 0. `tile`: where the plane lies in a mosaic.
    `groups`: what the functional groups say of this frame, by keyword. `position` (3,), `orientation` (6,) and
    `pixel_spacing` (between rows, between columns): as in `pellucid.dicom.planes.Planes`.
    """

    file: str
    dataset: Dataset
    index: int
    groups: Mapping[str, Any]
    position: NDArray[np.float64]
    orientation: NDArray[np.float64]
    pixel_spacing: tuple[float, float]
    tile: tuple[slice, slice] | None = None

    def get(self, keyword: str, default: Any = None) -> Any:
        """The frame's value of `keyword`, else the instance's, else `default`."""
        value = self.groups.get(keyword)
        if value is None:
            value = self.dataset.get(keyword)
        return default if value is None or value == "" else value

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        if self.tile is not None:
            return self.tile[0].stop - self.tile[0].start, self.tile[1].stop - self.tile[1].start
        return int(self.dataset.Rows), int(self.dataset.Columns)


def frames_of(dataset: Dataset, file: str) -> list[Frame]:
    """The planes of an instance.

    Raises `UnsupportedError` with the reason where it is no image of one value per voxel in a patient, and
    `InvalidInputError` where mandatory attributes are missing or wrong.
    """
    _require_image(dataset, file)
    if dataset.get("SOPClassUID") == NuclearMedicineImageStorage:
        return list(_nuclear_frames(dataset, file))
    if "SharedFunctionalGroupsSequence" in dataset or "PerFrameFunctionalGroupsSequence" in dataset:
        return list(_enhanced_frames(dataset, file))
    if int(dataset.get("NumberOfFrames") or 1) > 1:
        raise UnsupportedError(
            f"is a multi-frame {_kind(dataset)} without functional groups: where its frames lie is not said",
            file=file,
            field="NumberOfFrames",
        )
    if "MOSAIC" in (dataset.get("ImageType") or []):
        from pellucid.dicom.mosaic import mosaic_frames

        return mosaic_frames(dataset, file)
    return [plane(dataset, {}, 0, file)]


def _require_image(dataset: Dataset, file: str) -> None:
    kind = _kind(dataset)
    if not dataset.get("SOPClassUID"):
        raise InvalidInputError("is missing; is this a DICOM object?", file=file, field="SOPClassUID")
    if dataset.SOPClassUID == SegmentationStorage:
        raise UnsupportedError(f"is a {kind}: masks of segments, not an image of one quantity", file=file)
    if "Rows" not in dataset and not any(keyword in dataset for keyword in PIXEL_KEYWORDS):
        raise UnsupportedError(f"holds no image: it is a {kind}", file=file)
    if not any(keyword in dataset for keyword in PIXEL_KEYWORDS):
        raise InvalidInputError(f"is missing from this {kind}. Truncated file?", file=file, field="PixelData")
    colours = str(dataset.get("PhotometricInterpretation", "MONOCHROME2"))
    samples = int(dataset.get("SamplesPerPixel") or 1)
    if samples != 1 and colours.startswith("MONOCHROME"):
        raise UnsupportedError(
            f"is {samples}, but PhotometricInterpretation is {colours}; expected 1: a Pellucid image holds one "
            "number per voxel",
            file=file,
            field="SamplesPerPixel",
        )
    if not colours.startswith("MONOCHROME"):
        raise UnsupportedError(
            f"is {colours}: a colour picture; a Pellucid image holds one number per voxel",
            file=file,
            field="PhotometricInterpretation",
        )
    for keyword in ("Rows", "Columns", "BitsAllocated"):
        value = dataset.get(keyword)
        if not isinstance(value, int) or value < 1:
            raise InvalidInputError(f"is {value!r}; expected a positive number", file=file, field=keyword)
    if "PixelData" in dataset:
        _require_bits(dataset, file)


def _require_bits(dataset: Dataset, file: str) -> None:
    """Which bits are the pixel's (PS3.5 section 8.1.1); old objects may put them above bit BitsStored - 1."""
    allocated = int(dataset.BitsAllocated)
    stored = _whole(dataset, "BitsStored", allocated, range(1, allocated + 1), file)
    _whole(dataset, "HighBit", stored - 1, range(stored - 1, allocated), file)
    _whole(dataset, "PixelRepresentation", 0, range(2), file)


def _whole(dataset: Dataset, keyword: str, default: int, allowed: range, file: str) -> int:
    value = dataset.get(keyword)
    value = default if value is None else value
    if value not in allowed:
        raise InvalidInputError(
            f"is {value!r}; expected {allowed[0]} to {allowed[-1]} (BitsAllocated is {dataset.BitsAllocated})",
            file=file,
            field=keyword,
        )
    return int(value)


def _kind(dataset: Dataset) -> str:
    return UID(str(dataset.get("SOPClassUID", ""))).name or "object of no SOP class"


def plane(dataset: Dataset, groups: Mapping[str, Any], index: int, file: str) -> Frame:
    """The plane that `groups` and `dataset` describe; raises where its place is missing or impossible."""

    def numbers(keyword: str, count: int) -> NDArray[np.float64]:
        value = groups.get(keyword)
        value = dataset.get(keyword) if value is None else value
        if value is None or value == "":
            raise UnsupportedError(
                f"is missing from this {_kind(dataset)}: where its pixels lie in the patient is unknown",
                file=file,
                field=keyword,
            )
        try:
            found = np.array([float(part) for part in value])
        except (TypeError, ValueError):
            found = np.zeros(0)
        if found.shape != (count,) or not np.isfinite(found).all():
            raise InvalidInputError(f"is {value}; expected {count} numbers", file=file, field=keyword)
        return found

    position, orientation = numbers("ImagePositionPatient", 3), numbers("ImageOrientationPatient", 6)
    if abs(position).max() > _FARTHEST_MM:
        raise InvalidInputError(
            f"is {position.tolist()}; expected at most {_FARTHEST_MM:g} mm from the origin",
            file=file,
            field="ImagePositionPatient",
        )
    spacing = numbers("PixelSpacing", 2)
    if (spacing <= 0).any():
        raise InvalidInputError(f"is {spacing.tolist()}; expected lengths > 0 mm", file=file, field="PixelSpacing")
    lengths = np.linalg.norm(orientation.reshape(2, 3), axis=1)
    if (abs(lengths - 1) > 0.01).any() or abs(orientation[:3] @ orientation[3:]) > 10 * ORTHOGONAL:
        raise InvalidInputError(
            f"is {orientation.tolist()}; expected two unit vectors at right angles",
            file=file,
            field="ImageOrientationPatient",
        )
    return Frame(file, dataset, index, groups, position, orientation, (float(spacing[0]), float(spacing[1])))


def _enhanced_frames(dataset: Dataset, file: str) -> Iterator[Frame]:
    """Frames placed by functional groups (PS3.3 section C.7.6.16): per frame, else shared."""
    shared = _flat((dataset.get("SharedFunctionalGroupsSequence") or [Dataset()])[0])
    per_frame = dataset.get("PerFrameFunctionalGroupsSequence") or []
    count = int(dataset.get("NumberOfFrames") or 1)
    if len(per_frame) != count:
        raise InvalidInputError(
            f"has {len(per_frame)} items, but NumberOfFrames is {count}",
            file=file,
            field="PerFrameFunctionalGroupsSequence",
        )
    for index, item in enumerate(per_frame):
        yield plane(dataset, shared | _flat(item), index, file)


def _flat(item: Dataset) -> dict[str, Any]:
    """All attributes in the functional groups of one item, by keyword."""
    found: dict[str, Any] = {}
    for group in item:
        if group.VR == "SQ" and len(group.value) >= 1:
            for part in group.value[0]:
                if part.keyword:
                    found[_ALIASES.get(part.keyword, part.keyword)] = part.value
    return found


def _nuclear_frames(dataset: Dataset, file: str) -> Iterator[Frame]:
    """Slices of a reconstructed NM volume: the detector item places the first, SliceVector orders them."""
    image_type = list(dataset.get("ImageType") or [])
    if len(image_type) < 3 or image_type[2] != "RECON TOMO":
        raise UnsupportedError(
            f"is {'/'.join(image_type)}: projections, not a reconstructed volume (RECON TOMO)",
            file=file,
            field="ImageType",
        )
    detector = (dataset.get("DetectorInformationSequence") or [Dataset()])[0]
    first = plane(dataset, {part.keyword: part.value for part in detector}, 0, file)
    count = int(dataset.get("NumberOfFrames") or 1)
    vector = dataset.get("SliceVector") or list(range(1, count + 1))
    order = [int(number) for number in (vector if count > 1 else [1])]
    spacing = dataset.get("SpacingBetweenSlices") or dataset.get("SliceThickness")
    if len(order) != count or (count > 1 and not spacing):
        raise InvalidInputError(
            f"does not place the {count} slices (SliceVector: {len(order)}, SpacingBetweenSlices: {spacing})",
            file=file,
            field="SliceVector",
        )
    normal = normal_of(first.orientation) * float(spacing or 1.0)
    for index, number in enumerate(order):
        place = first.position + (number - 1) * normal
        yield Frame(file, dataset, index, first.groups, place, first.orientation, first.pixel_spacing)
