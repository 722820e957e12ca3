"""Image.attributes ⇄ DICOM elements: by keyword, checked against the object's definition."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydicom.config import RAISE
from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as DicomSequence
from pydicom.valuerep import format_number_as_ds

from pellucid.dicom.standard import AttributePath, Iod
from pellucid.errors import InvalidInputError

_WHOLE = {"IS", "US", "SS", "UL", "SL", "UV", "SV"}
_REAL = {"DS", "FD", "FL"}
_BYTES = {"OB", "OW", "OF", "OD", "OL", "OV", "UN"}


def put(dataset: Dataset, values: Mapping[str, Any], iod: Iod | None, path: AttributePath = ()) -> None:
    """Add `values` (keyword → value; None: empty) to `dataset`, converted, and checked against `iod` where given.

    Raises `InvalidInputError` for a keyword that is not DICOM's or not the object's, or a value of a wrong kind.
    """
    for keyword, value in values.items():
        dataset.add(element(keyword, value, iod, path))


def element(keyword: str, value: Any, iod: Iod | None, path: AttributePath = ()) -> DataElement:
    """One element; see `put`."""
    where = ".".join((*path, keyword))
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise InvalidInputError("is not a DICOM keyword; expected e.g. EchoTime", field=where)
    if iod is not None and not iod.has(keyword, path):
        raise InvalidInputError(f"does not belong to the object {iod.key}; remove it", field=where)
    vr = dictionary_VR(tag).split(" or ")[-1]  # "US or SS": our pixels are signed
    if vr == "SQ":
        return DataElement(tag, vr, _items(keyword, value, iod, path, where))
    try:
        return DataElement(tag, vr, _converted(value, vr, dictionary_VM(tag)), validation_mode=RAISE)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidInputError(f"is {value!r}, not a value of {vr} ({error})", field=where) from error


def _items(keyword: str, value: Any, iod: Iod | None, path: AttributePath, where: str) -> DicomSequence:
    items = [] if value is None else value
    if not isinstance(items, Sequence) or isinstance(items, str) or not all(isinstance(i, Mapping) for i in items):
        raise InvalidInputError(f"is {value!r}; expected a list of dictionaries", field=where)
    datasets = []
    for item in items:
        dataset = Dataset()
        put(dataset, item, iod, (*path, keyword))
        datasets.append(dataset)
    return DicomSequence(datasets)


def _converted(value: Any, vr: str, multiplicity: str) -> Any:
    if value is None:
        return None
    if isinstance(value, (list, tuple, np.ndarray)):
        if multiplicity == "1" and len(value) != 1:
            raise ValueError(f"one value expected, got {len(value)}")
        return [_converted(part, vr, "1") for part in value]
    if vr in _WHOLE:
        return _whole(value)
    if vr in _REAL:
        number = float(value)
        if not math.isfinite(number):
            raise ValueError("a finite number expected")
        return format_number_as_ds(number) if vr == "DS" else number
    if vr in _BYTES:
        raise TypeError("bulk data cannot be given as an attribute")
    if vr == "AT":
        tag = tag_for_keyword(value)
        if tag is None:
            raise ValueError("a keyword expected")
        return tag
    if not isinstance(value, str):
        raise TypeError("text expected")
    return value


def _whole(value: Any) -> int:
    number = float(value)
    if number != int(number):
        raise ValueError("a whole number expected")
    return int(number)


def complete(dataset: Dataset, iod: Iod, path: AttributePath = ()) -> None:
    """Give every missing type 2 attribute its empty value, in the items of sequences too."""
    for keyword in iod.required("2", path):
        if keyword not in dataset:
            put(dataset, {keyword: None}, iod, path)
    for found in dataset:
        if found.VR == "SQ" and found.keyword and not found.keyword.endswith("FunctionalGroupsSequence"):
            for item in found.value:
                complete(item, iod, (*path, found.keyword))


def plain(found: DataElement) -> Any:
    """An element's value as Python's own types; None where it is empty or bulk data."""
    if found.VR == "SQ":
        return [plain_items(item) for item in found.value]
    if found.VR in _BYTES or found.value is None or found.value == "":
        return None
    if isinstance(found.value, (MultiValue, list)):
        return [_plain_value(part, found.VR) for part in found.value]
    return _plain_value(found.value, found.VR)


def plain_items(dataset: Dataset) -> dict[str, Any]:
    """The standard attributes of a dataset that have a value, by keyword."""
    pairs = ((keyword_for_tag(found.tag), plain(found)) for found in dataset if not found.tag.is_private)
    return {keyword: value for keyword, value in pairs if keyword and value not in (None, [])}


def _plain_value(value: Any, vr: str) -> Any:
    if vr in _WHOLE:
        return int(value)
    return float(value) if vr in _REAL else str(value)
