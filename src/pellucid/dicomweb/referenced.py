"""WADO-RS: instances whose pixels the JPIP service provides (PS3.5 sections A.6, A.7 and for HTJ2K A.12)."""

from __future__ import annotations

from urllib.parse import urljoin

import pydicom

from pellucid.archive import InstanceRecord, View
from pellucid.archive.dicom_json import UNREADABLE
from pellucid.archive.metadata import quiet_pydicom
from pellucid.codecs.syntaxes import HTJ2K_LOSSLESS_RPCL, JPEG_2000_LOSSLESS
from pellucid.dicom.pixel_data_provider import REFERENCED, provider_url, referenced_file
from pellucid.errors import InvalidInputError

JPIP = "/jpip"
_PIXEL_DATA = "7FE00010"


def referenced(view: View, record: InstanceRecord, syntax: str, base: str) -> bytes:
    """The instance without its pixels, as a file; `base`: this service's address, beside which the JPIP service is."""
    url = provider_url(urljoin(base, JPIP), record.sop_instance_uid, syntax)
    try:
        with quiet_pydicom(), view.objects.open(record.object_sha256) as file:
            dataset = pydicom.dcmread(file, stop_before_pixels=True)
            return referenced_file(dataset, url, syntax)
    except UNREADABLE as error:
        raise InvalidInputError("cannot be read", field="the stored object") from error


def can_be_referenced(view: View, record: InstanceRecord, syntax: str) -> bool:
    """Whether the JPIP service can provide the instance's pixels."""
    wanted = HTJ2K_LOSSLESS_RPCL if REFERENCED[syntax].htj2k else JPEG_2000_LOSSLESS
    return record.pixel_tag == _PIXEL_DATA and view.frames.refusal(record, wanted) is None
