"""Pixel Data Provider URL (0028,7FE0) in answers to queries: where JPIP gives an instance's pixels."""

from __future__ import annotations

from collections.abc import Iterator

from pellucid.archive.levels import tag_of
from pellucid.dicom.pixel_data_provider import provider_url
from pellucid.dimse.content import provider_syntax
from pellucid.dimse.data_set import Attributes, text
from pellucid.dimse.query_keys import Keys
from pellucid.dimse.service import Session

PROVIDER_URL = tag_of("PixelDataProviderURL")
_PLACE = tuple(map(tag_of, ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")))


def with_provider_urls(session: Session, found: Iterator[Attributes], keys: Keys) -> Iterator[Attributes]:
    """The matches, each with the address of its pixels where a query of instances asks for it and there is one."""
    if keys.level != "IMAGE" or PROVIDER_URL not in keys.returned or not session.doors.jpip:
        return found
    return (_with_url(session, attributes) for attributes in found)


def _with_url(session: Session, attributes: Attributes) -> Attributes:
    study, series, instance = (text(attributes, tag) for tag in _PLACE)
    for record in session.view.instances(study, series, instance):
        if syntax := provider_syntax(session.view, record):
            url = provider_url(session.doors.jpip, instance, syntax)
            return {**attributes, PROVIDER_URL: {"vr": "UR", "Value": [url]}}
    return attributes
