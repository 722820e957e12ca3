"""A record as an audit message of DICOM PS3.15 section A.5.1 (which profiles RFC 3881)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement, tostring

from pellucid.access.audit_record import AuditRecord

EVENTS: Mapping[str, tuple[str, str]] = {
    # Event → code (CID 400) and the action where there is only one.
    "Application Activity": ("110100", "E"),
    "Audit Log Used": ("110101", "R"),
    "Begin Transferring DICOM Instances": ("110102", "E"),
    "DICOM Instances Accessed": ("110103", ""),
    "DICOM Instances Transferred": ("110104", ""),
    "DICOM Study Deleted": ("110105", "D"),
    "Export": ("110106", "R"),
    "Import": ("110107", "C"),
    "Network Entry": ("110108", "E"),
    "Order Record": ("110109", ""),
    "Patient Record": ("110110", ""),
    "Procedure Record": ("110111", ""),
    "Query": ("110112", "E"),
    "Security Alert": ("110113", "E"),
    "User Authentication": ("110114", "E"),
}
TYPES: Mapping[str, str] = {
    # Event type (CID 401) → code; the record's detail "type" names it.
    "Application Start": "110120",
    "Application Stop": "110121",
    "Login": "110122",
    "Logout": "110123",
    "Node Authentication": "110126",
    "Network Configuration": "110128",
    "Security Configuration": "110129",
    "Use of Restricted Function": "110132",
    "Object Security Attributes Changed": "110135",
    "Security Roles Changed": "110136",
    "User security Attributes Changed": "110137",
}
_APPLICATION, _DESTINATION, _SOURCE = ("110150", "Application"), ("110152", "Destination"), ("110153", "Source")
_STUDY_UID = ("110180", "DCM", "Study Instance UID")
_PATIENT_NUMBER = ("2", "RFC-3881", "Patient Number")
_SOP_CLASS = ("110181", "DCM", "SOP Class UID")
_SYSTEM = "4"
"""Audit source type: application server process (RFC 3881 section 5.4.3)."""


def message_of(record: AuditRecord, *, source: str, site: str = "") -> bytes:
    """The XML of a record; `source` names this application, `site` the enterprise."""
    root = Element("AuditMessage")
    event = SubElement(
        root,
        "EventIdentification",
        EventActionCode=record.action,
        EventDateTime=record.time,
        EventOutcomeIndicator=str(int(record.outcome)),
    )
    code, _ = EVENTS.get(record.event, ("", ""))
    _code(event, "EventID", code or record.event, "DCM" if code else "99PELLUCID", record.event)
    kind = record.detail.get("type", "")
    if kind in TYPES:
        _code(event, "EventTypeCode", TYPES[kind], "DCM", kind)
    _participants(root, record, source)
    attributes = {"AuditSourceID": source, **({"AuditEnterpriseSiteID": site} if site else {})}
    audit_source = SubElement(root, "AuditSourceIdentification", attributes)
    SubElement(audit_source, "AuditSourceTypeCode", {"csd-code": _SYSTEM})
    _objects(root, record)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}'.encode()


def _participants(root: Element, record: AuditRecord, source: str) -> None:
    """Who asked, and this application; where images move, one is their source and the other their destination."""
    moves = record.event in ("DICOM Instances Transferred", "Begin Transferring DICOM Instances", "Export", "Import")
    inward = record.action == "C"
    roles = ((_SOURCE, _DESTINATION) if inward else (_DESTINATION, _SOURCE)) if moves else (None, _APPLICATION)
    who = {"UserID": record.caller, "UserIsRequestor": "true"}
    if record.address:
        who |= {"NetworkAccessPointID": record.address, "NetworkAccessPointTypeCode": "2"}
    for attributes, role in zip((who, {"UserID": source, "UserIsRequestor": "false"}), roles, strict=True):
        participant = SubElement(root, "ActiveParticipant", attributes)
        if role is not None:
            _code(participant, "RoleIDCode", role[0], "DCM", role[1])


def _objects(root: Element, record: AuditRecord) -> None:
    for study, patient in record.studies.items():
        found = _object(root, study, "2", "3", _STUDY_UID)
        SubElement(found, "ParticipantObjectName").text = study
        _details(found, record)
        if patient:
            person = _object(root, patient, "1", "1", _PATIENT_NUMBER)
            SubElement(person, "ParticipantObjectName").text = patient
    if record.event == "Query":
        asked = _object(root, record.detail.get("SOPClassUID", "QIDO-RS"), "2", "3", _SOP_CLASS)
        text = "&".join(f"{name}={value}" for name, value in record.detail.items())
        SubElement(asked, "ParticipantObjectQuery").text = _base64(text)
    elif not record.studies and record.detail:
        about = _object(root, record.detail.get("subject", record.caller), "2", "13", ("12", "RFC-3881", "URI"))
        SubElement(about, "ParticipantObjectName").text = record.detail.get("subject", record.caller)
        _details(about, record)


def _object(root: Element, name: str, kind: str, role: str, code: tuple[str, str, str]) -> Element:
    attributes = {
        "ParticipantObjectID": name,
        "ParticipantObjectTypeCode": kind,
        "ParticipantObjectTypeCodeRole": role,
    }
    found = SubElement(root, "ParticipantObjectIdentification", attributes)
    _code(found, "ParticipantObjectIDTypeCode", *code)
    return found


def _details(parent: Element, record: AuditRecord) -> None:
    for name, value in record.detail.items():
        SubElement(parent, "ParticipantObjectDetail", type=name, value=_base64(value))


def _code(parent: Element, name: str, code: str, system: str, text: str) -> None:
    SubElement(parent, name, {"csd-code": code, "codeSystemName": system, "originalText": text})


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8", "replace")).decode("ascii")
