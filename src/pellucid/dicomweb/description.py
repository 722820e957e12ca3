"""What the service answers, as OpenAPI 3.1: made from the table of its resources."""

from __future__ import annotations

import re
from typing import Any

from pellucid.dicomweb.problems import EVERYWHERE, MEANINGS, PROBLEM_JSON
from pellucid.dicomweb.resource import Answer, Resource
from pellucid.dicomweb.table import RESOURCES

Description = dict[str, Any]

_PATH = {
    "study": "Study Instance UID",
    "series": "Series Instance UID",
    "instance": "SOP Instance UID",
    "frames": "Frame numbers from 1, separated by commas",
    "path": "Tag; below sequences with item numbers: 00081140/0/00091002",
    "workitem": "SOP Instance UID of a work item",
    "subscriber": "Application entity title of a subscriber",
}

SCHEMAS: Description = {
    "DicomObject": {
        "type": "object",
        "description": "A data set in the DICOM JSON model (PS3.18 annex F): elements by tag",
        "patternProperties": {"^[0-9A-F]{8}$": {"$ref": "#/components/schemas/DicomElement"}},
        "additionalProperties": False,
    },
    "DicomElement": {
        "type": "object",
        "description": "An element: its value representation and its values, or where they are",
        "properties": {
            "vr": {"type": "string", "pattern": "^[A-Z]{2}$"},
            "Value": {"type": "array"},
            "BulkDataURI": {"type": "string"},
            "InlineBinary": {"type": "string", "contentEncoding": "base64"},
        },
        "required": ["vr"],
        "additionalProperties": False,
    },
    "ProblemDetails": {
        "type": "object",
        "description": "Every error (RFC 9457)",
        "properties": {"title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}},
        "required": ["title", "status", "detail"],
        "additionalProperties": False,
    },
}
_PROBLEM = {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}
"""An error of the server in front of this service."""

_OBJECT = {"$ref": "#/components/schemas/DicomObject"}
_SHAPES: Description = {"DicomObject": _OBJECT, "DicomObjects": {"type": "array", "items": _OBJECT}}
_BYTES = {"type": "string", "format": "binary"}


def operations() -> dict[str, dict[str, Description]]:
    """Method → operation by path below the service's root; they refer to `SCHEMAS`."""
    found: dict[str, dict[str, Description]] = {}
    for resource in RESOURCES:
        found.setdefault(resource.path.replace(":path}", "}"), {})[resource.method.lower()] = _operation(resource)
    return found


def openapi(root: str) -> Description:
    """The whole document for a service at the address `root`."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "DICOMweb", "version": "2024e", "description": "DICOM PS3.18 web services"},
        "servers": [{"url": root}],
        "paths": operations(),
        "components": {"schemas": {**SCHEMAS, "Problem": _PROBLEM}},
    }


def _operation(resource: Resource) -> Description:
    operation: Description = {
        "description": resource.text,
        "tags": [f"PS3.18 {resource.section}" if resource.section[:1].isdigit() else resource.section],
        "parameters": [*_in_path(resource.path), *_in_query(resource)],
        "responses": {
            **{str(status): _answer(answer) for status, answer in resource.answers.items()},
            **{str(status): _problem(status) for status in sorted({*resource.problems, *EVERYWHERE})},
        },
    }
    if resource.body:
        content = {media: {"schema": _schema(media, "")} for media in resource.body}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _in_path(path: str) -> list[Description]:
    return [
        {"name": name, "in": "path", "required": True, "description": _PATH[name], "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)", path)
    ]


def _in_query(resource: Resource) -> list[Description]:
    return [
        {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": kind}}
        for name, (kind, text) in resource.query.items()
    ]


def _answer(answer: Answer) -> Description:
    described: Description = {"description": answer.text}
    if answer.media:
        described["content"] = {media: {"schema": _schema(media, answer.schema)} for media in answer.media}
    return described


def _problem(status: int) -> Description:
    content = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    if status in (*EVERYWHERE, 413):  # refused or failed before it came to this service
        content["application/json"] = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {"description": MEANINGS[status], "content": content}


def _schema(media: str, shape: str) -> Description:
    schema: Description = _SHAPES.get(shape, {"type": ["object", "array"]}) if media.endswith("json") else _BYTES
    return schema
