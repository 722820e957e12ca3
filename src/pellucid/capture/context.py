"""Of whom and for what a capture is: given, or from a worklist item or a study."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.valuerep import validate_value

from pellucid.errors import InvalidInputError
from pellucid.study import new_uid

_KEYWORDS = {
    "patient_id": "PatientID",
    "patient_name": "PatientName",
    "patient_birth_date": "PatientBirthDate",
    "patient_sex": "PatientSex",
    "accession_number": "AccessionNumber",
    "referring_physician_name": "ReferringPhysicianName",
    "study_instance_uid": "StudyInstanceUID",
    "study_id": "StudyID",
    "study_date": "StudyDate",
    "study_time": "StudyTime",
    "study_description": "StudyDescription",
}
_STEP = "ScheduledProcedureStepSequence"
_OF_STEP = {
    "ScheduledProcedureStepDescription": "ScheduledProcedureStepDescription",
    "ScheduledProcedureStepID": "ScheduledProcedureStepID",
    "ScheduledProtocolCodeSequence": "ScheduledProtocolCodeSequence",
}
_OF_REQUEST = ("RequestedProcedureID", "RequestedProcedureDescription", "RequestedProcedureCodeSequence")


@dataclass(frozen=True, kw_only=True)
class CaptureContext:
    """Patient and study by DICOM's meaning of each field; empty where unknown.

    `request`: the item of Request Attributes Sequence (DICOM JSON), where it was scheduled. Raises
    `InvalidInputError` where a value does not fit its value representation.
    """

    patient_id: str = ""
    patient_name: str = ""
    patient_birth_date: str = ""
    patient_sex: str = ""
    accession_number: str = ""
    referring_physician_name: str = ""
    study_instance_uid: str = field(default_factory=new_uid)
    study_id: str = ""
    study_date: str = ""
    study_time: str = ""
    study_description: str = ""
    request: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, keyword in _KEYWORDS.items():
            value = getattr(self, name)
            if "\\" in value:
                raise InvalidInputError(f"is {value!r}; a backslash separates values", field=keyword)
            try:
                validate_value(dictionary_VR(keyword), value, config.RAISE)
            except ValueError as error:
                raise InvalidInputError(f"is {value!r}: {error}", field=keyword) from None
        if not re.fullmatch(r"[0-9.]{1,64}", self.study_instance_uid):
            raise InvalidInputError(f"is {self.study_instance_uid!r}; expected a UID", field="StudyInstanceUID")
        if self.patient_sex not in ("", "M", "F", "O"):
            raise InvalidInputError(f"is {self.patient_sex!r}; expected M, F or O", field="PatientSex")

    @classmethod
    def of_study(cls, attributes: Mapping[str, Any]) -> Self:
        """That of a study, from its DICOM JSON: the capture becomes a series of it."""
        return cls(**_found(Dataset.from_json(dict(attributes))))

    @classmethod
    def of_worklist_item(cls, attributes: Mapping[str, Any]) -> Self:
        """That of a scheduled procedure step, from its DICOM JSON (PS3.4 annex K; PS3.17 table on mapping)."""
        item = Dataset.from_json(dict(attributes))
        values = _found(item)
        values.setdefault("study_description", str(item.get("RequestedProcedureDescription", "") or ""))
        request = Dataset()
        for keyword in _OF_REQUEST:
            if item.get(keyword):
                request[keyword] = item[keyword]
        steps = item.get(_STEP) or []
        for keyword, source in _OF_STEP.items():
            if steps and steps[0].get(source):
                request[keyword] = steps[0][source]
        return cls(**values, request=request.to_json_dict())

    def data_set(self) -> Dataset:
        """Patient and General Study modules, and the request."""
        made = Dataset()
        made.SpecificCharacterSet = "ISO_IR 192"
        for name, keyword in _KEYWORDS.items():
            setattr(made, keyword, getattr(self, name))
        if self.request:
            made.RequestAttributesSequence = [Dataset.from_json(dict(self.request))]
        return made

    def to_json(self) -> dict[str, Any]:
        """For another process."""
        return asdict(self)


def _found(item: Dataset) -> dict[str, Any]:
    """The fields that an item has values for."""
    known = {name: item.get(keyword) for name, keyword in _KEYWORDS.items()}
    return {name: str(value) for name, value in known.items() if value not in (None, "")}
