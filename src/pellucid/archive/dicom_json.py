"""DICOM JSON (PS3.18 annex F) of a data set, made without touching its pixels."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException, InvalidDicomError

BULK_BYTES = 1024
"""Binary values longer than this are given by reference (BulkDataURI), shorter ones inline."""

PIXEL_TAGS = (0x7FE00010, 0x7FE00008, 0x7FE00009)
"""Pixel Data, Float Pixel Data, Double Float Pixel Data."""

UNREADABLE = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    AttributeError,
    ValueError,
    LookupError,
    TypeError,
    struct.error,
    OverflowError,
    RuntimeError,  # an unknown value representation, nesting without end
    zlib.error,
)
"""What pydicom raises where bytes are not what they must be."""

_BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


@dataclass(frozen=True)
class DicomJson:
    """DICOM JSON (PS3.18 annex F) of a data set; long binary values become a URI below `bulk_uri`."""

    bulk_uri: str
    big_endian: bool = False

    def of(self, dataset: Dataset, path: str = "") -> dict[str, Any]:
        """The data set's attributes by tag; an element that cannot be understood is left out."""
        result: dict[str, Any] = {}
        for tag in dataset.keys():  # noqa: SIM118 (iterating a data set itself converts every element)
            if tag.group in (0x0000, 0x0002) or tag == 0xFFFCFFFC:
                continue
            key = f"{tag:08X}"
            value = self._element(dataset, tag, f"{path}/{key}")
            if value is not None:
                result[key] = value
        return result

    def _element(self, dataset: Dataset, tag: Any, path: str) -> dict[str, Any] | None:
        raw = dataset.get_item(tag, keep_deferred=True)
        if tag in PIXEL_TAGS and not isinstance(raw.value, list):
            return {"vr": "OW" if raw.VR in (None, "OB or OW") else raw.VR, "BulkDataURI": self.bulk_uri + path}
        if raw.VR in _BINARY_VRS and raw.value is None and raw.length:  # too long to have been read
            return {"vr": raw.VR, "BulkDataURI": self.bulk_uri + path}
        try:
            element = dataset[tag]
            if element.VR == "SQ":
                return {"vr": "SQ", "Value": [self.of(item, f"{path}/{n}") for n, item in enumerate(element.value)]}
            if element.VR in _BINARY_VRS:
                return self._binary(element, path)
            return _finite(element.to_json_dict(None, 1 << 62))
        except UNREADABLE:
            return None

    def _binary(self, element: DataElement, path: str) -> dict[str, Any]:
        if not element.value:
            return {"vr": element.VR}
        if len(element.value) > BULK_BYTES:
            return {"vr": element.VR, "BulkDataURI": self.bulk_uri + path}
        data = little_endian(element) if self.big_endian else element.value
        return {"vr": element.VR, "InlineBinary": base64.b64encode(data).decode("ascii")}


def little_endian(element: DataElement) -> bytes:
    """The bytes of a big endian element's value, swapped."""
    return swapped(bytes(element.value), element.VR)


def swapped(data: bytes, vr: str) -> bytes:
    """The bytes of a value in the other byte order."""
    width = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}.get(vr, 1)
    whole = len(data) // width * width
    return b"".join(data[i : i + width][::-1] for i in range(0, whole, width)) if width > 1 else data


def _finite(value: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN and infinities: PS3.18 section F.2.2 writes them as strings."""
    if any(isinstance(v, float) and not math.isfinite(v) for v in value.get("Value", ())):
        value["Value"] = [str(v) if isinstance(v, float) and not math.isfinite(v) else v for v in value["Value"]]
    return value
