"""DICOM files put together byte by byte, so that they can be as wrong as those of the world."""

import struct

LONG = {"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"}
UNDEFINED = 0xFFFFFFFF
IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"


def element(tag, vr, value, syntax=EXPLICIT, length=None):
    """One element; `length` is what it claims."""
    order = ">" if syntax == BIG else "<"
    length = len(value) if length is None else length
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT:
        return head + struct.pack("<L", length) + value
    if vr in LONG:
        return head + vr.encode() + struct.pack(f"{order}HL", 0, length) + value
    return head + vr.encode() + struct.pack(f"{order}H", length) + value


def sequence(tag, items, syntax=EXPLICIT, vr="SQ", *, undefined=False):
    """A sequence of data sets; with delimiters instead of lengths where `undefined`."""
    order = ">" if syntax == BIG else "<"

    def mark(number, length):
        return struct.pack(f"{order}HHL", 0xFFFE, number, length)

    if not undefined:
        value = b"".join(mark(0xE000, len(item)) + item for item in items)
        return element(tag, vr, value, syntax)
    value = b"".join(mark(0xE000, UNDEFINED) + item + mark(0xE00D, 0) for item in items)
    return element(tag, vr, value + mark(0xE0DD, 0), syntax, length=UNDEFINED)


def p10(data_set, syntax=EXPLICIT):
    """The data set as a file."""
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    meta = element(0x00020010, "UI", value)
    return b"\0" * 128 + b"DICM" + element(0x00020000, "UL", struct.pack("<L", len(meta))) + meta + data_set


def identified(before, after, syntax=EXPLICIT, study="1.2.3", instance=1):
    """A file with identifiers, and elements before and after (0020,000D)."""
    middle = [(0x0020000D, study), (0x0020000E, f"{study}.1")]
    first = element(0x00080016, "UI", b"1.2.840.10008.5.1.4.1.1.2\0", syntax) + element(
        0x00080018, "UI", _even(f"{study}.1.{instance}"), syntax
    )
    return p10(first + before + b"".join(element(t, "UI", _even(u), syntax) for t, u in middle) + after, syntax)


def _even(text):
    return text.encode() + b"\0" * (len(text) % 2)
