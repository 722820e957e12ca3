"""Parametric Map Storage (PS3.3 section A.75): float values of any quantity, one multi-frame instance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ParametricMapStorage

from pellucid.dicom import assumed_position
from pellucid.dicom.attributes import complete, put
from pellucid.dicom.modules import SERIAL_NUMBER, coded, real_world_values
from pellucid.dicom.planes import Planes, planes_of
from pellucid.dicom.standard import iod_of
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import Image
from pellucid.study import new_uid
from pellucid.units import Code

_LARGEST_BYTES = 2**32 - 2
"""An element's length is a 32-bit even number."""

_WHOLE_BODY = Code("38266002", "SCT", "Entire body")


def parametric_map(image: Image, values: dict[str, Any], sop_instance_uid: str) -> Dataset:
    """The instance; `values`: the common modules. See `pellucid.dicom.to_datasets` for what is refused."""
    from pellucid.dicom.write import own_attributes

    pixels = _pixels(image)
    iod = iod_of(ParametricMapStorage)
    slices, rows, columns = image.shape
    planes = planes_of(image.affine, slices)
    attributes = own_attributes(image)
    thickness = attributes.pop("SliceThickness", planes.slice_spacing)
    values = values | _multi_frame(image, slices) | attributes
    values.pop("Laterality", None)
    values |= {
        "SOPClassUID": ParametricMapStorage,
        "SOPInstanceUID": sop_instance_uid,
        "InstanceNumber": 1,
        "ImageType": ["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"],
        "Rows": rows,
        "Columns": columns,
        "SharedFunctionalGroupsSequence": [_shared_groups(image, planes, thickness)],
        "PerFrameFunctionalGroupsSequence": [_frame_groups(index, p) for index, p in enumerate(planes.positions)],
    }
    dataset = Dataset()
    put(dataset, values, iod)
    complete(dataset, iod)
    if image.position_assumed:
        assumed_position.mark(dataset)
    keyword, vr = ("DoubleFloatPixelData", "OD") if pixels.itemsize == 8 else ("FloatPixelData", "OF")
    dataset.BitsAllocated = 8 * pixels.itemsize
    dataset.add_new(keyword, vr, pixels.tobytes())
    return dataset


def _pixels(image: Image) -> NDArray[Any]:
    if image.channels:
        names = [channel.name for channel in image.channels]
        raise UnsupportedError(f"a parametric map has no axes {names}; select one value of each", field="channels")
    if np.iscomplexobj(image.array):
        raise UnsupportedError("is complex; take magnitude, phase, real or imaginary part", field="array")
    kind = "<f8" if image.array.dtype == np.float64 else "<f4"
    if image.array.size * int(kind[-1]) > _LARGEST_BYTES:
        raise UnsupportedError(f"has {image.array.size} voxels; one instance holds 4 GB at most", field="array")
    pixels: NDArray[Any] = image.array.astype(kind)
    if not np.isfinite(pixels).all():
        bad = int(np.count_nonzero(~np.isfinite(pixels)))
        raise InvalidInputError(f"holds {bad} values that are NaN, infinite or beyond float32", field="array")
    return pixels


def _multi_frame(image: Image, frames: int) -> dict[str, Any]:
    organization = new_uid()
    stack = [
        {
            "DimensionOrganizationUID": organization,
            "DimensionIndexPointer": pointer,
            "FunctionalGroupPointer": "FrameContentSequence",
        }
        for pointer in ("StackID", "InStackPositionNumber")
    ]
    return {
        "NumberOfFrames": frames,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 32,
        "BurnedInAnnotation": "NO",
        "RecognizableVisualFeatures": "NO",
        "LossyImageCompression": "00",
        "PresentationLUTShape": "IDENTITY",
        "ContentQualification": "RESEARCH",
        "ContentLabel": image.quantity.name.upper()[:16],
        "ContentDescription": image.quantity.meaning[:64],
        "ContentCreatorName": None,
        "DeviceSerialNumber": SERIAL_NUMBER,
        "DimensionOrganizationType": "3D",
        "DimensionOrganizationSequence": [{"DimensionOrganizationUID": organization}],
        "DimensionIndexSequence": stack,
    }


def _shared_groups(image: Image, planes: Planes, thickness: float) -> dict[str, Any]:
    measures = {
        "PixelSpacing": list(planes.pixel_spacing),
        "SliceThickness": thickness,
        "SpacingBetweenSlices": planes.slice_spacing,
    }
    anatomy = {"AnatomicRegionSequence": [coded(_WHOLE_BODY)], "FrameLaterality": "U"}
    return {
        "PixelMeasuresSequence": [measures],
        "PlaneOrientationSequence": [{"ImageOrientationPatient": planes.orientation.tolist()}],
        "FrameAnatomySequence": [anatomy],
        "ParametricMapFrameTypeSequence": [{"FrameType": ["DERIVED", "PRIMARY", "VOLUME", "QUANTITY"]}],
        "PixelValueTransformationSequence": [{"RescaleIntercept": 0, "RescaleSlope": 1, "RescaleType": "US"}],
        "RealWorldValueMappingSequence": [real_world_values(image, None)],
    }


def _frame_groups(index: int, position: NDArray[np.float64]) -> dict[str, Any]:
    content = {"StackID": "1", "InStackPositionNumber": index + 1, "DimensionIndexValues": [1, index + 1]}
    return {
        "FrameContentSequence": [content],
        "PlanePositionSequence": [{"ImagePositionPatient": position.tolist()}],
    }
