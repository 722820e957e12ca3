"""FHIR R5 resources made of what the index says of a study and its series."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pellucid import __version__

Resource = dict[str, Any]

ENDPOINT = "dicom-wado-rs"
UID_SYSTEM = "urn:dicom:uid"
DICOM_CODES = "http://dicom.nema.org/resources/ontology/DCM"
_SOP_CLASSES = "urn:ietf:rfc:3986"
_LATERALITIES = {"L": ("7771000", "Left"), "R": ("24028007", "Right"), "B": ("51440002", "Right and left")}
_SNOMED = "http://snomed.info/sct"

SEARCH_PARAMETERS = {
    "_id": ("token", "Study Instance UID"),
    "identifier": ("token", "Study Instance UID (urn:dicom:uid|urn:oid:…) or accession number"),
    "patient": ("reference", "Patient ID, as such or as Patient/ID"),
    "patient.identifier": ("token", "Patient ID"),
    "subject": ("reference", "As patient"),
    "started": ("date", "Date of the study, with eq, lt, gt, le, ge, sa, eb"),
    "modality": ("token", "Modality of any series"),
    "bodysite": ("token", "Body part examined of any series"),
    "status": ("token", "available"),
    "series": ("token", "Series Instance UID"),
    "instance": ("token", "SOP Instance UID"),
    "dicom-class": ("token", "SOP Class UID of any instance"),
}


def imaging_study(study: Mapping[str, Any], series: Iterable[Mapping[str, Any]]) -> Resource:
    """The ImagingStudy of a study and its series, both in the DICOM JSON model."""
    uid = text(study, "0020000D")
    identifiers = [{"system": UID_SYSTEM, "value": f"urn:oid:{uid}"}]
    if text(study, "00080050"):
        coding = {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}
        identifiers.append({"type": {"coding": [coding]}, "value": text(study, "00080050")})  # type: ignore[dict-item]
    return _without_empty(
        {
            "resourceType": "ImagingStudy",
            "id": uid,
            "identifier": identifiers,
            "status": "available",
            "modality": [_modality(code) for code in _values(study, "00080061") if code],
            "subject": _subject(study),
            "started": _date_time(text(study, "00080020"), text(study, "00080030"), text(study, "00080201")),
            "referrer": {"display": _person(study, "00080090")} if _person(study, "00080090") else None,
            "endpoint": [{"reference": f"Endpoint/{ENDPOINT}"}],
            "numberOfSeries": _number(study, "00201206"),
            "numberOfInstances": _number(study, "00201208"),
            "description": text(study, "00081030"),
            "series": [_series(one, text(study, "00080201")) for one in series],
        }
    )


def endpoint(address: str) -> Resource:
    """Where the images are retrieved: the DICOMweb service."""
    system = "http://terminology.hl7.org/CodeSystem/endpoint-connection-type"
    return {
        "resourceType": "Endpoint",
        "id": ENDPOINT,
        "status": "active",
        "connectionType": [{"coding": [{"system": system, "code": ENDPOINT}]}],
        "name": "DICOMweb",
        "payload": [{"mimeType": ["application/dicom", "application/dicom+json", "image/jpeg", "application/zip"]}],
        "address": address,
    }


def capability_statement(root: str) -> Resource:
    """What this service answers (CapabilityStatement)."""
    parameters = [
        {"name": name, "type": kind, "documentation": meaning}
        for name, (kind, meaning) in SEARCH_PARAMETERS.items()
        if "." not in name
    ]
    interactions = [{"code": "read"}, {"code": "search-type"}]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-11-22",
        "kind": "instance",
        "software": {"name": "Pellucid", "version": __version__},
        "implementation": {"description": "Imaging studies of this archive", "url": root},
        "fhirVersion": "5.0.0",
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "resource": [
                    {"type": "ImagingStudy", "interaction": interactions, "searchParam": parameters},
                    {"type": "Endpoint", "interaction": interactions},
                ],
            }
        ],
    }


def bundle(entries: list[tuple[str, Resource]], links: Mapping[str, str], total: int | None = None) -> Resource:
    """The answer to a search: address and resource of each match."""
    found: Resource = {"resourceType": "Bundle", "type": "searchset"}
    if total is not None:
        found["total"] = total
    found["link"] = [{"relation": relation, "url": url} for relation, url in links.items()]
    if entries:
        found["entry"] = [
            {"fullUrl": url, "resource": resource, "search": {"mode": "match"}} for url, resource in entries
        ]
    return found


def outcome(code: str, message: str) -> Resource:
    """An error (OperationOutcome)."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": "error", "code": code, "details": {"text": message}}],
    }


def text(data: Mapping[str, Any], tag: str) -> str:
    """The first value of an attribute as text; empty where there is none."""
    values = _values(data, tag)
    return str(values[0]) if values and values[0] is not None else ""


def _series(data: Mapping[str, Any], zone: str) -> Resource:
    laterality = _LATERALITIES.get(text(data, "00200060"))
    code = {"coding": [{"system": _SNOMED, "code": laterality[0], "display": laterality[1]}]} if laterality else None
    part = text(data, "00180015")
    return _without_empty(
        {
            "uid": text(data, "0020000E"),
            "number": _number(data, "00200011"),
            "modality": _modality(text(data, "00080060") or "OT"),
            "description": text(data, "0008103E"),
            "numberOfInstances": _number(data, "00201209"),
            "endpoint": [{"reference": f"Endpoint/{ENDPOINT}"}],
            "bodySite": {"concept": {"text": part}} if part else None,
            "laterality": code,
            "started": _date_time(text(data, "00080021"), text(data, "00080031"), zone),
            "instance": [_instance(one) for one in data.get("instances", ())],
        }
    )


def _instance(data: Mapping[str, Any]) -> Resource:
    sop_class = {"system": _SOP_CLASSES, "code": f"urn:oid:{text(data, '00080016')}"}
    return _without_empty({"uid": text(data, "00080018"), "sopClass": sop_class, "number": _number(data, "00200013")})


def _subject(study: Mapping[str, Any]) -> Resource:
    identifier = {"value": text(study, "00100020")} if text(study, "00100020") else None
    display = _person(study, "00100010") or ("" if identifier else "unknown")
    return _without_empty({"type": "Patient", "identifier": identifier, "display": display})


def _modality(code: str) -> Resource:
    return {"coding": [{"system": DICOM_CODES, "code": code}]}


def _person(data: Mapping[str, Any], tag: str) -> str:
    """A person's name for people: given name first."""
    values = _values(data, tag)
    name = values[0].get("Alphabetic") or next(iter(values[0].values()), "") if values and values[0] else ""
    family, given, middle, prefix, suffix = (*name.split("^"), "", "", "", "", "")[:5]
    return " ".join(part for part in (prefix, given, middle, family, suffix) if part)


def _date_time(date: str, time: str, zone: str) -> str:
    """A FHIR dateTime: a date alone where the time or its zone is not known (a time needs a zone)."""
    if not re.fullmatch(r"\d{8}", date):
        return ""
    day = f"{date[:4]}-{date[4:6]}-{date[6:]}"
    if not re.fullmatch(r"\d{6}(\.\d+)?", time) or not re.fullmatch(r"[+-]\d{4}", zone):
        return day
    return f"{day}T{time[:2]}:{time[2:4]}:{time[4:6]}{zone[:3]}:{zone[3:]}"


def _number(data: Mapping[str, Any], tag: str) -> int | None:
    try:
        number = int(float(text(data, tag)))
    except (ValueError, OverflowError):
        return None
    return number if 0 <= number < 1 << 31 else None


def _values(data: Mapping[str, Any], tag: str) -> list[Any]:
    values = data.get(tag, {}).get("Value")
    return values if isinstance(values, list) else []


def _without_empty(resource: Resource) -> Resource:
    """FHIR has no empty values."""
    return {name: value for name, value in resource.items() if value not in (None, "", [], {})}
