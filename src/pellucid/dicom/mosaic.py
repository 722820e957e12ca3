"""Siemens mosaics: the slices of one volume as tiles of one picture (MR Image Storage, ImageType MOSAIC)."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from pellucid.dicom.frames import Frame, plane
from pellucid.dicom.planes import normal_of
from pellucid.errors import InvalidInputError, UnsupportedError


def mosaic_frames(dataset: Dataset, file: str) -> list[Frame]:
    """One frame per tile.

    ImagePositionPatient is that of the whole picture as if it were one slice of that size, so the first pixel of
    a tile lies half the surplus further in; slices go along the SliceNormalVector of the CSA header, which may
    point against rows × columns. (Facts: the vendor's conformance statement; nibabel's DICOM notes.)
    """
    csa = _csa_image_header(dataset, file)
    count, normal = _numbers(csa, "NumberOfImagesInMosaic"), _numbers(csa, "SliceNormalVector")
    if len(count) != 1 or not 1 <= count[0] <= 4096 or len(normal) != 3:
        raise InvalidInputError(
            "lacks NumberOfImagesInMosaic or SliceNormalVector: the tiles cannot be placed",
            file=file,
            field="CSA Image Header Info",
        )
    images = int(count[0])
    grid = int(np.ceil(np.sqrt(images)))
    rows, columns = int(dataset.Rows) // grid, int(dataset.Columns) // grid
    if rows * grid != dataset.Rows or columns * grid != dataset.Columns:
        raise InvalidInputError(
            f"is {dataset.Rows} x {dataset.Columns}; not {grid} x {grid} equal tiles", file=file, field="Rows"
        )
    whole = plane(dataset, {}, 0, file)
    slice_step = _slice_step(dataset, whole, np.array(normal), file)
    inset_rows = (dataset.Rows - rows) / 2 * whole.pixel_spacing[0] * whole.orientation[3:]
    inset_columns = (dataset.Columns - columns) / 2 * whole.pixel_spacing[1] * whole.orientation[:3]
    first = whole.position + inset_rows + inset_columns
    frames = []
    for number in range(images):
        top, left = number // grid * rows, number % grid * columns
        tile = (slice(top, top + rows), slice(left, left + columns))
        place = first + number * slice_step
        frames.append(Frame(file, dataset, 0, {}, place, whole.orientation, whole.pixel_spacing, tile))
    return frames


def _slice_step(dataset: Dataset, whole: Frame, normal: NDArray[np.float64], file: str) -> NDArray[np.float64]:
    spacing = dataset.get("SpacingBetweenSlices") or dataset.get("SliceThickness")
    if not spacing or float(spacing) <= 0:
        raise InvalidInputError(f"is {spacing!r}; expected > 0 mm", file=file, field="SpacingBetweenSlices")
    along = normal_of(whole.orientation)
    if abs(abs(float(along @ normal)) - 1) > 1e-3:
        raise InvalidInputError(
            f"SliceNormalVector {normal.tolist()} is not normal to the slices", file=file, field="CSA Image Header Info"
        )
    step: NDArray[np.float64] = float(spacing) * np.sign(float(along @ normal)) * along
    return step


def _csa_image_header(dataset: Dataset, file: str) -> dict[str, Any]:
    from nibabel.nicom import csareader

    try:
        found = csareader.get_csa_header(dataset, "image")
    except (csareader.CSAReadError, AssertionError, ValueError, KeyError, IndexError, TypeError, struct.error) as error:
        raise InvalidInputError(
            "is not a list of tags as Siemens writes it. Damaged, or changed when identities were removed?",
            file=file,
            field="CSA Image Header Info",
        ) from error
    if found is None:
        raise UnsupportedError(
            "is missing: without it the direction of the slices in this mosaic is unknown",
            file=file,
            field="CSA Image Header Info",
        )
    return dict(found["tags"])


def _numbers(csa: dict[str, Any], name: str) -> list[float]:
    """The numbers of a tag, none where it is absent or holds anything else."""
    try:
        return [float(value) for value in csa.get(name, {}).get("items", [])]
    except ValueError:
        return []
