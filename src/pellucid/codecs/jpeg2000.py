"""JPEG 2000 (ISO 15444-1) by OpenJPEG and High-Throughput JPEG 2000 (ISO 15444-15) by OpenJPH."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.codecs.codestreams import j2k_header, with_j2k_depth
from pellucid.codecs.frame_codec import (
    DECODER_ERRORS,
    Cells,
    FrameCodec,
    Lossy,
    as_cells,
    broken,
    contiguous,
    integers,
    require_header,
)
from pellucid.codecs.pixel_form import PixelForm
from pellucid.errors import InvalidInputError

_MOST_BITS = 24
_SOT = b"\xff\x90"
_STEPS = 12


class _J2k(FrameCodec):
    """What both have in common: signed numbers, and a colour transform that the codestream names."""

    def __init__(self, *, reversible: bool) -> None:
        self._reversible_only = reversible

    def photometric(self, form: PixelForm, lossy: Lossy | None) -> str:
        """See `FrameCodec`."""
        if form.photometric != "RGB":
            return form.photometric
        return "YBR_ICT" if lossy else "YBR_RCT"

    def decoded_photometric(self, form: PixelForm) -> str:
        """See `FrameCodec`."""
        return "RGB" if form.photometric in ("YBR_RCT", "YBR_ICT") else form.photometric

    def refusal(self, form: PixelForm, lossy: Lossy | None) -> str | None:
        """See `FrameCodec`."""
        if lossy is not None and self._reversible_only:
            return "it cannot lose anything"
        if lossy is not None and form.photometric == "PALETTE COLOR":
            return "the numbers of a palette mean nothing when they are not exact"
        return integers(form, most=32)


class Jpeg2000(_J2k):
    """JPEG 2000: imagecodecs' OpenJPEG writes and reads, that of pylibjpeg-openjpeg verifies."""

    def decode(self, coded: bytes, form: PixelForm) -> Cells:
        """See `FrameCodec`."""
        import imagecodecs

        return _decoded(lambda data: imagecodecs.jpeg2k_decode(data, numthreads=1), coded, form)

    def decode_again(self, coded: bytes, form: PixelForm) -> Cells:
        """See `FrameCodec`."""
        from openjpeg.utils import decode

        return _decoded(decode, coded, form)

    def encode(self, frame: Cells, form: PixelForm, lossy: Lossy | None) -> bytes:
        """See `FrameCodec`."""
        import imagecodecs
        from openjpeg.utils import encode

        values, colour = _narrow(frame, form), form.photometric == "RGB"
        if lossy is not None:
            photometric = 1 if colour else 2 if form.samples == 1 else 3
            return bytes(
                encode(
                    values,
                    bits_stored=form.stored,
                    photometric_interpretation=photometric,
                    use_mct=colour,
                    compression_ratios=[lossy.ratio],
                )
            )
        return bytes(
            imagecodecs.jpeg2k_encode(
                values, 0, codecformat="j2k", reversible=True, bitspersample=form.stored, mct=colour, numthreads=1
            )
        )

    def refusal(self, form: PixelForm, lossy: Lossy | None) -> str | None:
        """See `FrameCodec`."""
        if form.stored > _MOST_BITS:
            return f"OpenJPEG computes exactly with up to {_MOST_BITS} bits, not {form.stored}"
        return super().refusal(form, lossy)


class Htj2k(_J2k):
    """HTJ2K: OpenJPH writes and reads, OpenJPEG verifies. Order RPCL with a TLM marker fits all three syntaxes."""

    def decode(self, coded: bytes, form: PixelForm) -> Cells:
        """See `FrameCodec`."""
        import imagecodecs

        return _decoded(lambda data: imagecodecs.htj2k_decode(data, planar=False), coded, form)

    def decode_again(self, coded: bytes, form: PixelForm) -> Cells:
        """See `FrameCodec`."""
        from openjpeg.utils import decode

        if form.stored > 16:  # OpenJPEG's HT decoder has too few bit planes for what OpenJPH writes then
            return self.decode(coded, form)
        return _decoded(decode, coded, form)

    def encode(self, frame: Cells, form: PixelForm, lossy: Lossy | None) -> bytes:
        """See `FrameCodec`."""
        if lossy is None:
            return self._coded(frame, form, None)
        target = form.cell_bytes * form.stored / form.allocated / lossy.ratio
        low, high = -24.0, 0.0  # log2 of the quantisation step
        for _ in range(_STEPS):
            middle = (low + high) / 2
            if len(self._coded(frame, form, 2.0**middle)) > target:
                low = middle
            else:
                high = middle
        return self._coded(frame, form, 2.0**high)

    def _coded(self, frame: Cells, form: PixelForm, step: float | None) -> bytes:
        """OpenJPH takes the precision from the array: other ones are coded signed, and the header says what they are.

        Unsigned numbers lose half their range first, as the standard's level shift (ISO 15444-1 G.1) asks.
        """
        import imagecodecs

        values = _narrow(frame, form)
        whole = form.stored == 8 * values.dtype.itemsize
        if not whole and not form.signed:
            values = (values.astype(np.int64) - (1 << (form.stored - 1))).astype(f"i{values.dtype.itemsize}")
        options: dict[str, Any] = {"reversible": True} if step is None else {"reversible": False, "level": step}
        coded = bytes(
            imagecodecs.htj2k_encode(values, tlm=True, rgb=form.photometric == "RGB", planar=False, **options)
        )
        return coded if whole else with_j2k_depth(coded, form.stored, signed=form.signed)


def _decoded(decode: Any, coded: bytes, form: PixelForm) -> Cells:
    header = j2k_header(coded)
    require_header(header, form)
    if coded[:2] == b"\xff\x4f":
        _require_whole(coded)
    try:
        return as_cells(decode(coded), form, signed=header.signed)
    except InvalidInputError:
        raise
    except DECODER_ERRORS as error:
        raise broken(error) from error


def _narrow(frame: Cells, form: PixelForm) -> Cells:
    """Stored values in the smallest cells that hold them: the libraries take the precision from the cells."""
    size = 1 if form.stored <= 8 else 2 if form.stored <= 16 else 4
    return contiguous(form.values(frame).astype(f"{'i' if form.signed else 'u'}{size}", copy=False))


def _require_whole(coded: bytes) -> None:
    """The tile-parts must all be there (ISO 15444-1 A.4.2): OpenJPEG makes a picture of what there is."""
    position = coded.find(_SOT)
    while coded[position : position + 2] == _SOT and position + 12 <= len(coded):
        length = int.from_bytes(coded[position + 6 : position + 10], "big")
        if length == 0:  # up to the end of the codestream
            position = len(coded) if coded.rfind(b"\xff\xd9") > position else len(coded) + 1
            break
        position += max(12, length)
    if position < 0 or position > len(coded):
        raise InvalidInputError("a frame's JPEG 2000 tiles are not all there. Truncated?", field="PixelData")
