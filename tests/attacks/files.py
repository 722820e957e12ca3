"""Files and measurements that attacks share."""

import struct
from pathlib import Path

from tests.fuzz.watching import resident_mb

DICOM = {"content-type": "application/dicom"}
ESCAPES = ["../../../../tmp/escaped", "..\\..\\escaped", "/tmp/escaped", "a\0b", "....//escaped", "%2e%2e%2fescaped"]
EXPLICIT = b"1.2.840.10008.1.2.1\0"
LONG_HEADS = (b"OB", b"UN", b"OW", b"SQ", b"UT")


def grown(work):
    """What an attack answers, and the memory it took at most beyond what was in use [MB]."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from now on
    before = resident_mb()
    return work(), resident_mb(what="VmHWM") - before


def meta(*elements, declared=None):
    """A file of a file meta group and nothing else; `declared`: its length, where that lies."""
    body = b"".join(elements)
    length = struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(body) if declared is None else declared)
    return bytes(128) + b"DICM" + length + body


def element(group, number, vr, value, length=None):
    """An element in Explicit VR Little Endian; `length` is what it claims."""
    size = len(value) if length is None else length
    if vr in LONG_HEADS:
        return struct.pack("<HH2sHI", group, number, vr, 0, size) + value
    return struct.pack("<HH2sH", group, number, vr, size & 0xFFFF) + value
