"""The columns of the index that repeat attributes, so that they can be searched."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Any

from pydicom.datadict import tag_for_keyword

LARGEST_INTEGER = 2**31 - 1

Text = Callable[[str], str]
"""The value of an attribute, by keyword, as text; empty where there is none."""

_TEXTS: dict[str, dict[str, tuple[str, int | None]]] = {
    "study": {
        "patient_id": ("PatientID", None),
        "patient_birth_date": ("PatientBirthDate", 8),
        "patient_sex": ("PatientSex", 16),
        "study_date": ("StudyDate", 8),
        "study_time": ("StudyTime", 16),
        "study_id": ("StudyID", None),
        "study_description": ("StudyDescription", None),
        "accession_number": ("AccessionNumber", None),
    },
    "series": {
        "modality": ("Modality", 16),
        "series_description": ("SeriesDescription", None),
        "series_date": ("SeriesDate", 8),
        "series_time": ("SeriesTime", 16),
        "body_part_examined": ("BodyPartExamined", 16),
        "performed_procedure_step_start_date": ("PerformedProcedureStepStartDate", 8),
        "performed_procedure_step_start_time": ("PerformedProcedureStepStartTime", 16),
    },
    "instance": {"content_date": ("ContentDate", 8), "content_time": ("ContentTime", 16)},
}
_OTHERS = (
    "PatientName ReferringPhysicianName StudyInstanceUID SeriesInstanceUID SOPInstanceUID SOPClassUID SeriesNumber "
    "InstanceNumber NumberOfFrames Rows Columns SamplesPerPixel BitsAllocated PhotometricInterpretation"
)
TAGS: dict[str, int] = {
    keyword: int(tag_for_keyword(keyword) or 0)
    for keyword in (
        *(keyword for columns in _TEXTS.values() for keyword, _ in columns.values()),
        *_OTHERS.split(),
    )
}
"""The attributes that columns are made of."""


def study_columns(text: Text) -> dict[str, Any]:
    """The columns of a study."""
    return {
        **_columns("study", text),
        **name_columns(text("PatientName")),
        "referring_physician_name_folded": folded(text("ReferringPhysicianName")),
    }


def name_columns(name: str) -> dict[str, str]:
    """A patient's name for matching: all of it, and its second and third component groups by themselves."""
    whole = folded(name)
    groups = [*whole.split("="), "", ""]
    return {
        "patient_name_folded": whole,
        "patient_name_ideographic": groups[1],
        "patient_name_phonetic": groups[2],
    }


def series_columns(text: Text) -> dict[str, Any]:
    """The columns of a series."""
    return _columns("series", text) | {"series_number": _integer(text("SeriesNumber"))}


def instance_columns(text: Text) -> dict[str, Any]:
    """The columns of an instance that its attributes say."""
    return _columns("instance", text) | {
        "instance_number": _integer(text("InstanceNumber")),
        "number_of_frames": max(1, _integer(text("NumberOfFrames")) or 1),
        "rows": _integer(text("Rows")) or 0,
        "columns": _integer(text("Columns")) or 0,
        "samples_per_pixel": _integer(text("SamplesPerPixel")) or 1,
        "bits_allocated": _integer(text("BitsAllocated")) or 0,
    }


def folded(name: str) -> str:
    """A person's name for matching: lower case, no accents, no empty trailing components."""
    name = name.replace("\0", "")
    plain = name.lower()
    if not name.isascii():
        decomposed = unicodedata.normalize("NFKD", name.casefold())
        plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return "=".join(group.strip().rstrip("^ ") for group in plain.split("=")).rstrip("=")


def _columns(level: str, text: Text) -> dict[str, Any]:
    # PostgreSQL keeps no NUL in a text.
    return {column: text(keyword).replace("\0", "")[:length] for column, (keyword, length) in _TEXTS[level].items()}


def _integer(text: str) -> int | None:
    """A number, as near as a column of 32 bits can hold it."""
    try:
        return max(-LARGEST_INTEGER, min(int(text), LARGEST_INTEGER))
    except ValueError:
        return None
