"""The File Meta Information (PS3.10 section 7.1) that goes before a received data set, and away before sending one."""

from __future__ import annotations

import struct

from pellucid import __version__
from pellucid.dicom import write
from pellucid.dimse.problems import NetworkError

IMPLEMENTATION_CLASS_UID = str(write.IMPLEMENTATION_CLASS_UID)
IMPLEMENTATION_VERSION_NAME = f"PELLUCID_{__version__}"[:16]


def file_head(*, sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str, source_title: str) -> bytes:
    """Preamble and File Meta Information of a data set received from `source_title`."""
    elements = (
        _element(0x0001, b"OB", b"\0\1"),
        _element(0x0002, b"UI", _padded(sop_class_uid, b"\0")),
        _element(0x0003, b"UI", _padded(sop_instance_uid, b"\0")),
        _element(0x0010, b"UI", _padded(transfer_syntax, b"\0")),
        _element(0x0012, b"UI", _padded(IMPLEMENTATION_CLASS_UID, b"\0")),
        _element(0x0013, b"SH", _padded(IMPLEMENTATION_VERSION_NAME, b" ")),
        _element(0x0016, b"AE", _padded(source_title, b" ")),
    )
    body = b"".join(elements)
    return bytes(128) + b"DICM" + _element(0x0000, b"UL", struct.pack("<I", len(body))) + body


def data_set_start(head: bytes) -> int:
    """Where the data set begins in a DICOM file that begins with `head`."""
    if head[128:138] != b"DICM\x02\x00\x00\x00UL" or len(head) < 144:
        raise NetworkError("a stored object is not a DICOM file with File Meta Information")
    return 144 + int.from_bytes(head[140:144], "little")


def _element(number: int, vr: bytes, value: bytes) -> bytes:
    if vr == b"OB":
        return struct.pack("<HH2sHI", 2, number, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


def _padded(text: str, pad: bytes) -> bytes:
    data = text.encode("ascii", "replace")
    return data + pad * (len(data) % 2)
