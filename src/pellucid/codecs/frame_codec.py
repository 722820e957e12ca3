"""What every codec of one frame has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.codecs.codestreams import Header
from pellucid.codecs.pixel_form import PixelForm
from pellucid.errors import InvalidInputError

DECODER_ERRORS = (
    ValueError, RuntimeError, AttributeError, LookupError, TypeError, OSError, EOFError, OverflowError
)  # fmt: skip
"""What native decoders raise on broken data."""

Cells = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Lossy:
    """How much may be lost; each codec uses what its standard has.

    `quality`: JPEG, 1 … 100. `error`: JPEG-LS, largest difference of a stored value. `ratio`: JPEG 2000 and HTJ2K,
    native size over coded size.
    """

    quality: int = 90
    error: int = 2
    ratio: float = 10.0

    def __post_init__(self) -> None:
        for name, low, high in (("quality", 1, 100), ("error", 1, 255), ("ratio", 1, 1000)):
            if not low <= getattr(self, name) <= high:
                raise InvalidInputError(f"is {getattr(self, name)}; expected {low} … {high}", field=name)


class FrameCodec(ABC):
    """One frame to a codestream and back. A frame is raw cells as `PixelForm` describes them, colour by pixel."""

    keeps_unused_bits = False
    """Whether all allocated bits are kept; else only the stored ones, moved down to bit 0."""

    @abstractmethod
    def decode(self, coded: bytes, form: PixelForm) -> Cells:
        """The frame; raises `InvalidInputError` where the codestream is broken or contradicts `form`."""

    def decode_again(self, coded: bytes, form: PixelForm) -> Cells:
        """As `decode`, with another library where there is one: what verifies what was encoded."""
        return self.decode(coded, form)

    @abstractmethod
    def encode(self, frame: Cells, form: PixelForm, lossy: Lossy | None) -> bytes:
        """The codestream; `form` is the frame's, as `coded_form` accepted it."""

    @abstractmethod
    def refusal(self, form: PixelForm, lossy: Lossy | None) -> str | None:
        """Why frames of this form cannot be coded; None where they can."""

    def coded_form(self, form: PixelForm, lossy: Lossy | None) -> PixelForm:
        """What the attributes must say of the coded instance."""
        photometric = self.photometric(form, lossy)
        high_bit = form.high_bit if self.keeps_unused_bits else form.stored - 1
        return replace(form, photometric=photometric, planar=0, high_bit=high_bit)

    def photometric(self, form: PixelForm, lossy: Lossy | None) -> str:  # noqa: ARG002 (codecs with a transform use it)
        """Photometric Interpretation of the coded instance (PS3.5 section 8.2)."""
        return form.photometric

    def decoded_photometric(self, form: PixelForm) -> str:
        """Photometric Interpretation of what `decode` gives."""
        return form.photometric


def broken(error: Exception) -> InvalidInputError:
    """What a decoder said, as one line."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return InvalidInputError(f"cannot be decoded ({reason})", field="PixelData")


def require_header(header: Header, form: PixelForm) -> None:
    """Raises `InvalidInputError` where the codestream is of another size than the attributes say."""
    found = (header.rows, header.columns, header.samples)
    if found != (form.rows, form.columns, form.samples):
        raise InvalidInputError(
            f"a frame is {found[0]} x {found[1]} x {found[2]} in its codestream, but {form.rows} x {form.columns} x "
            f"{form.samples} by the attributes",
            field="PixelData",
        )
    if header.bits > form.allocated:
        raise InvalidInputError(
            f"a frame has {header.bits} bits in its codestream; BitsAllocated is {form.allocated}", field="PixelData"
        )


def as_cells(decoded: Any, form: PixelForm, *, signed: bool = False) -> Cells:
    """What a decoder gave as cells of `form`; `signed`: whether the codestream's numbers are."""
    array = np.asarray(decoded)
    if array.size != form.rows * form.columns * form.samples:
        raise InvalidInputError(f"a frame decodes to {array.shape}; expected {form.shape}", field="PixelData")
    array = array.reshape(form.shape)
    if form.signed and not signed:
        unused = form.allocated - form.stored
        cells = array.astype(f"u{form.dtype.itemsize}", copy=False).view(f"i{form.dtype.itemsize}")
        array = (cells << unused) >> unused if unused else cells
    elif signed and not form.signed:
        array = array.astype(np.int64) & ((1 << form.stored) - 1)
    return np.ascontiguousarray(array.astype(form.dtype, copy=False))


def unsigned_values(frame: Cells, form: PixelForm) -> Cells:
    """Stored values as their bit patterns, which codecs without signed numbers take."""
    values = form.values(frame)
    if form.signed:
        mask = (1 << form.stored) - 1
        values = values.view(f"u{form.dtype.itemsize}") & np.array(mask, f"u{form.dtype.itemsize}")
    return contiguous(values)


def contiguous(array: Cells) -> Cells:
    """Without gaps, and with the strides that says, which numpy does not promise of sides of one pixel."""
    return np.ascontiguousarray(array).reshape(-1).reshape(array.shape)


def integers(form: PixelForm, *, most: int, least: int = 8) -> str | None:
    """Why a codec for `least` … `most` allocated bits does not take this form."""
    if not least <= form.allocated <= most:
        return f"BitsAllocated is {form.allocated}; it holds {least} to {most}"
    return None
