"""The DICOM conformance statement (PS3.2), made from the tables that the negotiation itself uses."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.uid import UID

from pellucid import __version__
from pellucid.dimse.dispatch import services
from pellucid.dimse.file_format import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from pellucid.dimse.limits import NetworkLimits
from pellucid.dimse.services import (
    AVAILABILITY_NOTIFICATION,
    EXTENDED_CLASSES,
    FIND_CLASSES,
    MESSAGE_SYNTAXES,
    MODALITY_WORKLIST,
    PROCEDURE_STEP,
    REFERENCED_SYNTAXES,
    SERVICE_CLASSES,
    STORAGE_CLASSES,
    STORAGE_COMMITMENT,
    STORAGE_SYNTAXES,
    VERIFICATION,
)
from pellucid.dimse.tls import CIPHERS

USED_CLASSES = (
    VERIFICATION,
    *EXTENDED_CLASSES,
    MODALITY_WORKLIST,
    PROCEDURE_STEP,
    STORAGE_COMMITMENT,
    AVAILABILITY_NOTIFICATION,
)
"""SOP classes that this side uses, besides storage."""


def statement() -> str:
    """The statement as Markdown."""
    limits = NetworkLimits()
    parts = [
        f"# DICOM conformance statement\n\nPellucid {__version__}. Made by `pellucid conformance` from the program.",
        _implementation(limits),
        "## Verification, query, retrieval, workflow\n",
        _table(("SOP class", "UID", "As provider", "As user"), _service_rows()),
        f"Transfer syntaxes of these messages, the preferred first: {_names(MESSAGE_SYNTAXES)}.",
        _negotiation(),
        _status_codes(),
        _security(),
        "## Storage\n\nAs provider, and as user for what is in the archive. Instances are kept as they are received.\n",
        f"Transfer syntaxes: {_names(sorted(STORAGE_SYNTAXES, key=_order))}.\n",
        "With `dimse_private_storage` SOP classes and transfer syntaxes outside the standard's root are stored too.\n",
        _table(("SOP class", "UID"), ((UID(uid).name, uid) for uid in sorted(STORAGE_CLASSES, key=_order))),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _implementation(limits: NetworkLimits) -> str:
    rows = [
        ("Implementation class UID", IMPLEMENTATION_CLASS_UID),
        ("Implementation version name", IMPLEMENTATION_VERSION_NAME),
        ("Application context", "1.2.840.10008.3.1.1.1"),
        ("Maximum PDU received", f"{limits.pdu_bytes} bytes; longer ones abort the association"),
        ("Longest A-ASSOCIATE PDU", f"{limits.associate_bytes} bytes"),
        ("Longest identifier or attribute list", f"{limits.identifier_bytes} bytes, {limits.nesting} levels deep"),
        ("Largest instance", f"{limits.instance_bytes} bytes (`instance_bytes`)"),
        ("Associations at a time", f"{limits.associations} in each process (`dimse_associations`)"),
        ("Asynchronous operations", "one at a time; the window is not negotiated"),
        ("ARTIM timer", f"{limits.association_request_s:g} s"),
        ("Idle association", f"{limits.idle_s:g} s"),
        ("Silence within a message", f"{limits.message_s:g} s"),
    ]
    return "## Implementation\n\n" + _table(("What", "Value"), rows)


def _service_rows() -> Iterable[tuple[str, ...]]:
    provided = services()
    for uid in sorted(SERVICE_CLASSES, key=_order):
        operations = ", ".join(sorted(o.name.replace("_", "-") for u, o in provided if u == uid))
        yield UID(uid).name, uid, operations, "yes" if uid in USED_CLASSES else ""


def _negotiation() -> str:
    return (
        "## Extended negotiation\n\n"
        f"SOP Class Extended Negotiation is answered for {_names(sorted(EXTENDED_CLASSES, key=_order))}: relational "
        "queries and retrieval (byte 1); for "
        f"{_names(sorted(FIND_CLASSES, key=_order))} also combined date and time matching (byte 2) and fuzzy matching "
        "of person names by the beginnings of their words (byte 3). Timezone adjustment and enhanced multi-frame "
        "conversion are declined.\n\n"
        "Role selection: a requestor may be provider of storage SOP classes (C-GET) and of Storage Commitment "
        "(reports over a new association).\n\n"
        "User identity: user name, and user name with passcode, where the site has accounts; a positive response is "
        "given on request. Other kinds are ignored.\n\n"
        "Where one presentation context proposes several transfer syntaxes for storage, the first that can be kept is "
        "accepted, but Explicit VR Little Endian rather than Implicit.\n\n"
        f"As user of storage (C-MOVE, C-GET) also {_names(REFERENCED_SYNTAXES)}, for a partner that accepts no "
        "transfer syntax in which it would get the pixels themselves. Pixel Data Provider URL (0028,7FE0) is answered "
        "at IMAGE level."
    )


def _status_codes() -> str:
    rows = [
        ("C-STORE", "0000", "Stored, durably"),
        ("C-STORE", "0110", "Something went wrong here"),
        ("C-STORE", "0111", "Another object is stored under this UID"),
        ("C-STORE", "0124", "The caller may not store, or not into this study"),
        ("C-STORE", "A700", "Too large, or no room"),
        ("C-STORE", "A900", "Command and data set differ, or the series belongs to another study"),
        ("C-STORE", "C000", "Not a readable DICOM data set"),
        ("C-FIND", "FF00, FF01", "A match; FF01: keys of a lower level were ignored"),
        ("C-FIND, C-MOVE, C-GET", "A900", "The identifier does not fit the SOP class"),
        ("C-FIND, C-MOVE, C-GET", "C000", "A key that cannot be matched"),
        ("C-FIND, C-MOVE, C-GET", "FE00", "Cancelled"),
        ("C-MOVE", "A801", "Unknown destination"),
        ("C-MOVE, C-GET", "A702", "No sub-operation succeeded"),
        ("C-MOVE, C-GET", "B000", "Some sub-operations failed or gave warnings"),
        ("All", "0124", "The caller may not"),
        ("All", "0211", "The operation is not one of the SOP class"),
        ("MPPS N-SET", "0110, Error ID A710", "The procedure step has ended"),
    ]
    return "## Status codes\n\n" + _table(("Service", "Status", "Meaning"), rows)


def _security() -> str:
    return (
        "## Security\n\n"
        "TLS after the non-downgrading BCP 195 profile (PS3.15 section B.10): TLS 1.2 with "
        f"{', '.join(CIPHERS)}; TLS 1.3. Certificates of partners are asked for where the site says so.\n\n"
        "Callers are known by AE title, called title and address; rules say what each may do and see. "
        "Beyond loopback nobody is served without a rule."
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("-" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _names(uids: Iterable[str]) -> str:
    return ", ".join(UID(uid).name for uid in uids)


def _order(uid: str) -> tuple[int, ...]:
    return tuple(int(part) for part in uid.split("."))
