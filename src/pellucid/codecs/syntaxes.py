"""The transfer syntaxes of DICOM (PS3.5 annex A, PS3.6 table A-1) and what each can hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from pellucid.errors import InvalidInputError, UnknownOptionError

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
DEFLATED_FRAMES = "1.2.840.10008.1.2.8.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"
HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
HTJ2K_LOSSLESS_RPCL = "1.2.840.10008.1.2.4.202"
HTJ2K = "1.2.840.10008.1.2.4.203"


_UID = re.compile(r"[0-9.]{1,64}")


class Kind(Enum):
    """What the pixels of a transfer syntax are."""

    NATIVE = "plain samples"
    IMAGES = "one coded image per frame"
    VIDEO = "a coded film"
    OTHER = "not coded here"


@dataclass(frozen=True)
class Syntax:
    """A transfer syntax: `short` is its name on the command line; `lossless`: it cannot lose anything.

    `method`: the value of Lossy Image Compression Method (PS3.3 C.7.6.1.1.5.1) of what is lost in it.
    """

    uid: str
    short: str
    name: str
    kind: Kind
    lossless: bool = True
    method: str = ""

    @property
    def native(self) -> bool:
        """Whether the pixels are plain samples."""
        return self.kind is Kind.NATIVE

    @property
    def big_endian(self) -> bool:
        """Whether numbers begin with their highest byte."""
        return self.uid == BIG_ENDIAN

    @property
    def explicit(self) -> bool:
        """Whether each attribute says its value representation."""
        return self.uid != IMPLICIT


_NATIVE = (
    Syntax(IMPLICIT, "implicit", "Implicit VR Little Endian", Kind.NATIVE),
    Syntax(EXPLICIT, "explicit", "Explicit VR Little Endian", Kind.NATIVE),
    Syntax(DEFLATED, "deflated", "Deflated Explicit VR Little Endian", Kind.NATIVE),
    Syntax(BIG_ENDIAN, "big-endian", "Explicit VR Big Endian", Kind.NATIVE),
)
_IMAGES = (
    Syntax(RLE, "rle", "RLE Lossless", Kind.IMAGES),
    Syntax(DEFLATED_FRAMES, "deflated-frames", "Deflated Image Frame Compression", Kind.IMAGES),
    Syntax(JPEG_BASELINE, "jpeg", "JPEG Baseline (Process 1)", Kind.IMAGES, False, "ISO_10918_1"),
    Syntax(JPEG_EXTENDED, "jpeg-extended", "JPEG Extended (Process 2 and 4)", Kind.IMAGES, False, "ISO_10918_1"),
    Syntax(JPEG_LOSSLESS, "jpeg-lossless", "JPEG Lossless (Process 14)", Kind.IMAGES),
    Syntax(JPEG_LOSSLESS_SV1, "jpeg-lossless-sv1", "JPEG Lossless (Process 14, Selection Value 1)", Kind.IMAGES),
    Syntax(JPEG_LS, "jpeg-ls", "JPEG-LS Lossless", Kind.IMAGES),
    Syntax(JPEG_LS_NEAR, "jpeg-ls-near", "JPEG-LS Near-lossless", Kind.IMAGES, False, "ISO_14495_1"),
    Syntax(JPEG_2000_LOSSLESS, "jpeg2000", "JPEG 2000 Lossless", Kind.IMAGES),
    Syntax(JPEG_2000, "jpeg2000-any", "JPEG 2000", Kind.IMAGES, False, "ISO_15444_1"),
    Syntax(HTJ2K_LOSSLESS, "htj2k-any-order", "High-Throughput JPEG 2000 Lossless", Kind.IMAGES),
    Syntax(HTJ2K_LOSSLESS_RPCL, "htj2k", "High-Throughput JPEG 2000 Lossless, RPCL", Kind.IMAGES),
    Syntax(HTJ2K, "htj2k-any", "High-Throughput JPEG 2000", Kind.IMAGES, False, "ISO_15444_15"),
)
_VIDEO_NAMES = {
    100: "MPEG2 Main Profile / Main Level",
    101: "MPEG2 Main Profile / High Level",
    102: "MPEG-4 AVC/H.264 High Profile / Level 4.1",
    103: "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1",
    104: "MPEG-4 AVC/H.264 High Profile / Level 4.2 for 2D video",
    105: "MPEG-4 AVC/H.264 High Profile / Level 4.2 for 3D video",
    106: "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2",
    107: "HEVC/H.265 Main Profile / Level 5.1",
    108: "HEVC/H.265 Main 10 Profile / Level 5.1",
}
_VIDEO = tuple(
    Syntax(f"1.2.840.10008.1.2.4.{number}{suffix}", "", f"{name}{' (fragmentable)' * bool(suffix)}", Kind.VIDEO, False)
    for number, name in _VIDEO_NAMES.items()
    for suffix in (("", ".1") if number < 107 else ("",))
)
SYNTAXES = {syntax.uid: syntax for syntax in (*_NATIVE, *_IMAGES, *_VIDEO)}
"""All transfer syntaxes known here, by UID."""


def syntax_of(uid: str) -> Syntax:
    """The transfer syntax of a UID; one that is not known keeps its pixels as they are."""
    name = f"transfer syntax {uid}" if _UID.fullmatch(uid) else "something that is no transfer syntax"
    return SYNTAXES.get(uid) or Syntax(uid, "", name, Kind.OTHER, lossless=False)


def named(text: str) -> str:
    """The UID of a transfer syntax given by its short name or its UID.

    Raises `UnknownOptionError` listing the names.
    """
    for syntax in SYNTAXES.values():
        if text in (syntax.uid, syntax.short):
            return syntax.uid
    raise UnknownOptionError("transfer syntax", text, [s.short for s in SYNTAXES.values() if s.short])


def require_known(uid: str) -> Syntax:
    """As `syntax_of`; raises `InvalidInputError` for text that is no transfer syntax known here."""
    if uid not in SYNTAXES:
        raise InvalidInputError(f"is {uid!r}; expected a transfer syntax of PS3.6 table A-1", field="TransferSyntaxUID")
    return SYNTAXES[uid]
