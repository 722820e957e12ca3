"""Which codec a transfer syntax has; its libraries are loaded when it is first used."""

from __future__ import annotations

from dataclasses import replace

from pellucid.codecs import syntaxes as uids
from pellucid.codecs.frame_codec import FrameCodec, Lossy
from pellucid.codecs.jpeg import Jpeg, JpegLs, LosslessJpeg
from pellucid.codecs.jpeg2000 import Htj2k, Jpeg2000
from pellucid.codecs.pixel_form import PixelForm
from pellucid.codecs.run_length import DeflatedFrames, RunLength
from pellucid.codecs.syntaxes import Kind, syntax_of
from pellucid.errors import UnsupportedError

CODECS: dict[str, FrameCodec] = {
    uids.RLE: RunLength(),
    uids.DEFLATED_FRAMES: DeflatedFrames(),
    uids.JPEG_BASELINE: Jpeg(8),
    uids.JPEG_EXTENDED: Jpeg(12),
    uids.JPEG_LOSSLESS: LosslessJpeg(),
    uids.JPEG_LOSSLESS_SV1: LosslessJpeg(),
    uids.JPEG_LS: JpegLs(near=False),
    uids.JPEG_LS_NEAR: JpegLs(near=True),
    uids.JPEG_2000_LOSSLESS: Jpeg2000(reversible=True),
    uids.JPEG_2000: Jpeg2000(reversible=False),
    uids.HTJ2K_LOSSLESS: Htj2k(reversible=True),
    uids.HTJ2K_LOSSLESS_RPCL: Htj2k(reversible=True),
    uids.HTJ2K: Htj2k(reversible=False),
}
"""Codec of one frame by the UID of its transfer syntax."""


def codec_of(uid: str) -> FrameCodec:
    """The codec of a transfer syntax; raises `UnsupportedError` with the reason where there is none."""
    codec = CODECS.get(uid)
    if codec is not None:
        return codec
    syntax = syntax_of(uid)
    reason = "a film is kept and given as it is, never decoded" if syntax.kind is Kind.VIDEO else "no codec is known"
    raise UnsupportedError(f"is {syntax.name}: {reason}", field="TransferSyntaxUID")


def decoded_form(uid: str, form: PixelForm) -> PixelForm:
    """What the frames of an instance are once they are decoded (or, native, made one array each)."""
    if syntax_of(uid).native:
        return replace(form, photometric="YBR_FULL", planar=0) if form.subsampled else replace(form, planar=0)
    codec = codec_of(uid)
    high_bit = form.high_bit if codec.keeps_unused_bits else form.stored - 1
    return replace(form, photometric=codec.decoded_photometric(form), planar=0, high_bit=high_bit)


def refusal(uid: str, form: PixelForm, lossy: Lossy | None = None) -> str | None:
    """Why frames of this (decoded) form cannot become this transfer syntax; None where they can."""
    syntax = syntax_of(uid)
    if syntax.native:
        return None
    if uid not in CODECS:
        return "a film is kept and given as it is" if syntax.kind is Kind.VIDEO else "no codec is known"
    return CODECS[uid].refusal(form, lossy)
