"""A codestream as a JP2 or JPH file (ISO/IEC 15444-1 Annex I, 15444-15 Annex D), and out of one."""

from __future__ import annotations

import struct

from pellucid.jpip.codestream import Data
from pellucid.jpip.markers import CAP, Segment, Size, bad

_SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
_SRGB, _GREY = 16, 17


def is_high_throughput(segments: list[Segment]) -> bool:
    """Whether a codestream's main header declares HTJ2K: bit 15 of the capabilities (Part 15)."""
    return any(s.marker == CAP and len(s.body) >= 4 and s.body[1] & 2 for s in segments)


def file_start(size: Size, length: int, *, high_throughput: bool) -> bytes:
    """What comes before a codestream of `length` bytes, the last box of the file."""
    brand = b"jph " if high_throughput else b"jp2 "
    depths = {(c.precision - 1) | c.signed << 7 for c in size.components}
    depth = depths.pop() if len(depths) == 1 else 255
    width, height = size.x1 - size.x0, size.y1 - size.y0
    header = _box(b"ihdr", struct.pack(">IIHBBBB", height, width, len(size.components), depth, 7, 0, 0))
    if depth == 255:
        header += _box(b"bpcc", bytes((c.precision - 1) | c.signed << 7 for c in size.components))
    colour = _SRGB if len(size.components) >= 3 else _GREY
    header += _box(b"colr", struct.pack(">BBBI", 1, 0, 0, colour))
    start = _SIGNATURE + _box(b"ftyp", brand + bytes(4) + brand) + _box(b"jp2h", header)
    if length + 8 < 1 << 32:
        return start + struct.pack(">I4s", length + 8, b"jp2c")
    return start + struct.pack(">I4sQ", 1, b"jp2c", length + 16)


def codestream_of(data: Data) -> Data:
    """The codestream in a JP2 file; other data as they are, without padding after the end of the codestream."""
    if bytes(data[4:8]) == b"jP  ":
        data = _codestream_box(data)
    end = len(data)
    while end > 2 and data[end - 1] == 0 and bytes(data[end - 2 : end]) != b"\xff\xd9":
        end -= 1
    return data[:end]


def _codestream_box(data: Data) -> Data:
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if length == 1 and at + 16 <= len(data):
            length, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = at + length if length else len(data)
        if kind == b"jp2c":
            return data[at + head : end]
        if end < at + head:
            break
        at = end
    raise bad("the JP2 file holds none")


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, kind) + body
