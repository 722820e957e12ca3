"""Value representations that are not in the bytes: from the dictionaries, and of attributes that may have several."""

from __future__ import annotations

from pydicom.datadict import dictionary_VR, private_dictionary_VR

from pellucid.archive.values import NotCoveredError

LUT_DESCRIPTORS = frozenset({0x00281101, 0x00281102, 0x00281103, 0x00283002})
LUT_DESCRIPTOR = 0x00283002
LUT_DATA = 0x00283006
PIXEL_REPRESENTATION = 0x00280103

_US_OR_SS = frozenset(
    {0x00280104, 0x00280105, 0x00280106, 0x00280107, 0x00280108, 0x00280109, 0x00280110, 0x00280111, 0x00280120}
    | {0x00280121, 0x00409211, 0x00409216, 0x00603004, 0x00603006}
    | LUT_DESCRIPTORS
)
"""After Pixel Representation, which says what they are (PS3.3 section C.7.6.3.1)."""

_OB_OR_OW = frozenset({0x54000110, 0x54000112, 0x5400100A, 0x54001010, *range(0x60003000, 0x601F3000, 0x20000)})
"""Waveform and overlay data: OW in implicit VR (PS3.5 annex A.1)."""

UNKNOWN_SIGN = -1


class _Keys(dict[int, str]):
    """`"00100010":` by tag; those of the dictionary are kept."""

    def __missing__(self, tag: int) -> str:
        key = f'"{tag:08X}":'
        if not tag & 0x10000 and len(self) < 10_000:
            self[tag] = key
        return key


class _PublicVrs(dict[int, str]):
    """VRs of the standard's attributes; "UN" for what it does not know."""

    def __missing__(self, tag: int) -> str:
        try:
            vr = dictionary_VR(tag)
        except KeyError:
            vr = "UN" if tag & 0xFFFF else "UL"
        if len(self) < 10_000:
            self[tag] = vr
        return vr


KEYS = _Keys()
PUBLIC_VRS = _PublicVrs()


def private_vr(tag: int, creator: str) -> str:
    """The VR of a private attribute that does not say it; "UN" where it is in no dictionary."""
    if not tag & 0xFF00:
        return "LO" if tag & 0xFFFF >= 0x10 else "UN"
    if not creator or "\\" in creator:
        return "UN"
    try:
        return str(private_dictionary_VR(tag, creator))
    except KeyError:
        return "UN"


def settled(tag: int, vr: str, sign: int | None, *, implicit: bool) -> str:
    """Which of several VRs an attribute has; `sign` is the Pixel Representation that counts for it."""
    if vr == "US or SS" and tag in _US_OR_SS and sign != UNKNOWN_SIGN:
        return "SS" if sign else "US"
    if vr == "OB or OW" and tag in _OB_OR_OW and implicit:
        return "OW"
    raise NotCoveredError
