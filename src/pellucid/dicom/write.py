"""Image → DICOM series."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from pellucid.dicom import assumed_position, modules
from pellucid.dicom.attributes import complete, put
from pellucid.dicom.channels import instances_of
from pellucid.dicom.classic import CLASSIC, Classic, decay_factor, extension, image_type
from pellucid.dicom.planes import Planes, normal_of, planes_of
from pellucid.dicom.quantise import Scale, scale_for
from pellucid.dicom.standard import Iod, iod_of
from pellucid.errors import InvalidInputError
from pellucid.image import Image
from pellucid.study import new_uid

IMPLEMENTATION_CLASS_UID = UID("2.25.233457178213464254361265327168290172339")


def to_datasets(
    image: Image,
    *,
    series_number: int = 1,
    series_instance_uid: str | None = None,
    created: datetime | None = None,
) -> list[Dataset]:
    """The instances of one DICOM series that hold `image`.

    CT, MR and PT images become the classic single-frame storage classes, 16-bit, one instance per slice and
    channel; any other modality a Parametric Map with float32 values. `image.attributes` are checked against the
    object's definition. `series_instance_uid`: given, all UIDs of the series follow from it; else new ones.
    `created`: when (default: now). Rounding to integers changes a value by at most half of RescaleSlope: 0.5 HU
    in CT, max|value| / 65534 elsewhere, nothing where all values are whole numbers.

    Raises `InvalidInputError` naming the attribute or array that DICOM cannot hold (NaN, infinity, unknown
    keyword, wrong kind of value) and `UnsupportedError` for complex or colour voxels, rows that are not at right
    angles to columns, and channels without an attribute.
    """
    if min(image.array.shape) < 1 or max(image.shape[1:]) > 65535:
        raise InvalidInputError(f"is {image.array.shape}; DICOM needs 1 to 65535 rows and columns", field="array")
    series_uid = series_instance_uid or new_uid()
    if not modules.is_uid(series_uid):
        raise InvalidInputError(f"is {series_uid!r}; not a DICOM UID", field="series_instance_uid")
    created = created or datetime.now().replace(microsecond=0)
    values = modules.common(image, series_uid=series_uid, series_number=series_number, created=created)
    if image.modality in CLASSIC:
        return _single_frames(image, CLASSIC[image.modality], values, created)
    from pellucid.dicom.parametric_map import parametric_map

    return [with_meta(parametric_map(image, values, modules.derived_uid(series_uid, 1)))]


def write_series(
    image: Image,
    folder: Path,
    *,
    series_number: int = 1,
    series_instance_uid: str | None = None,
    created: datetime | None = None,
) -> list[Path]:
    """Write `image` as a DICOM series into `folder` (made where absent); see `to_datasets`.

    Files are called `<series number>-<instance number>.dcm`; a folder that already has one of them is refused.
    """
    folder = Path(folder)
    datasets = to_datasets(image, series_number=series_number, series_instance_uid=series_instance_uid, created=created)
    digits = len(str(len(datasets)))
    paths = [folder / f"{series_number:03}-{index:0{digits}}.dcm" for index in range(1, len(datasets) + 1)]
    for path in paths:
        if path.exists():
            raise InvalidInputError("exists already; choose an empty folder or another series number", file=path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, dataset in zip(paths, datasets, strict=True):
            dataset.save_as(path, enforce_file_format=True)
    except OSError as error:
        raise InvalidInputError(f"cannot be written ({error.strerror or error})", file=folder) from error
    return paths


def with_meta(dataset: Dataset) -> Dataset:
    """`dataset` with its file meta information."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = "PELLUCID"
    dataset.file_meta = meta
    return dataset


def _single_frames(image: Image, kind: Classic, values: dict[str, Any], created: datetime) -> list[Dataset]:
    iod = iod_of(kind.sop_class_uid)
    planes = planes_of(image.affine, image.shape[0])
    scale = scale_for(image.array, whole=kind.whole(image))
    attributes = own_attributes(image)
    thickness = attributes.pop("SliceThickness", planes.slice_spacing)
    values |= kind.specific(image, created) | attributes
    values |= modules.plane_module(planes, thickness) | modules.pixel_module(*image.shape[1:])
    values |= kind.fixed(image, scale)
    values["SOPClassUID"] = kind.sop_class_uid
    values["ImageType"] = image_type(image, kind.image_type(image))
    rounded = f"; rounded to within {scale.error:.3g} {image.quantity.unit_symbol}".rstrip()
    values["DerivationDescription"] = values["DerivationDescription"][: 1024 - len(rounded)] + rounded
    shared = Dataset()
    put(shared, values, iod)
    extra = extension(image, scale)
    put(shared, extra, None)
    modality_values = image.modality != "MR" or bool(extra)
    put(shared, _window(image, 1.0 if modality_values else scale.slope), iod)
    complete(shared, iod)
    if image.position_assumed:
        assumed_position.mark(shared)
    return list(_instances(image, shared, iod, planes, scale, _start(values, created)))


def own_attributes(image: Image) -> dict[str, Any]:
    """The image's attributes; raises for those that the writer takes from the image itself."""
    for keyword in image.attributes:
        if keyword in modules.OWNED:
            raise InvalidInputError(
                "is written from the image's study, grid and voxels; remove it from attributes", field=keyword
            )
    values = dict(image.attributes)
    if values.get("ImageComments"):
        own = str(values["ImageComments"]).removeprefix(modules.NOTICE).strip()
        values["ImageComments"] = f"{modules.NOTICE} {own}".strip()
    return values


def _instances(
    image: Image, shared: Dataset, iod: Iod, planes: Planes, scale: Scale, start: datetime
) -> Iterator[Dataset]:
    number = 0
    normal = normal_of(planes.orientation)
    for index, channel_values in instances_of(image, start):
        b_value = channel_values.pop("DiffusionBValue", None)
        if image.modality == "PT":
            channel_values |= decay_factor({**image.attributes, **channel_values})
        voxels: tuple[Any, ...] = (slice(None), slice(None), slice(None), *index)
        for plane, position in zip(image.array[voxels], planes.positions, strict=True):
            number += 1
            values = channel_values | {
                "SOPInstanceUID": modules.derived_uid(shared.SeriesInstanceUID, number),
                "InstanceNumber": number,
                "ImagePositionPatient": position.tolist(),
                "SliceLocation": float(position @ normal),
            }
            if image.modality == "PT":
                values["ImageIndex"] = number
            dataset = Dataset()
            dataset.update({found.tag: copy(found) for found in shared})
            put(dataset, values, iod)
            if b_value is not None:
                # Not in the classic MR object, but where every vendor's classic diffusion images have it.
                dataset.add_new("DiffusionBValue", "FD", float(b_value))
            dataset.add_new("PixelData", "OW", scale.stored(plane).astype("<i2", copy=False).tobytes())
            yield with_meta(dataset)


def _start(values: dict[str, Any], created: datetime) -> datetime:
    """When the acquisition began, as far as known, for the times of dynamic images."""
    date = values.get("AcquisitionDate") or values["StudyDate"]
    text = f"{date}{values.get('AcquisitionTime') or values['StudyTime']}"
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S")
    except ValueError:
        return created


def _first_range(image: Image) -> tuple[float, float]:
    middle = tuple(slice(n // 4, max(n // 4 + 1, n - n // 4)) for n in image.shape)
    in_mr = image.quantity.name == "mr_signal"
    values = image.array[middle].ravel() if in_mr else image.array.ravel()
    some = values[:: max(1, values.size // 100_000)]
    if in_mr and values.min() >= 0:
        return 0.0, 1.3 * float(np.percentile(some, 95))
    low, high = np.percentile(some, (0.5, 99.8))
    return float(low), float(high)


def _window(image: Image, step_size: float) -> dict[str, Any]:
    """A first window for viewers: soft tissue of CT numbers, organs of MR signal, else 0.5th to 99.8th percentile.

    In MR, fat and fluid near the coils outshine what is looked at, so the window is taken from the middle half.
    It is in units of `step_size`: in stored values where the object has no modality transformation.
    """
    if "WindowCenter" in image.attributes or "WindowWidth" in image.attributes:
        return {}
    if image.quantity.name == "ct_number":
        return {"WindowCenter": 40.0, "WindowWidth": 400.0, "WindowCenterWidthExplanation": "SOFT TISSUE"}
    low, high = (value / step_size for value in _first_range(image))
    width = high - low
    if width <= 0:
        return {}
    function = {} if width >= 1 else {"VOILUTFunction": "LINEAR_EXACT"}
    return {"WindowCenter": (low + high) / 2, "WindowWidth": width} | function
