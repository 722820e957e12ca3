"""Pixel Data Provider URL (0028,7FE0) in answers to queries: where JPIP gives an instance's pixels."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain, islice

from pellucid.archive.levels import tag_of
from pellucid.dicom.pixel_data_provider import provider_url
from pellucid.dimse.content import provider_syntax
from pellucid.dimse.data_set import Attributes, text
from pellucid.dimse.query_keys import Keys
from pellucid.dimse.service import Session

PROVIDER_URL = tag_of("PixelDataProviderURL")
_INSTANCE = tag_of("SOPInstanceUID")
_AT_ONCE = 100


def with_provider_urls(session: Session, found: Iterator[Attributes], keys: Keys) -> Iterator[Attributes]:
    """The matches, each with the address of its pixels where a query of instances asks for it and there is one."""
    if keys.level != "IMAGE" or PROVIDER_URL not in keys.returned or not session.doors.jpip:
        return found
    pages = iter(lambda: list(islice(found, _AT_ONCE)), [])
    return chain.from_iterable(_with_urls(session, page) for page in pages)


def _with_urls(session: Session, matches: Collection[Attributes]) -> Iterator[Attributes]:
    records = session.view.records([text(attributes, _INSTANCE) for attributes in matches])
    for attributes in matches:
        record = records.get(text(attributes, _INSTANCE))
        if record is not None and (syntax := provider_syntax(session.view, record)):
            url = provider_url(session.doors.jpip, record.sop_instance_uid, syntax)
            yield {**attributes, PROVIDER_URL: {"vr": "UR", "Value": [url]}}
        else:
            yield attributes
