"""Stored pixel values of an instance: native, or decoded."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from pellucid.codecs.pixel_form import PixelForm
from pellucid.errors import InvalidInputError, UnsupportedError

LARGEST_DECODED_BYTES = 4 * 2**30
"""An instance whose compressed pixels would unfold to more is refused."""

DECODING_ERRORS = (
    ValueError, RuntimeError, AttributeError, KeyError, TypeError, IndexError, OSError, EOFError, struct.error,
    zlib.error, BytesLengthException,
)  # fmt: skip
"""What codecs, and pydicom, raise on broken data."""

_FLOAT = {"FloatPixelData": "<f4", "DoubleFloatPixelData": "<f8"}


def stored_values(dataset: Dataset, file: str) -> NDArray[Any]:
    """The stored values `(frames, rows, columns)`, integers or floats, before any rescaling.

    Raises `InvalidInputError` where the data is shorter than the header says or broken, and `UnsupportedError`,
    naming the transfer syntax, where no codec decodes it.
    """
    shape = (int(dataset.get("NumberOfFrames") or 1), int(dataset.Rows), int(dataset.Columns))
    for keyword, dtype in _FLOAT.items():
        if keyword in dataset:
            return _native(_bytes(dataset, keyword, file), shape, np.dtype(dtype), file, keyword)
    syntax = _transfer_syntax(dataset)
    bits = int(dataset.BitsAllocated)
    if not syntax.is_transfer_syntax:
        raise _undecodable(syntax, file)
    if not syntax.is_encapsulated:
        if bits in (8, 16, 32) and syntax.is_little_endian:
            kind = "i" if dataset.get("PixelRepresentation") else "u"
            raw = _bytes(dataset, "PixelData", file)
            return _only_stored_bits(_native(raw, shape, np.dtype(f"<{kind}{bits // 8}"), file, "PixelData"), dataset)
        return _by_pydicom(dataset, shape, file)
    if int(np.prod(shape)) * bits / 8 > LARGEST_DECODED_BYTES:
        raise InvalidInputError(f"would unfold to {shape} of {bits} bits; too large", file=file, field="PixelData")
    return _decoded(dataset, syntax, shape, file)


def _transfer_syntax(dataset: Dataset) -> UID:
    meta = getattr(dataset, "file_meta", None)
    given = meta.get("TransferSyntaxUID") if meta is not None else None
    if given:
        return UID(given)
    implicit, little = dataset.original_encoding
    return ImplicitVRLittleEndian if implicit or little is None else ExplicitVRLittleEndian


def _bytes(dataset: Dataset, keyword: str, file: str) -> bytes:
    try:
        value = dataset[keyword].value
    except DECODING_ERRORS as error:
        raise InvalidInputError(
            f"is not of its value representation, {dataset.get_item(keyword).VR}. Truncated file?",
            file=file,
            field=keyword,
        ) from error
    return value if isinstance(value, bytes) else b""


def _native(raw: bytes, shape: tuple[int, int, int], dtype: np.dtype[Any], file: str, keyword: str) -> NDArray[Any]:
    _require_length(raw, shape, 8 * dtype.itemsize, file, keyword)
    return np.frombuffer(raw, dtype, int(np.prod(shape))).reshape(shape)


def _require_length(raw: bytes, shape: tuple[int, int, int], bits: int, file: str, keyword: str) -> None:
    needed = (int(np.prod(shape)) * bits + 7) // 8
    if len(raw) < needed:
        size = f"{bits // 8} bytes" if bits % 8 == 0 else f"{bits} bit"
        raise InvalidInputError(
            f"has {len(raw)} bytes; {shape[0]} x {shape[1]} x {shape[2]} values of {size} need {needed}. "
            "Truncated file?",
            file=file,
            field=keyword,
        )


def _only_stored_bits(values: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """Bits above the high bit are not the pixel's: overlays may live there."""
    allocated, stored = int(dataset.BitsAllocated), int(dataset.get("BitsStored") or dataset.BitsAllocated)
    high = int(dataset.get("HighBit") or stored - 1)
    if stored >= allocated or not stored - 1 <= high < allocated:
        return values
    shifted: NDArray[Any] = (values << (allocated - 1 - high)) >> (allocated - stored)
    return shifted


def _decoded(dataset: Dataset, syntax: UID, shape: tuple[int, int, int], file: str) -> NDArray[Any]:
    """All frames, each decoded in a process of its own (`pellucid.codecs.sandbox`)."""
    from pellucid.codecs.conversion import Conversion
    from pellucid.codecs.sandbox import in_sandbox
    from pellucid.codecs.table import CODECS, decoded_form

    if str(syntax) not in CODECS:
        raise _undecodable(syntax, file)
    form = _form(dataset, shape)
    after = decoded_form(str(syntax), form)
    conversion = Conversion(given=str(syntax), form=form, wanted=str(ExplicitVRLittleEndian))
    frames = []
    for number, coded in enumerate(_coded(dataset, shape[0], file), 1):
        try:
            frames.append(np.frombuffer(in_sandbox(conversion, coded), after.dtype).reshape(after.shape))
        except InvalidInputError as error:
            reason = str(error).removeprefix("PixelData: ")
            raise InvalidInputError(f"frame {number}: {reason}", file=file, field="PixelData") from error
    if len(frames) != shape[0]:
        raise InvalidInputError(f"has {len(frames)} frames; expected {shape[0]}", file=file, field="PixelData")
    values: NDArray[Any] = after.values(np.stack(frames))
    return values


def _form(dataset: Dataset, shape: tuple[int, int, int]) -> PixelForm:
    allocated = int(dataset.BitsAllocated)
    stored = int(dataset.get("BitsStored") or allocated)
    return PixelForm(
        rows=shape[1],
        columns=shape[2],
        samples=int(dataset.get("SamplesPerPixel") or 1),
        allocated=allocated,
        stored=stored,
        high_bit=int(dataset.get("HighBit") or stored - 1),
        signed=bool(dataset.get("PixelRepresentation")),
        photometric=str(dataset.get("PhotometricInterpretation") or "MONOCHROME2"),
        frames=shape[0],
    )


def _coded(dataset: Dataset, frames: int, file: str) -> Iterator[bytes]:
    from pydicom.encaps import generate_frames

    try:
        yield from generate_frames(dataset.PixelData, number_of_frames=frames)
    except DECODING_ERRORS as error:
        raise InvalidInputError(
            f"cannot be taken apart into {frames} frames: its items are not those of PS3.5, A.4. Truncated file?",
            file=file,
            field="PixelData",
        ) from error


def _undecodable(syntax: UID, file: str) -> UnsupportedError:
    name = syntax.name if syntax.name != str(syntax) else "an unknown one"
    return UnsupportedError(f"is {name} ({syntax}); no codec decodes it", file=file, field="TransferSyntaxUID")


def _by_pydicom(dataset: Dataset, shape: tuple[int, int, int], file: str) -> NDArray[Any]:
    """Values that are not compressed, of uncommon size or stored big endian."""
    from pydicom.pixels.utils import pixel_array

    bits = int(dataset.BitsAllocated)
    if bits != 1 and (bits % 8 or not 8 <= bits <= 64):
        raise InvalidInputError(f"is {bits}; expected 1 or a multiple of 8 up to 64", file=file, field="BitsAllocated")
    _require_length(_bytes(dataset, "PixelData", file), shape, bits, file, "PixelData")
    try:
        values = pixel_array(dataset, raw=True)
    except DECODING_ERRORS as error:
        raise InvalidInputError(
            f"cannot be decoded as {shape[0]} x {shape[1]} x {shape[2]} values of {bits} bits. Do the "
            "attributes of the pixels contradict each other?",
            file=file,
            field="PixelData",
        ) from error
    return _shaped(values, shape, file)


def _shaped(values: NDArray[Any], shape: tuple[int, int, int], file: str) -> NDArray[Any]:
    if values.size != int(np.prod(shape)):
        raise InvalidInputError(f"decodes to {values.shape}; expected {shape}", file=file, field="PixelData")
    return values.reshape(shape)
