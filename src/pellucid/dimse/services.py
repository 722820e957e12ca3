"""Which SOP classes this side provides and uses, in which transfer syntaxes: the tables of the negotiation."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.sop_class import _NON_PATIENT_OBJECT_CLASSES, _STORAGE_CLASSES

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"
STORAGE_COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1.1"
PROCEDURE_STEP = "1.2.840.10008.3.1.2.3.3"
PROCEDURE_STEP_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
AVAILABILITY_NOTIFICATION = "1.2.840.10008.5.1.4.33"
MODALITY_WORKLIST = "1.2.840.10008.5.1.4.31"
PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_ROOT_GET = "1.2.840.10008.5.1.4.1.2.1.3"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.3"


@dataclass(frozen=True)
class InformationModel:
    """A query/retrieve information model (PS3.4 section C.3): its SOP classes, and its levels from the top."""

    find: str
    move: str
    get: str
    levels: tuple[str, ...]


STUDY_ROOT = InformationModel(STUDY_ROOT_FIND, STUDY_ROOT_MOVE, STUDY_ROOT_GET, ("STUDY", "SERIES", "IMAGE"))
PATIENT_ROOT = InformationModel(
    PATIENT_ROOT_FIND, PATIENT_ROOT_MOVE, PATIENT_ROOT_GET, ("PATIENT", "STUDY", "SERIES", "IMAGE")
)

FIND_CLASSES = frozenset({PATIENT_ROOT_FIND, STUDY_ROOT_FIND})
MOVE_CLASSES = frozenset({PATIENT_ROOT_MOVE, STUDY_ROOT_MOVE})
GET_CLASSES = frozenset({PATIENT_ROOT_GET, STUDY_ROOT_GET})
EXTENDED_CLASSES = FIND_CLASSES | MOVE_CLASSES | GET_CLASSES
"""Those for which the extended negotiation of PS3.4 sections C.3.4 and C.5.x is answered."""

STORAGE_CLASSES = frozenset(_STORAGE_CLASSES.values()) | frozenset(_NON_PATIENT_OBJECT_CLASSES.values())
"""Every storage SOP class that the standard defines."""

SERVICE_CLASSES = EXTENDED_CLASSES | {
    VERIFICATION,
    STORAGE_COMMITMENT,
    PROCEDURE_STEP,
    PROCEDURE_STEP_RETRIEVE,
    AVAILABILITY_NOTIFICATION,
    MODALITY_WORKLIST,
}
"""What else is provided here."""

MESSAGE_SYNTAXES = tuple(map(str, (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)))
"""Transfer syntaxes of identifiers and attribute lists, the preferred first."""

NATIVE_SYNTAXES = tuple(map(str, (ExplicitVRLittleEndian, ImplicitVRLittleEndian)))
"""What any application can read, the preferred first."""

REFERENCED_SYNTAXES = tuple(f"1.2.840.10008.1.2.4.{last}" for last in (94, 95, 204, 205))
"""JPIP Referenced: such an object holds no pixels, only where they are; it is sent, and not archived."""

_NO_FILES = frozenset({"1.2.840.10008.1.2.6.1", "1.2.840.10008.1.2.6.2", "1.2.840.10008.1.20"})
"""MIME, XML and Papyrus: retired, and no data set in the encoding of PS3.5."""

STORAGE_SYNTAXES = frozenset(
    str(uid) for uid, entry in UID_dictionary.items() if entry[1] == "Transfer Syntax"
) - _NO_FILES.union(REFERENCED_SYNTAXES)
"""Transfer syntaxes in which instances are received, and kept as they are; retired ones too."""

_STANDARD_ROOT = "1.2.840.10008."


def is_private(uid: str) -> bool:
    """Whether a UID is not one of the standard's."""
    return not uid.startswith(_STANDARD_ROOT)
