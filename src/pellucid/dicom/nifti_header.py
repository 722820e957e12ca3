"""What a NIfTI header must say before its voxels are read: each field that is wrong is named, and what was expected."""

from __future__ import annotations

import gzip
import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from pellucid.errors import InvalidInputError, UnsupportedError

NIFTI_1, NIFTI_2 = (b"\x5c\x01\0\0", b"\0\0\x01\x5c"), (b"\x1c\x02\0\0", b"\0\0\x02\x1c")
"""The first four bytes: the header's size, 348 or 540, in either byte order."""

_READ = {
    2: "uint8", 4: "int16", 8: "int32", 16: "float32", 64: "float64", 256: "int8", 512: "uint16", 768: "uint32",
    1024: "int64", 1280: "uint64", 1536: "float128",
}  # fmt: skip
_NOT_ONE_NUMBER = {1: "bits", 32: "complex64", 128: "RGB", 1792: "complex128", 2048: "complex256", 2304: "RGBA"}
"""Codes of `datatype` (nifti1.h, NIFTI_TYPE)."""


def require_header(path: Path) -> bool:
    """Raise where the header cannot be right; whether it is NIfTI-2's.

    The header is taken in the byte order that its size has: nibabel guesses it from the number of axes.
    """
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    with _unpacked(path) as file:
        raw = file.read(540)
    if raw[:4] not in (*NIFTI_1, *NIFTI_2):
        raise InvalidInputError(
            f"begins with {raw[:4]!r}; expected a header size of 348 or 540. Is this NIfTI?",
            file=path,
            field="sizeof_hdr",
        )
    second = raw[:4] in NIFTI_2
    kind: Any
    kind, size = (Nifti2Header, 540) if second else (Nifti1Header, 348)
    if len(raw) < size:
        raise InvalidInputError(f"has {len(raw)} bytes; its header alone takes {size}. Truncated file?", file=path)
    header = kind(raw[:size], "<" if raw[0] else ">", check=False)
    _require_fields(header, path)
    _require_scaling(header, path)
    return second


def _require_fields(header: Any, path: Path) -> None:
    axes, code, magic, units = (header[name].ravel()[0].item() for name in ("dim", "datatype", "magic", "xyzt_units"))
    if not 1 <= axes <= 7:
        raise InvalidInputError(f"is {axes} axes; expected 1 to 7", file=path, field="dim[0]")
    if code in _NOT_ONE_NUMBER:
        raise UnsupportedError(
            f"is {code} ({_NOT_ONE_NUMBER[code]}); expected one real number for each voxel", file=path, field="datatype"
        )
    if code not in _READ:
        known = ", ".join(f"{number} ({name})" for number, name in _READ.items())
        raise InvalidInputError(f"is {code}; expected one of {known}", file=path, field="datatype")
    if magic not in (header.single_magic, header.pair_magic):
        raise InvalidInputError(f"is {magic!r}; expected {header.single_magic!r}", file=path, field="magic")
    if units % 8 > 3 or units // 8 > 6:
        raise InvalidInputError(
            f"is {units}; expected a unit of length 0 to 3 plus one of time 0, 8, … 48", file=path, field="xyzt_units"
        )
    offset, least = float(header["vox_offset"]), header.single_vox_offset
    if not (offset == 0 or (np.isfinite(offset) and offset >= least)):
        raise InvalidInputError(f"is {offset:g}; expected at least {least} bytes", file=path, field="vox_offset")
    size = path.stat().st_size
    if offset > size and not _is_packed(path):
        raise InvalidInputError(
            f"is {offset:g}; the file has {size} bytes. Truncated file?", file=path, field="vox_offset"
        )


def _require_scaling(header: Any, path: Path) -> None:
    """Slope 0 (or NaN, as nibabel writes it) means unscaled; any other scaling must be finite.

    Nibabel takes an infinite slope for none, and clears both fields of the header of the image that it loads.
    """
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    scaled = slope != 0 and not np.isnan(slope)
    for field, value in (("scl_slope", slope), ("scl_inter", intercept)):
        if scaled and not np.isfinite(value):
            raise InvalidInputError(f"is {value}; expected a finite number", file=path, field=field)


def require_data(image: Any, path: Path) -> None:
    """The header must not ask for more than the file has (checked before memory is taken)."""
    shape, header = image.shape, image.header
    if len(shape) > 4 and any(length != 1 for length in shape[4:]):
        raise UnsupportedError(f"is {shape}: more than four axes", file=path, field="dim")
    if min(shape, default=0) < 1 or len(shape) < 2:
        raise InvalidInputError(f"is {shape}; expected axes of at least 1 voxel", file=path, field="dim")
    needed = int(np.prod([int(n) for n in shape])) * int(header.get_data_dtype().itemsize)
    size = path.stat().st_size
    most = size * 1100 if _is_packed(path) else size - int(header.get_data_offset())  # deflate: at most 1032 of one
    if needed > most:
        raise InvalidInputError(
            f"asks for {shape} voxels = {needed} bytes, but the file has {size}. Truncated file?",
            file=path,
            field="dim",
        )


def problem(path: Path, error: Exception) -> str:
    """Why reading a file whose header is right ended in `error`, in one line."""
    if isinstance(error, EOFError):
        reason = "its gzip data end early. Truncated file?"
    elif isinstance(error, (zlib.error, gzip.BadGzipFile)):
        reason = "its gzip data are damaged: their codes or their checksum are wrong"
    elif isinstance(error, OSError) and error.strerror:
        reason = error.strerror
    elif isinstance(error, OSError) and _is_packed(path):
        reason = "its gzip data unpack to fewer voxels than the header says. Truncated before it was packed?"
    else:
        reason = "its extensions or voxels do not lie where the header says"
    return f"cannot be read as NIfTI: {reason}"


def _is_packed(path: Path) -> bool:
    return path.name.lower().endswith(".gz")


def _unpacked(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if _is_packed(path) else path.open("rb")


@contextmanager
def quiet() -> Iterator[None]:
    """Keep nibabel from printing what it corrects in a header."""

    def nothing(_record: logging.LogRecord) -> bool:
        return False

    logger = logging.getLogger("nibabel.global")
    logger.addFilter(nothing)
    try:
        yield
    finally:
        logger.removeFilter(nothing)
