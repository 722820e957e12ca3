"""What the service answers, as OpenAPI 3.1: operations by path below its root, and the schemas they refer to."""

from __future__ import annotations

from typing import Any

from pellucid.dicomweb.problems import EVERYWHERE, MEANINGS

Description = dict[str, Any]

_JSON = "application/dicom+json"
_DICOM = "application/dicom"
_MULTIPART = "multipart/related"
_OCTETS = "application/octet-stream"
_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"
_FRAMES = _INSTANCE + "/frames/{frames}"
_LEVELS = {"study": _STUDY, "series": _SERIES, "instance": _INSTANCE}
_SEARCHES = {
    "/studies": "studies",
    "/series": "series of all studies",
    "/instances": "instances of all studies",
    _STUDY + "/series": "series of a study",
    _STUDY + "/instances": "instances of a study",
    _SERIES + "/instances": "instances of a series",
}
_PATH = {
    "study": "Study Instance UID",
    "series": "Series Instance UID",
    "instance": "SOP Instance UID",
    "frames": "Frame numbers from 1, separated by commas",
    "path": "Tag; below sequences with item numbers: 00081140/0/00091002",
}
_SEARCH_PARAMETERS = {
    "limit": ("integer", "Most matches; 5000 at once"),
    "offset": ("integer", "Matches passed over"),
    "fuzzymatching": ("string", "true: beginnings of words of names match"),
    "includefield": ("string", "Keywords or tags separated by commas, or all"),
}
_PICTURE_PARAMETERS = {
    "window": ("string", "centre,width[,function]: linear, linear-exact or sigmoid"),
    "viewport": ("string", "width,height[,left,top,width,height] in pixels"),
    "quality": ("integer", "Of a JPEG, 1 to 100"),
}
_ACCEPT = {"accept": ("string", "Media type; instead of the header")}

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
}
_OBJECT = {"$ref": "#/components/schemas/DicomObject"}
_OBJECTS = {"type": "array", "items": _OBJECT}
_PROBLEM = {"$ref": "#/components/schemas/Problem"}


def operations() -> dict[str, dict[str, Description]]:
    """Method → operation by path below the service's root. Refers to `SCHEMAS`, and to "Problem": {detail: string}."""
    found: dict[str, dict[str, Description]] = {}
    for path, what in _SEARCHES.items():
        found[path] = {"get": _search(path, what)}
    for level, path in _LEVELS.items():
        found.setdefault(path, {})["get"] = _instances(path, level)
        found[path + "/metadata"] = {"get": _metadata(path + "/metadata", level)}
        found[path + "/thumbnail"] = {"get": _picture(path + "/thumbnail", f"A small picture of the {level}")}
    found["/studies"]["post"] = _store("/studies", "Store instances")
    found[_STUDY]["post"] = _store(_STUDY, "Store instances of one study")
    found[_INSTANCE + "/rendered"] = {"get": _picture(_INSTANCE + "/rendered", "The middle frame as a picture")}
    found[_FRAMES + "/rendered"] = {"get": _picture(_FRAMES + "/rendered", "A frame as a picture")}
    found[_FRAMES + "/thumbnail"] = {"get": _picture(_FRAMES + "/thumbnail", "A small picture of a frame")}
    found[_FRAMES] = {"get": _frames()}
    found[_INSTANCE + "/bulkdata/{path}"] = {"get": _bulk_data()}
    return found


def _search(path: str, what: str) -> Description:
    matches = {
        "200": _answer("The matches; a Warning header names what was ignored", {_JSON: _OBJECTS}),
        "204": {"description": "There are no matches"},
    }
    text = f"Search for {what} (QIDO-RS). Any other query parameter is a keyword or tag that must match."
    return _operation(path, text, matches, (400,), _SEARCH_PARAMETERS)


def _instances(path: str, level: str) -> Description:
    whole = {"200": _answer("DICOM files; one alone also as it is", {_MULTIPART: _binary(), _DICOM: _binary()})}
    return _operation(path, f"The instances of the {level} (WADO-RS)", whole, (400, 404, 406), _ACCEPT)


def _metadata(path: str, level: str) -> Description:
    attributes = {"200": _answer("One object for each instance; long values by reference", {_JSON: _OBJECTS})}
    return _operation(path, f"All attributes of the {level}'s instances", attributes, (400, 404, 406), _ACCEPT)


def _picture(path: str, text: str) -> Description:
    pictures = {media: _binary() for media in ("image/jpeg", "image/png", "image/gif")}
    parameters = {**_PICTURE_PARAMETERS, **_ACCEPT}
    return _operation(path, text, {"200": _answer("The picture", pictures)}, (400, 404, 406), parameters)


def _frames() -> Description:
    media = {_MULTIPART: _binary(), _OCTETS: _binary(), "image/*": _binary(), "video/*": _binary()}
    pixels = {"200": _answer("Samples, HTJ2K or, with transfer-syntax=*, as stored", media)}
    return _operation(_FRAMES, "Frames of an instance", pixels, (400, 404, 406), _ACCEPT)


def _bulk_data() -> Description:
    path = _INSTANCE + "/bulkdata/{path}"
    values = {"200": _answer("The value's bytes", {_MULTIPART: _binary(), _OCTETS: _binary()})}
    return _operation(path, "The value that the metadata refer to", values, (400, 404, 406), _ACCEPT)


def _store(path: str, text: str) -> Description:
    outcome = {
        "200": _answer("All are stored", {_JSON: _OBJECT}),
        "202": _answer("Some are refused, with the reasons of PS3.18 table I.2-2", {_JSON: _OBJECT}),
        "409": _answer("All are refused, with the reasons", {_JSON: _OBJECT}),
    }
    body = {
        "required": True,
        "content": {f'{_MULTIPART}; type="{_DICOM}"': {"schema": _binary()}, _DICOM: {"schema": _binary()}},
    }
    return {**_operation(path, f"{text} (STOW-RS)", outcome, (400, 413, 415, 507), {}), "requestBody": body}


def _operation(
    path: str, text: str, answers: Description, problems: tuple[int, ...], query: dict[str, tuple[str, str]]
) -> Description:
    in_path = [
        {"name": name, "in": "path", "required": True, "description": what, "schema": {"type": "string"}}
        for name, what in _PATH.items()
        if f"{{{name}}}" in path
    ]
    in_query = [
        {"name": name, "in": "query", "required": False, "description": what, "schema": {"type": kind}}
        for name, (kind, what) in query.items()
    ]
    errors = {
        str(status): _answer(MEANINGS[status], {"application/json": _PROBLEM})
        for status in sorted((*problems, *EVERYWHERE))
    }
    return {"description": text, "parameters": in_path + in_query, "responses": {**answers, **errors}}


def _answer(description: str, schemas: Description) -> Description:
    return {"description": description, "content": {media: {"schema": schema} for media, schema in schemas.items()}}


def _binary() -> Description:
    return {"type": "string", "format": "binary"}
