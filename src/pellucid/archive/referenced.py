"""Stored instances whose pixels the JPIP service provides (PS3.5 sections A.6, A.7 and for HTJ2K A.12)."""

from __future__ import annotations

import pydicom

from pellucid.archive.dicom_json import UNREADABLE
from pellucid.archive.metadata import quiet_pydicom
from pellucid.archive.records import InstanceRecord
from pellucid.archive.view import View
from pellucid.codecs.syntaxes import HTJ2K, HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, JPEG_2000_LOSSLESS
from pellucid.dicom.pixel_data_provider import REFERENCED, provider_url, referenced_file
from pellucid.errors import InvalidInputError

JPIP = "/jpip"
"""Where the JPIP service is, on the server."""

_PIXEL_DATA = "7FE00010"
_HTJ2K = frozenset({HTJ2K, HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL})


def referenced(view: View, record: InstanceRecord, syntax: str, service: str) -> bytes:
    """The instance without its pixels, as a file; `service`: the JPIP service's address, such as https://host/jpip."""
    url = provider_url(service, record.sop_instance_uid, syntax)
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


def referring_syntaxes(record: InstanceRecord) -> list[str]:
    """The JPIP Referenced transfer syntaxes, first those whose codestreams are more like what is stored."""
    return sorted(REFERENCED, key=lambda uid: REFERENCED[uid].htj2k != (record.transfer_syntax_uid in _HTJ2K))
