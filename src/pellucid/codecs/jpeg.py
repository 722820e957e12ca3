"""JPEG by discrete cosine transform, lossless JPEG (ISO 10918-1) and JPEG-LS (ISO 14495-1)."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np

from pellucid.codecs.codestreams import Header, jpeg_header
from pellucid.codecs.frame_codec import (
    DECODER_ERRORS,
    Cells,
    FrameCodec,
    Lossy,
    as_cells,
    broken,
    integers,
    require_header,
    unsigned_values,
)
from pellucid.codecs.pixel_form import PixelForm
from pellucid.errors import InvalidInputError

_END = b"\xff\xd9"


class Jpeg(FrameCodec):
    """Baseline (8 bits) or extended (12 bits): libjpeg-turbo. Colour comes out as RGB."""

    def __init__(self, bits: int) -> None:
        self._bits = bits

    def decode(self, coded: bytes, form: PixelForm) -> Cells:
        """See `FrameCodec`."""
        import imagecodecs

        header = _whole(coded, form)
        if form.samples != 3:
            return _decoded(imagecodecs.jpeg8_decode, coded, form)
        marked = form.photometric.startswith("YBR") if header.transformed is None else header.transformed
        return _decoded(
            imagecodecs.jpeg8_decode, coded, form, colorspace="ycbcr" if marked else "rgb", outcolorspace="rgb"
        )

    def encode(self, frame: Cells, form: PixelForm, lossy: Lossy | None) -> bytes:
        """See `FrameCodec`."""
        import imagecodecs

        options: dict[str, Any] = {"level": (lossy or Lossy()).quality}
        values = unsigned_values(frame, form)
        if form.samples == 3:
            given = "rgb" if form.photometric == "RGB" else "ycbcr"
            options |= {"colorspace": given, "outcolorspace": "ycbcr", "subsampling": "422"}
        elif form.allocated == 16:
            options["bitspersample"] = 12
        return bytes(imagecodecs.jpeg8_encode(values, **options))

    def refusal(self, form: PixelForm, lossy: Lossy | None) -> str | None:
        """See `FrameCodec`."""
        if lossy is None:
            return "it always loses something; ask for a lossy form"
        if form.signed:
            return "it holds no signed numbers"
        if form.samples == 3:
            known = form.photometric in ("RGB", "YBR_FULL") and form.allocated == form.stored == 8
            return None if known else f"of colour it holds 8 bits, not {form.photometric} of {form.stored}"
        if not form.photometric.startswith("MONOCHROME"):
            return f"the numbers of {form.photometric} mean nothing when they are not exact"
        if form.stored > self._bits or (form.allocated == 16 and self._bits == 8):
            return f"it holds {self._bits} bits, not {form.stored} in {form.allocated}"
        return integers(form, most=16)

    def photometric(self, form: PixelForm, lossy: Lossy | None) -> str:  # noqa: ARG002
        """See `FrameCodec`."""
        return "YBR_FULL_422" if form.samples == 3 else form.photometric

    def decoded_photometric(self, form: PixelForm) -> str:
        """See `FrameCodec`."""
        return "RGB" if form.samples == 3 else form.photometric


class LosslessJpeg(FrameCodec):
    """Process 14, written with selection value 1: libjpeg-turbo; verified by liblj92."""

    def decode(self, coded: bytes, form: PixelForm) -> Cells:
        """See `FrameCodec`."""
        import imagecodecs

        _whole(coded, form)
        space = {"colorspace": "rgb", "outcolorspace": "rgb"} if form.samples == 3 else {}
        try:
            return _decoded(imagecodecs.jpeg8_decode, coded, form, **space)
        except InvalidInputError:
            return self.decode_again(coded, form)

    def decode_again(self, coded: bytes, form: PixelForm) -> Cells:
        """See `FrameCodec`."""
        import imagecodecs

        return _decoded(imagecodecs.ljpeg_decode, coded, form)

    def encode(self, frame: Cells, form: PixelForm, lossy: Lossy | None) -> bytes:  # noqa: ARG002
        """See `FrameCodec`."""
        import imagecodecs

        space: dict[str, Any] = {"colorspace": "rgb", "outcolorspace": "rgb"} if form.samples == 3 else {}
        values = unsigned_values(frame, form)
        if form.stored <= 8:  # its container follows its precision
            values = values.astype(np.uint8)
        return bytes(
            imagecodecs.jpeg8_encode(values, lossless=True, predictor=1, bitspersample=max(2, form.stored), **space)
        )

    def refusal(self, form: PixelForm, lossy: Lossy | None) -> str | None:
        """See `FrameCodec`."""
        return "it cannot lose anything" if lossy is not None else integers(form, most=16)


class JpegLs(FrameCodec):
    """JPEG-LS: imagecodecs' CharLS, and that of pyjpegls where fewer bits are stored, and to verify."""

    def __init__(self, *, near: bool) -> None:
        self._near = near

    def decode(self, coded: bytes, form: PixelForm) -> Cells:
        """See `FrameCodec`."""
        import imagecodecs

        header = jpeg_header(coded)
        if header.process != 0xF7:
            raise InvalidInputError("a frame is JPEG, not JPEG-LS", field="PixelData")
        _whole(coded, form)
        return _decoded(imagecodecs.jpegls_decode, coded, form)

    def decode_again(self, coded: bytes, form: PixelForm) -> Cells:
        """See `FrameCodec`."""
        import jpeg_ls

        bits = jpeg_header(coded).bits
        dtype = "u1" if bits <= 8 else "<u2"
        return _decoded(lambda data: np.frombuffer(jpeg_ls.decode_pixel_data(data)[0], dtype), coded, form)

    def encode(self, frame: Cells, form: PixelForm, lossy: Lossy | None) -> bytes:
        """See `FrameCodec`."""
        import imagecodecs

        values, error = unsigned_values(frame, form), lossy.error if lossy else 0
        if form.stored < form.allocated:
            with suppress(RuntimeError):  # it takes too small a buffer for a handful of pixels
                return _with_precision(values, form, error)
        return bytes(imagecodecs.jpegls_encode(values, error))

    def refusal(self, form: PixelForm, lossy: Lossy | None) -> str | None:
        """See `FrameCodec`."""
        if lossy is not None and not self._near:
            return "it cannot lose anything"
        if lossy is not None and form.signed:
            return "small errors of signed numbers become large ones in it (PS3.5 section 8.2.3)"
        if lossy is not None and form.photometric == "PALETTE COLOR":
            return "the numbers of a palette mean nothing when they are not exact"
        if lossy is not None and lossy.error > ((1 << form.stored) - 1) // 2:
            return f"an error of {lossy.error} is more than values of {form.stored} bits have"
        if max(form.rows, form.columns) > 65535:
            return "it holds up to 65535 rows and columns"
        return integers(form, most=16)


def _with_precision(values: Cells, form: PixelForm, error: int) -> bytes:
    import jpeg_ls

    coded = jpeg_ls.encode_pixel_data(
        values.tobytes(),
        lossy_error=error,
        rows=form.rows,
        columns=form.columns,
        samples_per_pixel=form.samples,
        bits_allocated=form.allocated,
        bits_stored=max(2, form.stored),
        photometric_interpretation=form.photometric,
        pixel_representation=0,
        planar_configuration=0,
    )
    return bytes(coded)


def _whole(coded: bytes, form: PixelForm) -> Header:
    header = jpeg_header(coded)
    require_header(header, form)
    if coded.rfind(_END) < 0:
        raise InvalidInputError("a frame has no end-of-image marker. Truncated?", field="PixelData")
    return header


def _decoded(decode: Any, coded: bytes, form: PixelForm, **options: Any) -> Cells:
    try:
        return as_cells(decode(coded, **options), form)
    except InvalidInputError:
        raise
    except DECODER_ERRORS as error:
        raise broken(error) from error
