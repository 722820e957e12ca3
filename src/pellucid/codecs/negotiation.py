"""Which transfer syntax a client is given: as stored where it accepts that, else one without loss."""

from __future__ import annotations

from collections.abc import Iterable

from pellucid.codecs import syntaxes as uids
from pellucid.codecs.pixel_form import PixelForm
from pellucid.codecs.syntaxes import Kind, syntax_of
from pellucid.codecs.table import CODECS, decoded_form, refusal

_NATIVE = (uids.EXPLICIT, uids.IMPLICIT, uids.DEFLATED, uids.BIG_ENDIAN)
_CODED = (
    uids.HTJ2K_LOSSLESS_RPCL,
    uids.HTJ2K_LOSSLESS,
    uids.HTJ2K,
    uids.JPEG_LS,
    uids.JPEG_LS_NEAR,
    uids.JPEG_LOSSLESS_SV1,
    uids.JPEG_LOSSLESS,
    uids.RLE,
    uids.JPEG_2000_LOSSLESS,
    uids.JPEG_2000,
    uids.DEFLATED_FRAMES,
)
"""The quickest first; those that may be lossy are used without loss."""


def choose_syntax(stored: str, accepted: Iterable[str], form: PixelForm | None = None) -> str | None:
    """The best of the accepted transfer syntaxes for an instance stored in one; None where none fits.

    As stored where that is accepted. Else without loss: plain samples stay plain (explicit little endian first), coded
    ones stay coded (HTJ2K first), and only then the other way round. `form`: of the pixels, where they are known, so
    that what a syntax cannot hold is passed over.
    """
    wanted = set(accepted)
    if stored in wanted:
        return stored
    syntax = syntax_of(stored)
    if syntax.kind in (Kind.VIDEO, Kind.OTHER):
        return None
    order = (*_NATIVE, *_CODED) if syntax.native else (*_CODED, *_NATIVE)
    lost_already = stored in (uids.JPEG_BASELINE, uids.JPEG_EXTENDED)
    if lost_already:  # coded again without loss it would be larger than plain
        order = (*_NATIVE, *_CODED)
    return next((uid for uid in order if uid in wanted and _holds(uid, stored, form)), None)


def _holds(uid: str, stored: str, form: PixelForm | None) -> bool:
    if uid not in CODECS or form is None:
        return True
    return refusal(uid, decoded_form(stored, form)) is None
