"""Why an object was not stored, by the codes of DICOM PS3.18 table I.2-2 and PS3.7 annex C."""

from __future__ import annotations

from enum import IntEnum

from pellucid.errors import InvalidInputError


class FailureReason(IntEnum):
    """Failure Reason (0008,1197)."""

    PROCESSING_FAILURE = 0x0110
    """Something went wrong here."""

    DUPLICATE_INSTANCE = 0x0111
    """Another object is stored under the same SOP Instance UID."""

    NOT_AUTHORIZED = 0x0124
    """The sender may not."""

    OUT_OF_RESOURCES = 0xA700
    """Too large, or no room."""

    DATA_SET_MISMATCH = 0xA900
    """The data set contradicts the request or what is stored already."""

    CANNOT_UNDERSTAND = 0xC000
    """Not a readable DICOM object."""


class StoreRefusedError(InvalidInputError):
    """One object that was not stored, and why."""

    def __init__(
        self,
        message: str,
        reason: FailureReason,
        *,
        field: str | None = None,
        sop_class_uid: str = "",
        sop_instance_uid: str = "",
    ) -> None:
        super().__init__(message, field=field)
        self.reason = reason
        self.sop_class_uid = sop_class_uid
        self.sop_instance_uid = sop_instance_uid
