"""Interfile headers: `key := value` lines, vectors in braces, indexed keys, and the binary file they describe.

Source: Interfile 3.3 (Todd-Pokropek, Cradduck, Deconinck, Nucl Med Commun 1992) with the PET extensions that STIR
writes (STIR user's guide, section on Interfile).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.study import StudyContext

_MOST_HEADER_BYTES = 1 << 20
_KINDS = {
    "float": "f",
    "short float": "f",
    "long float": "f",
    "signed integer": "i",
    "unsigned integer": "u",
    "bit": "",
}
_BYTES = {"float": 4, "short float": 4, "long float": 8}


def looks_like_interfile(head: bytes) -> bool:
    """Whether a file's beginning is an Interfile header."""
    first = head.lstrip(b"\xef\xbb\xbf \t\r\n").split(b"\n", 1)[0]
    return re.match(rb"!?\s*interfile\s*:=", first, re.IGNORECASE) is not None


@dataclass(frozen=True)
class Header:
    """A header's keys, in lower case without `!` and with single spaces, and their texts."""

    path: Path
    values: dict[str, str]

    def text(self, key: str, default: str | None = None) -> str:
        """The text of a key; raises `InvalidInputError` naming it where it is absent and has no `default`."""
        if key in self.values:
            return self.values[key]
        if default is None:
            raise InvalidInputError("is missing from the header", file=self.path, field=key)
        return default

    def number(self, key: str, default: float | None = None) -> float:
        """A finite number."""
        text = self.values.get(key, "")
        if not text:
            if default is None:
                raise InvalidInputError("is missing from the header", file=self.path, field=key)
            return default
        return self._number(text, key)

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number."""
        value = self.number(key, default)
        if value != int(value):
            raise InvalidInputError(f"is {value:g}; expected a whole number", file=self.path, field=key)
        return int(value)

    def numbers(self, key: str) -> list[int]:
        """Whole numbers in braces, or one without."""
        parts = [part for part in self.text(key).strip("{} ").replace(",", " ").split() if part]
        return [int(self._number(part, key)) for part in parts]

    def _number(self, text: str, key: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not np.isfinite(value):
            raise InvalidInputError(f"is {text!r}; expected a number", file=self.path, field=key)
        return value


def read_header(path: Path) -> Header:
    """Parse a header file; raises `InvalidInputError` where it is none."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_HEADER_BYTES)
    except OSError as error:
        raise InvalidInputError(f"cannot be read ({error.strerror})", file=path) from error
    if not looks_like_interfile(content[:4096]):
        raise InvalidInputError("is no Interfile header: the first line is not !INTERFILE :=", file=path)
    values: dict[str, str] = {}
    for line in content.decode("utf-8", "replace").splitlines():
        key, separator, value = line.partition(";")[0].partition(":=")
        if separator:
            name = re.sub(r"\s+", " ", key.strip().lstrip("!").strip()).lower()
            # A key that closes a block is empty; the first text of a key stands.
            values.setdefault(re.sub(r"\s*\[\s*(\d+)\s*\]", r" [\1]", name), value.strip())
    return Header(path, values)


def read_data(header: Header, count: int) -> NDArray[Any]:
    """The `count` numbers that a header describes, in native byte order.

    Raises `InvalidInputError` where the data file is absent, of another length, or not of plain numbers.
    """
    name = header.text("name of data file")
    path = header.path.parent / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise InvalidInputError(
            f"is {name!r}; expected a file beside the header", file=header.path, field="name of data file"
        )
    dtype = _dtype(header)
    offset = header.whole("data offset in bytes [1]", header.whole("data offset in bytes", 0))
    wanted = count * dtype.itemsize
    try:
        length = path.stat().st_size
        if offset < 0 or length - offset != wanted:
            raise InvalidInputError(
                f"has {length} bytes; the header wants {wanted} after an offset of {offset} ({count} numbers of "
                f"{dtype.itemsize} bytes). Truncated, or another file's header?",
                file=path,
            )
        data = np.fromfile(path, dtype, count, offset=offset)
    except OSError as error:
        raise InvalidInputError(
            f"names {name!r}, which cannot be read ({error.strerror})", file=header.path, field="name of data file"
        ) from error
    scale = header.number("image scaling factor [1]", 1.0) * header.number("quantification units", 1.0)
    native = data.astype(dtype.newbyteorder("="), copy=False)
    return (
        native if scale == 1 else native * native.dtype.type(scale) if dtype.kind == "f" else native * np.float32(scale)
    )


def _dtype(header: Header) -> np.dtype[Any]:
    kind = header.text("number format", "unsigned integer").lower()
    if not _KINDS.get(kind):
        raise UnsupportedError(
            f"is {kind!r}; expected one of {', '.join(k for k, v in _KINDS.items() if v)}",
            file=header.path,
            field="number format",
        )
    size = header.whole("number of bytes per pixel", _BYTES.get(kind))
    allowed = (4, 8) if _KINDS[kind] == "f" else (1, 2, 4, 8)
    if size not in allowed:
        raise InvalidInputError(f"is {size}; expected {allowed}", file=header.path, field="number of bytes per pixel")
    order = header.text("imagedata byte order", "BIGENDIAN").upper().replace(" ", "")
    if order not in ("LITTLEENDIAN", "BIGENDIAN"):
        raise InvalidInputError(
            f"is {order!r}; expected LITTLEENDIAN or BIGENDIAN", file=header.path, field="imagedata byte order"
        )
    return np.dtype(f"{'<' if order == 'LITTLEENDIAN' else '>'}{_KINDS[kind]}{size}")


def head_first_supine(header: Header, study: StudyContext) -> StudyContext:
    """`study` with the position that the header states, marked as assumed where it states none.

    Other positions are refused: their gantry axes are not the patient's.
    """
    orientation = header.text("patient orientation", "").lower().replace(" ", "_")
    rotation = header.text("patient rotation", "").lower()
    if orientation not in ("head_in", "unknown", "") or rotation not in ("supine", "unknown", ""):
        raise UnsupportedError(
            f"is {orientation}, {rotation}; only head_in, supine is handled",
            file=header.path,
            field="patient orientation",
        )
    return study if (orientation, rotation) == ("head_in", "supine") else study.with_assumed_position()
