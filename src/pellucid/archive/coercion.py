"""A DICOM file with some attributes changed, and what they were noted in it (PS3.3 C.12.1.1.9)."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian
from pydicom.valuerep import validate_value

from pellucid.archive.dicom_json import UNREADABLE
from pellucid.archive.levels import STUDY_TAGS
from pellucid.archive.metadata import file_meta, quiet_pydicom
from pellucid.errors import InvalidInputError, UnsupportedError

_SYSTEM = "PELLUCID"
_FIXED = frozenset({"SpecificCharacterSet", "StudyInstanceUID", "TimezoneOffsetFromUTC"})
_NO_TEXT = frozenset({"SQ", "OB", "OW", "UN", "AT"})


def require_correctable(changes: Mapping[str, str]) -> None:
    """Raises `InvalidInputError` where an attribute is none of a patient or study, or a value cannot be its."""
    if not changes:
        raise InvalidInputError("names no attribute; expected KEYWORD=VALUE", field="correction")
    for keyword, value in changes.items():
        tag = tag_for_keyword(keyword)
        if tag is None or f"{tag:08X}" not in STUDY_TAGS or keyword in _FIXED or dictionary_VR(tag) in _NO_TEXT:
            raise InvalidInputError("is no attribute of a patient or study that can be corrected", field=keyword)
        _require_valid(keyword, dictionary_VR(tag), value)


def _require_valid(keyword: str, vr: str, value: str) -> None:
    try:
        validate_value(vr, value, pydicom.config.RAISE)
    except ValueError as error:
        raise InvalidInputError(f"cannot be {value!r}: {error}", field=keyword) from None


def coerce(source: BinaryIO, target: Path, changes: Mapping[str, str], code: str = "CORRECT") -> None:
    """Write a file as `source` with other values (empty: no value); the pixels are copied as they are.

    `code`: Reason for the Attribute Modification, CORRECT or COERCE. Raises `UnsupportedError` where the file cannot
    be written again.
    """
    try:
        with quiet_pydicom():
            whole = _is_deflated(source)
            dataset = pydicom.dcmread(source, stop_before_pixels=not whole, force=False)
            rest = source.tell()
            _change(dataset, changes, code)
            with target.open("wb") as file:
                pydicom.dcmwrite(file, dataset, enforce_file_format=True)
                if not whole:
                    source.seek(rest)
                    shutil.copyfileobj(source, file, 1 << 20)
    except (*UNREADABLE, TypeError) as error:
        raise UnsupportedError(f"cannot be written again ({type(error).__name__}: {error})") from error


def _is_deflated(source: BinaryIO) -> bool:
    syntax, _ = file_meta(source.read(4096))
    source.seek(0)
    return syntax == DeflatedExplicitVRLittleEndian


def _change(dataset: FileDataset, changes: Mapping[str, str], code: str) -> None:
    if any(not value.isascii() for value in changes.values()):
        dataset.decode()
        dataset.SpecificCharacterSet = "ISO_IR 192"
    before = Dataset()
    for keyword, value in changes.items():
        if keyword in dataset:
            before[keyword] = copy.deepcopy(dataset[keyword])
        else:
            setattr(before, keyword, None)
        setattr(dataset, keyword, value or None)
        if keyword == "SOPInstanceUID":
            dataset.file_meta.MediaStorageSOPInstanceUID = UID(value)
    item: Any = Dataset()
    item.ModifiedAttributesSequence = Sequence([before])
    item.AttributeModificationDateTime = datetime.now(UTC).strftime("%Y%m%d%H%M%S.%f+0000")
    item.ModifyingSystem = _SYSTEM
    item.SourceOfPreviousValues = ""
    item.ReasonForTheAttributeModification = code
    known = list(dataset.get("OriginalAttributesSequence") or [])
    dataset.OriginalAttributesSequence = Sequence([*known, item])
