"""Identifiers and attribute lists: between bytes and DICOM JSON (PS3.18 annex F), in both directions."""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from pellucid.archive.dicom_json import UNREADABLE
from pellucid.archive.metadata import quiet_pydicom
from pellucid.errors import InvalidInputError

Attributes = dict[str, Any]
"""Attributes by tag ("00100010"), each as DICOM JSON has it."""

CHARACTER_SET = "00080005"
_UTF8 = {"vr": "CS", "Value": ["ISO_IR 192"]}
_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_NUMBERS = {
    "US": "H",
    "SS": "h",
    "UL": "I",
    "SL": "i",
    "UV": "Q",
    "SV": "q",
    "FL": "f",
    "FD": "d",
}
_ITEM = 0xFFFEE000


def decode(data: bytes, transfer_syntax: str, *, nesting: int) -> Attributes:
    """A data set as DICOM JSON; raises `InvalidInputError` where it is not one, or holds deeper sequences."""
    implicit = transfer_syntax == ImplicitVRLittleEndian
    little = transfer_syntax != ExplicitVRBigEndian
    try:
        with quiet_pydicom():
            dataset = read_dataset(BytesIO(data), implicit, little)
            _require_shallow(dataset, nesting)
            attributes: Attributes = dataset.to_json_dict(1 << 30, suppress_invalid_tags=True)
    except InvalidInputError:
        raise
    except (*UNREADABLE, OSError) as error:  # OSError: pydicom, of what should be an item of a sequence
        raise InvalidInputError(f"cannot be read ({type(error).__name__})", field="data set") from error
    return attributes


def encode(attributes: Mapping[str, Any], transfer_syntax: str) -> bytes:
    """The bytes of DICOM JSON attributes; texts as UTF-8, which Specific Character Set then says."""
    order = ">" if transfer_syntax == ExplicitVRBigEndian else "<"
    writer = _Writer(order, implicit=transfer_syntax == ImplicitVRLittleEndian)
    body = writer.data_set(attributes)
    if CHARACTER_SET not in attributes and not body.isascii():
        return writer.data_set({CHARACTER_SET: _UTF8, **attributes})
    return body


def text(attributes: Mapping[str, Any], tag: str) -> str:
    """The values of an attribute as one text, separated by backslashes; empty where there is none."""
    values = attributes.get(tag, {}).get("Value", ())
    return "\\".join(name_text(value) if isinstance(value, Mapping) else _number_text(value) for value in values)


def name_text(value: Any) -> str:
    """A person's name from DICOM JSON as PS3.5 writes it."""
    if not isinstance(value, Mapping):
        return str(value or "")
    groups = [str(value.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic")]
    return "=".join(groups).rstrip("=")


def _number_text(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else _decimal(value)
    return "" if value is None else str(value)


def _decimal(value: float) -> str:
    """At most 16 characters, as DS has them."""
    return next(t for digits in range(17, 0, -1) if len(t := f"{value:.{digits}g}") <= 16)


def _require_shallow(dataset: Dataset, levels: int) -> None:
    """Pydicom reads sequences as they are asked for: those that are too deep never are."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                if levels <= 1:
                    raise InvalidInputError("holds sequences within too many sequences", field="data set")
                _require_shallow(item, levels - 1)


class _Writer:
    """Encodes in one transfer syntax."""

    def __init__(self, order: str, *, implicit: bool) -> None:
        self._order = order
        self._implicit = implicit
        self._tag = struct.Struct(f"{order}HH")
        self._short = struct.Struct(f"{order}HH2sH")
        self._long = struct.Struct(f"{order}HH2sHI")
        self._plain = struct.Struct(f"{order}HHI")

    def data_set(self, attributes: Mapping[str, Any]) -> bytes:
        return b"".join(self._element(tag, attributes[tag]) for tag in sorted(attributes))

    def _element(self, tag: str, attribute: Mapping[str, Any]) -> bytes:
        vr = attribute.get("vr", "UN")
        value = b"" if "BulkDataURI" in attribute else self._value(vr, attribute)
        group, element = int(tag[:4], 16), int(tag[4:], 16)
        if self._implicit:
            return self._plain.pack(group, element, len(value)) + value
        if vr in _LONG:
            return self._long.pack(group, element, vr.encode(), 0, len(value)) + value
        if len(value) > 0xFFFF:
            return self._long.pack(group, element, b"UN", 0, len(value)) + value
        return self._short.pack(group, element, vr.encode(), len(value)) + value

    def _value(self, vr: str, attribute: Mapping[str, Any]) -> bytes:
        if "InlineBinary" in attribute:
            return _even(base64.b64decode(attribute["InlineBinary"]), b"\0")
        values = attribute.get("Value")
        if not values:
            return b""
        if vr == "SQ":
            return b"".join(self._item(item) for item in values)
        if vr in _NUMBERS:
            code = _NUMBERS[vr]
            convert: Callable[[Any], Any] = float if code in "fd" else int
            return struct.pack(f"{self._order}{len(values)}{code}", *map(convert, values))
        if vr == "AT":
            return b"".join(self._tag.pack(int(value[:4], 16), int(value[4:], 16)) for value in values)
        if len(values) == 1 and type(values[0]) is str:  # as most are
            joined = values[0]
        else:
            joined = "\\".join(name_text(v) if isinstance(v, dict) else _number_text(v) for v in values)
        return _even(joined.encode("utf-8"), b"\0" if vr == "UI" else b" ")

    def _item(self, item: Mapping[str, Any]) -> bytes:
        content = self.data_set(item or {})
        return self._plain.pack(_ITEM >> 16, _ITEM & 0xFFFF, len(content)) + content


def _even(data: bytes, pad: bytes) -> bytes:
    return data + pad if len(data) % 2 else data
