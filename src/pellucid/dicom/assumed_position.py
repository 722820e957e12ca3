"""An assumed position in the patient, said in DICOM: in words that every program shows, and exactly for reading back.

The image objects must have Image Position and Orientation (Patient) (type 1), so their absence cannot say it.
What the standard offers is used: Patient Position (0018,5100) is of type 2C and PET's codes of type 2, so they are
empty (PS3.3 C.7.3.1.1.2, C.8.4.6); Position Reference Indicator (0020,1040) is free text for annotation (C.7.4.1.1.2);
Series Description, Image Comments and Derivation Description are what people see. A private element holds the fact.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from pellucid.study import POSITION_ASSUMED

INDICATOR = "POSITION ASSUMED"
"""Position Reference Indicator; the viewer goes by it, and reading where private elements were removed."""

_TITLE = " (position assumed)"
_LONGEST_TITLE, _LONGEST_DERIVATION = 64, 1024
_CREATOR, _GROUP, _ELEMENT = "PELLUCID", 0x0021, 0x01


def mark(dataset: Dataset) -> None:
    """Say in `dataset`, complete but for its pixels, that the position in the patient is assumed."""
    dataset.PositionReferenceIndicator = INDICATOR
    for keyword in ("PatientPosition", "PatientOrientationCodeSequence", "PatientGantryRelationshipCodeSequence"):
        if keyword in dataset:
            dataset[keyword].clear()
    title = str(dataset.get("SeriesDescription") or "")
    dataset.SeriesDescription = (title[: _LONGEST_TITLE - len(_TITLE)] + _TITLE).strip()
    dataset.ImageComments = f"{POSITION_ASSUMED} {dataset.get('ImageComments') or ''}".strip()
    derivation = f"; {INDICATOR.lower()}"
    before = str(dataset.get("DerivationDescription") or "")
    dataset.DerivationDescription = before[: _LONGEST_DERIVATION - len(derivation)] + derivation
    dataset.private_block(_GROUP, _CREATOR, create=True).add_new(_ELEMENT, "CS", "YES")


def is_marked(dataset: Dataset) -> bool:
    """Whether the position in the patient is assumed."""
    try:
        block = dataset.private_block(_GROUP, _CREATOR)
    except KeyError:
        return str(dataset.get("PositionReferenceIndicator") or "") == INDICATOR
    return _ELEMENT in block and str(block[_ELEMENT].value) == "YES"


def without_title_mark(title: str) -> str:
    """The series description that was given."""
    return title.removesuffix(_TITLE.strip()).rstrip()


def without_comment_mark(comments: str) -> str:
    """The image comments that were there before."""
    return comments.removeprefix(POSITION_ASSUMED).strip()
