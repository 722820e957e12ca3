"""What FHIR R5 says of the elements that are used here: least, most (None: any number), and the type.

Source: https://hl7.org/fhir/R5 definitions of ImagingStudy, Endpoint, CapabilityStatement, Bundle, OperationOutcome
and of the data types. Elements that are never given are left out: one that is not in the table is an error.
"""

import re

PRIMITIVES = {
    "id": r"[A-Za-z0-9\-.]{1,64}",
    "code": r"[^\s]+( [^\s]+)*",
    "string": r"[\s\S]+",
    "markdown": r"[\s\S]+",
    "uri": r"\S+",
    "url": r"https?://\S+",
    "canonical": r"\S+",
    "dateTime": r"\d{4}(-\d{2}(-\d{2}(T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))?)?)?",
    "unsignedInt": r"\d+",
}
TYPES = {
    "ImagingStudy": {
        "resourceType": (1, 1, "code"),
        "id": (0, 1, "id"),
        "identifier": (0, None, "Identifier"),
        "status": (1, 1, {"registered", "available", "cancelled", "entered-in-error", "unknown"}),
        "modality": (0, None, "CodeableConcept"),
        "subject": (1, 1, "Reference"),
        "started": (0, 1, "dateTime"),
        "referrer": (0, 1, "Reference"),
        "endpoint": (0, None, "Reference"),
        "numberOfSeries": (0, 1, "unsignedInt"),
        "numberOfInstances": (0, 1, "unsignedInt"),
        "description": (0, 1, "string"),
        "series": (0, None, "ImagingStudy.series"),
    },
    "ImagingStudy.series": {
        "uid": (1, 1, "id"),
        "number": (0, 1, "unsignedInt"),
        "modality": (1, 1, "CodeableConcept"),
        "description": (0, 1, "string"),
        "numberOfInstances": (0, 1, "unsignedInt"),
        "endpoint": (0, None, "Reference"),
        "bodySite": (0, 1, "CodeableReference"),
        "laterality": (0, 1, "CodeableConcept"),
        "started": (0, 1, "dateTime"),
        "instance": (0, None, "ImagingStudy.instance"),
    },
    "ImagingStudy.instance": {
        "uid": (1, 1, "id"),
        "sopClass": (1, 1, "Coding"),
        "number": (0, 1, "unsignedInt"),
        "title": (0, 1, "string"),
    },
    "Identifier": {"type": (0, 1, "CodeableConcept"), "system": (0, 1, "uri"), "value": (0, 1, "string")},
    "CodeableConcept": {"coding": (0, None, "Coding"), "text": (0, 1, "string")},
    "CodeableReference": {"concept": (0, 1, "CodeableConcept"), "reference": (0, 1, "Reference")},
    "Coding": {"system": (0, 1, "uri"), "code": (0, 1, "code"), "display": (0, 1, "string")},
    "Reference": {
        "reference": (0, 1, "string"),
        "type": (0, 1, "uri"),
        "identifier": (0, 1, "Identifier"),
        "display": (0, 1, "string"),
    },
    "Endpoint": {
        "resourceType": (1, 1, "code"),
        "id": (0, 1, "id"),
        "status": (1, 1, {"active", "suspended", "error", "off", "entered-in-error", "test"}),
        "connectionType": (1, None, "CodeableConcept"),
        "name": (0, 1, "string"),
        "payload": (0, None, "Endpoint.payload"),
        "address": (1, 1, "url"),
    },
    "Endpoint.payload": {"type": (0, None, "CodeableConcept"), "mimeType": (0, None, "code")},
    "Bundle": {
        "resourceType": (1, 1, "code"),
        "type": (1, 1, {"searchset"}),
        "total": (0, 1, "unsignedInt"),
        "link": (0, None, "Bundle.link"),
        "entry": (0, None, "Bundle.entry"),
    },
    "Bundle.link": {"relation": (1, 1, "code"), "url": (1, 1, "uri")},
    "Bundle.entry": {"fullUrl": (0, 1, "uri"), "resource": (0, 1, "Resource"), "search": (0, 1, "Bundle.search")},
    "Bundle.search": {"mode": (0, 1, {"match", "include"})},
    "OperationOutcome": {"resourceType": (1, 1, "code"), "issue": (1, None, "OperationOutcome.issue")},
    "OperationOutcome.issue": {
        "severity": (1, 1, {"fatal", "error", "warning", "information", "success"}),
        "code": (1, 1, {"invalid", "not-found", "forbidden", "not-supported", "transient"}),
        "details": (0, 1, "CodeableConcept"),
    },
    "CapabilityStatement": {
        "resourceType": (1, 1, "code"),
        "status": (1, 1, {"draft", "active", "retired", "unknown"}),
        "date": (1, 1, "dateTime"),
        "kind": (1, 1, {"instance", "capability", "requirements"}),
        "software": (0, 1, "CapabilityStatement.software"),
        "implementation": (1, 1, "CapabilityStatement.implementation"),
        "fhirVersion": (1, 1, {"5.0.0"}),
        "format": (1, None, "code"),
        "rest": (0, None, "CapabilityStatement.rest"),
    },
    "CapabilityStatement.software": {"name": (1, 1, "string"), "version": (0, 1, "string")},
    "CapabilityStatement.implementation": {"description": (1, 1, "markdown"), "url": (0, 1, "url")},
    "CapabilityStatement.rest": {
        "mode": (1, 1, {"client", "server"}),
        "resource": (0, None, "CapabilityStatement.resource"),
    },
    "CapabilityStatement.resource": {
        "type": (1, 1, "code"),
        "interaction": (0, None, "CapabilityStatement.interaction"),
        "searchParam": (0, None, "CapabilityStatement.searchParam"),
    },
    "CapabilityStatement.interaction": {"code": (1, 1, {"read", "search-type"})},
    "CapabilityStatement.searchParam": {
        "name": (1, 1, "string"),
        "type": (1, 1, {"token", "reference", "date"}),
        "documentation": (0, 1, "markdown"),
    },
}


def check(kind, value):
    """Assert that a value is of a type, all elements in their numbers, nothing empty and nothing else."""
    if isinstance(kind, set):
        assert value in kind
    elif kind in PRIMITIVES:
        assert isinstance(value, int if kind == "unsignedInt" else str)
        assert not isinstance(value, bool)
        assert re.fullmatch(PRIMITIVES[kind], str(value)), (kind, value)
    else:
        elements = TYPES[value["resourceType"] if kind == "Resource" else kind]
        assert value, kind
        assert set(value) <= set(elements), set(value) - set(elements)
        for name, (least, most, part) in elements.items():
            found = value.get(name)
            assert found is not None or least == 0, (kind, name)
            assert found is None or isinstance(found, list) == (most is None), (kind, name)
            assert found != []
            for one in found if isinstance(found, list) else [] if found is None else [found]:
                check(part, one)
