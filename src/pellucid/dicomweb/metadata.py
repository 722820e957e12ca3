"""WADO-RS: all attributes, bulk data by reference, as DICOM JSON or as XML (PS3.18 section 10.4.1.1.2)."""

from __future__ import annotations

import hashlib
import json

from starlette.requests import Request
from starlette.responses import Response

from pellucid.access import Permission
from pellucid.dicomweb.accept import not_acceptable
from pellucid.dicomweb.answering import base_of, ranges_of
from pellucid.dicomweb.context import Context, not_found, place_of
from pellucid.dicomweb.dicom_xml import to_xml
from pellucid.dicomweb.multipart import Part
from pellucid.dicomweb.related import related
from pellucid.dicomweb.representation import not_modified
from pellucid.dicomweb.resource import DICOM_JSON, DICOM_XML, INSTANCE, MULTIPART, SERIES, STUDY, Answer, Resource


def metadata(context: Context, request: Request) -> Response:
    """The attributes of each instance, as they are in the index: no file is read."""
    texts = context.view(request).attributes(*place_of(request))
    if not texts:
        raise not_found(request)
    context.audit(request, "DICOM Instances Accessed", "R", [request.path_params["study"]], instances=len(texts))
    base = base_of(request)
    for wanted in ranges_of(request):
        if wanted.allows(DICOM_JSON) or wanted.allows("application/json"):
            text = f"[{','.join(texts)}]".replace('"BulkDataURI":"/', f'"BulkDataURI":"{base}/').encode()
            tag = f'"{hashlib.blake2b(text, digest_size=16).hexdigest()}"'
            return not_modified(request, tag) or Response(text, headers={"ETag": tag}, media_type=DICOM_JSON)
        if wanted.multipart and wanted.allows(DICOM_XML):
            documents = (text.replace('"BulkDataURI":"/', f'"BulkDataURI":"{base}/') for text in texts)
            return related(DICOM_XML, (Part(DICOM_XML, to_xml(json.loads(text))) for text in documents))
    raise not_acceptable(f'{DICOM_JSON} or {MULTIPART}; type="{DICOM_XML}"')


def _resource(path: str, level: str) -> Resource:
    return Resource(
        method="GET",
        path=path + "/metadata",
        text=f"All attributes of the {level}'s instances (WADO-RS)" if level != "instance" else "All attributes",
        section="10.4",
        handler=metadata,
        permission=Permission.READ,
        answers={
            200: Answer(
                "One object for each instance; long values by reference", (DICOM_JSON, MULTIPART), "DicomObjects"
            ),
            304: Answer("They have not changed"),
        },
        query={"accept": ("string", "Media type; instead of the header")},
        problems=(400, 404, 406),
    )


RESOURCES = tuple(
    _resource(path, level) for path, level in ((STUDY, "study"), (SERIES, "series"), (INSTANCE, "instance"))
)
