"""From a reconstructed array to an Image in the patient, with the attributes that DICOM wants."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.image import Image
from pellucid.modalities.mr.acquisition import KSpace
from pellucid.units import quantity

_TOWARDS = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, -1.0]])
"""Columns run to the patient's left or posterior, rows to posterior or the feet: how slices are looked at."""


def to_image(raw: KSpace, array: NDArray[Any], attributes: dict[str, Any] | None = None) -> Image:
    """The image of `array` `[slice, row, column]` on the grid of `raw`, turned over so that it is viewed upright."""
    turned, affine, swapped = upright(array, np.asarray(raw.affine, float))
    phase_axis = "ROW" if swapped else "COL"
    return Image(
        array=np.ascontiguousarray(turned),
        affine=affine,
        quantity=quantity("mr_signal"),
        modality="MR",
        study=raw.study,
        description=raw.description,
        attributes={**_dicom_attributes(raw), "InPlanePhaseEncodingDirection": phase_axis, **(attributes or {})},
    )


def upright(array: NDArray[Any], affine: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[np.float64], bool]:
    """The same voxels with rows and columns exchanged or reversed as radiologists view them; whether exchanged.

    Columns go along the axis nearer to the patient's left (in sagittal planes: posterior), rows along the other.
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    main = [int(np.argmax(np.abs(directions[:, axis]))) for axis in (1, 2)]
    swapped = main[0] < main[1]
    matrix = affine.copy()
    if swapped:
        array = array.swapaxes(1, 2)
        matrix[:, [1, 2]] = matrix[:, [2, 1]]
    for axis in (1, 2):
        place = int(np.argmax(np.abs(matrix[:3, axis])))
        if matrix[:3, axis] @ _TOWARDS[place] < 0:
            matrix[:3, 3] += matrix[:3, axis] * (array.shape[axis] - 1)
            matrix[:3, axis] *= -1
            array = np.flip(array, axis)
    return array, matrix, swapped


def _dicom_attributes(raw: KSpace) -> dict[str, Any]:
    timing = {
        "RepetitionTime": raw.repetition_time_ms,
        "EchoTime": raw.echo_time_ms,
        "InversionTime": raw.inversion_time_ms,
        "FlipAngle": raw.flip_angle_deg,
        "MagneticFieldStrength": raw.field_strength_t,
        "SliceThickness": raw.slice_thickness_mm,
        "MRAcquisitionType": "3D" if raw.is_3d else "2D",
    }
    known = {name: value for name, value in timing.items() if value is not None}
    return {**known, **dict(raw.attributes)}
