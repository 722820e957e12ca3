"""What a codestream says of itself, read from its header before a decoder takes memory for it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pellucid.errors import InvalidInputError

J2K = 0x51
"""The marker that stands for the process of J2K."""

_SOC = b"\xff\x4f\xff\x51"
_JP2 = b"\x00\x00\x00\x0cjP  "
_FRAME_HEADERS = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


@dataclass(frozen=True)
class Header:
    """Size and precision; `process` is the marker of the frame header (ISO 10918-1 table B.1), of J2K `J2K`.

    `transformed`: whether the colours are YCbCr (True) or RGB (False), None where nothing says so; `reversible`:
    whether the wavelet of J2K, and with it its colour transform, is that without loss.
    """

    rows: int
    columns: int
    samples: int
    bits: int
    signed: bool = False
    process: int = J2K
    transformed: bool | None = None
    reversible: bool = True


def jpeg_header(data: bytes) -> Header:
    """Of JPEG and JPEG-LS (ISO 10918-1 annex B, ISO 14495-1 annex C)."""
    if data[:2] != b"\xff\xd8":
        raise InvalidInputError("a frame does not begin with a JPEG marker", field="PixelData")
    position, transformed = 2, None
    while position + 4 <= len(data):
        if data[position] != 0xFF:
            break
        marker = data[position + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:
            position += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : position + 2 + length]
        if marker in _FRAME_HEADERS:
            if len(body) < 6:
                break
            bits, rows, columns, samples = struct.unpack(">BHHB", body[:6])
            return Header(rows, columns, samples, bits, process=marker, transformed=transformed)
        if marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            transformed = body[11] != 0
        elif marker == 0xE0 and body[:4] == b"JFIF" and transformed is None:
            transformed = True
        position += 2 + max(2, length)
    raise InvalidInputError("a frame has no JPEG frame header. Truncated?", field="PixelData")


def j2k_header(data: bytes) -> Header:
    """Of JPEG 2000 and HTJ2K, as a codestream or in a JP2 file (ISO 15444-1 annex A.5.1)."""
    start = data.find(_SOC, 0, 4096) if data[:8] == _JP2 else (0 if data[:4] == _SOC else -1)
    body = data[start + 4 : start + 4096] if start >= 0 else b""
    if len(body) < 39:
        raise InvalidInputError("a frame does not begin with a JPEG 2000 header", field="PixelData")
    width, height, left, top, tile_width, tile_height = struct.unpack(">6I", body[4:28])
    samples = int.from_bytes(body[36:38], "big")
    if width <= left or height <= top or not samples or len(body) < 38 + 3 * samples:
        raise InvalidInputError("a frame has an impossible JPEG 2000 size", field="PixelData")
    if not tile_width or not tile_height or -(-width // tile_width) * -(-height // tile_height) > 65535:
        raise InvalidInputError("a frame has impossible JPEG 2000 tiles", field="PixelData")
    if any(body[39 + 3 * n : 41 + 3 * n] != b"\1\1" for n in range(samples)):
        raise InvalidInputError("a frame has subsampled JPEG 2000 components", field="PixelData")
    transformed, reversible = _coding_style(data, start + 4 + int.from_bytes(body[:2], "big"))
    size = height - top, width - left, samples, (body[38] & 0x7F) + 1
    return Header(*size, signed=body[38] >= 0x80, transformed=transformed, reversible=reversible)


def _coding_style(data: bytes, position: int) -> tuple[bool | None, bool]:
    """Whether colours are transformed, and nothing is lost, as the COD marker says (table A.12, A.15)."""
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != 0x90:
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        body = data[position + 4 : position + 2 + length]
        if data[position + 1] == 0x52 and len(body) >= 10:
            return body[4] == 1, body[9] == 1
        position += 2 + max(2, length)
    return None, True


def with_j2k_depth(data: bytes, bits: int, *, signed: bool) -> bytes:
    """The codestream with another precision in its SIZ marker (ISO 15444-1 table A.11)."""
    changed = bytearray(data)
    samples = int.from_bytes(changed[40:42], "big")
    for component in range(samples):
        changed[42 + 3 * component] = (0x80 if signed else 0) | (bits - 1)
    return bytes(changed)
