"""One frame from one transfer syntax to another: decoded, encoded, and what was encoded decoded again and compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pellucid.codecs import syntaxes as uids
from pellucid.codecs.frame_codec import DECODER_ERRORS, Cells, Lossy
from pellucid.codecs.pixel_form import Limits, PixelForm
from pellucid.codecs.syntaxes import syntax_of
from pellucid.codecs.table import codec_of, decoded_form, refusal
from pellucid.errors import PellucidError, UnsupportedError

_AS_IT_IS = {
    (uids.JPEG_2000_LOSSLESS, uids.JPEG_2000),
    (uids.JPEG_LS, uids.JPEG_LS_NEAR),
    (uids.JPEG_LOSSLESS_SV1, uids.JPEG_LOSSLESS),
    (uids.HTJ2K_LOSSLESS, uids.HTJ2K),
    (uids.HTJ2K_LOSSLESS_RPCL, uids.HTJ2K),
    (uids.HTJ2K_LOSSLESS_RPCL, uids.HTJ2K_LOSSLESS),
}
"""What is allowed in the first is allowed in the second."""


class NotLosslessError(PellucidError):
    """An encoded frame did not decode to the same pixels; it is not given to anyone."""


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """Of frames stored as `given` with `form` into `wanted`; lossless unless `lossy` says otherwise."""

    given: str
    form: PixelForm
    wanted: str
    lossy: Lossy | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def copies(self) -> bool:
        """Whether a coded frame may stay as it is."""
        return self.lossy is None and (self.given == self.wanted or (self.given, self.wanted) in _AS_IT_IS)

    def require_possible(self) -> None:
        """Raises `UnsupportedError` with the reason where the frames cannot become that."""
        if self.copies:
            return
        wanted = syntax_of(self.wanted)
        reason = refusal(self.wanted, decoded_form(self.given, self.form), self.lossy)
        if reason:
            raise UnsupportedError(f"cannot become {wanted.name}: {reason}", field="PixelData")

    def result(self) -> PixelForm:
        """What the attributes must say afterwards."""
        if self.copies:
            return self.form
        decoded = decoded_form(self.given, self.form)
        if syntax_of(self.wanted).native:
            return decoded
        return codec_of(self.wanted).coded_form(decoded, self.lossy)

    def of_coded(self, coded: bytes) -> bytes:
        """A coded frame in the wanted transfer syntax (native: little endian cells, single bits one to a byte)."""
        if self.copies:
            return coded
        return self.of_cells(self.decoded(coded))

    def of_cells(self, cells: Cells) -> bytes:
        """A decoded frame in the wanted transfer syntax."""
        form = decoded_form(self.given, self.form)
        if syntax_of(self.wanted).native:
            return np.ascontiguousarray(cells, form.dtype).tobytes()
        codec = codec_of(self.wanted)
        if not codec.keeps_unused_bits and not form.fits(form.values(cells)):
            raise NotLosslessError("a frame holds values beyond its BitsStored")
        try:
            coded = codec.encode(cells, form, self.lossy)
        except DECODER_ERRORS as error:
            reason = " ".join(str(error).split())[:200]
            raise UnsupportedError(
                f"cannot become {syntax_of(self.wanted).name} ({reason})", field="PixelData"
            ) from error
        if self.lossy is None:
            self._require_same(cells, coded, form)
        return coded

    def decoded(self, coded: bytes) -> Cells:
        """A coded frame as cells of `decoded_form`."""
        self.form.require_ratio(len(coded), self.limits)
        return codec_of(self.given).decode(coded, self.form)

    def _require_same(self, cells: Cells, coded: bytes, form: PixelForm) -> None:
        codec = codec_of(self.wanted)
        coded_form = codec.coded_form(form, None)
        again = codec.decode_again(coded, coded_form)
        same = np.array_equal(coded_form.values(again), form.values(cells))
        if not same or (codec.keeps_unused_bits and not np.array_equal(again, cells)):
            raise NotLosslessError(f"a frame as {syntax_of(self.wanted).name} does not decode to the same pixels")


Converter = Callable[[Conversion, bytes], bytes]
"""Does `Conversion.of_coded`, here (that is a converter itself) or in another process."""
