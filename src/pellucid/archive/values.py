"""Values of DICOM attributes, from their bytes to DICOM JSON (PS3.18 annex F) and to text.

A converter takes a value's bytes and gives what follows `{"vr":"XX"` in the JSON: an empty string where there is no
value, None where the value cannot be understood and the attribute is left out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from json.encoder import encode_basestring as quoted
from typing import Any

from pellucid.archive.charsets import Encodings, decode

Converter = Callable[[bytes, Encodings], str | None]


class NotCoveredError(Exception):
    """The bytes are not as the standard has them; what they may mean is a question for pydicom."""


def _values(values: Sequence[str]) -> str:
    return f',"Value":[{",".join(values)}]'


def _strings(value: bytes, _encodings: Encodings) -> str:
    text = value.decode("latin-1").rstrip(" \0")
    if "\\" in text:
        return _values([quoted(part) for part in text.split("\\")])
    return f',"Value":[{quoted(text)}]' if text else ""


def _uids(value: bytes, _encodings: Encodings) -> str:
    parts = [part.strip() for part in value.decode("latin-1").rstrip(" \0").split("\\")]
    return _values([quoted(part) for part in parts]) if len(parts) > 1 or parts[0] else ""


def _titles(value: bytes, _encodings: Encodings) -> str:
    parts = [part.strip() for part in value.decode("latin-1").split("\\")]
    return _values([quoted(part) for part in parts]) if len(parts) > 1 or parts[0] else ""


def _texts(value: bytes, encodings: Encodings) -> str:
    text = decode(value, encodings)
    if "\\" in text:
        return _values([quoted(part.rstrip("\0 ")) for part in text.split("\\")])
    text = text.rstrip("\0 ")
    return f',"Value":[{quoted(text)}]' if text else ""


def _long_text(value: bytes, encodings: Encodings) -> str:
    text = decode(value, encodings).rstrip("\0 ")
    return f',"Value":[{quoted(text)}]' if text else ""


def _uri(value: bytes, _encodings: Encodings) -> str:
    text = value.decode("latin-1").rstrip()
    return f',"Value":[{quoted(text)}]' if text else ""


def name_groups(value: bytes, encodings: Encodings) -> list[list[str]]:
    """The component groups (alphabetic, ideographic, phonetic) of each person's name."""
    names = decode(value.rstrip(b"\0 "), encodings).split("\\")
    return [name.rstrip("=").split("=") if name.rstrip("=") else [] for name in names]


def _names(value: bytes, encodings: Encodings) -> str | None:
    names = name_groups(value, encodings)
    if names == [[]]:
        return ""
    if [] in names:
        return None
    return _values([_name(groups) for groups in names])


def _name(groups: list[str]) -> str:
    words = zip(("Alphabetic", "Ideographic", "Phonetic"), groups, strict=False)
    return "{" + ",".join(f'"{word}":{quoted(group)}' for word, group in words) + "}"


def _decimals(value: bytes, _encodings: Encodings) -> str | None:
    text = value.decode("latin-1").strip().rstrip(" \0")
    if not text:
        return ""
    try:
        return _values([_real(float(part)) for part in text.split("\\")])
    except ValueError:
        _require_unpadded(text)
        return None


def _real(value: float) -> str:
    # Anything but digits is not a number in JSON: "nan", "inf", "-inf" (PS3.18 section F.2.2 writes them as strings).
    text = repr(value)
    return f'"{text}"' if "n" in text else text


def _integers(value: bytes, _encodings: Encodings) -> str | None:
    text = value.decode("latin-1").rstrip(" \0")
    if not text:
        return ""
    try:
        return _values([str(_integer(part)) for part in text.split("\\")])
    except OverflowError:
        return None
    except ValueError:
        _require_unpadded(text)
        return None


def _integer(text: str) -> int:
    try:
        found = int(text)
    except ValueError:  # "1.0" and the like
        return int(float(text))
    return found if -(1 << 53) <= found <= 1 << 53 else int(float(text))


def _require_unpadded(text: str) -> None:
    if "\0" in text:
        raise NotCoveredError


def numbers(value: bytes, order: str, code: str) -> tuple[Any, ...] | None:
    """Binary numbers of a struct `code`; None where there are bytes too few or too many."""
    count, rest = divmod(len(value), struct.calcsize("=" + code))
    return None if rest else struct.unpack(f"{order}{count}{code}", value)


def _binary_numbers(order: str, code: str) -> Converter:
    write: Callable[[Any], str] = _real if code in "fd" else str
    one = struct.Struct(order + code)

    def convert(value: bytes, _encodings: Encodings) -> str | None:
        if len(value) == one.size:
            return f',"Value":[{write(one.unpack(value)[0])}]'
        found = numbers(value, order, code)
        return None if found is None else _values([write(number) for number in found])

    return convert


def _tags(order: str) -> Converter:
    def convert(value: bytes, _encodings: Encodings) -> str:
        found = numbers(value, order, "H")
        if found is None or len(found) % 2:
            raise NotCoveredError
        pairs = zip(found[::2], found[1::2], strict=True)
        return _values([f'"{group:04X}{element:04X}"' for group, element in pairs])

    return convert


NUMBER_CODES = {"FL": "f", "FD": "d", "SL": "l", "SS": "h", "SV": "q", "UL": "L", "US": "H", "UV": "Q"}
"""VRs of binary numbers, with their struct codes."""

BINARY_WIDTHS = {"OB": 1, "UN": 1, "OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
"""VRs of bytes, with the width of what they hold, to swap where they are big endian."""

_TEXT: dict[str, Converter] = {
    **dict.fromkeys(("AS", "CS", "DA", "DT", "TM"), _strings),
    **dict.fromkeys(("LO", "SH", "UC"), _texts),
    **dict.fromkeys(("LT", "ST", "UT"), _long_text),
    "AE": _titles,
    "DS": _decimals,
    "IS": _integers,
    "PN": _names,
    "UI": _uids,
    "UR": _uri,
}


def converters(order: str) -> dict[str, Converter]:
    """The converter of each VR but sequences and those of bytes; `order` is "<" or ">"."""
    binary = {vr: _binary_numbers(order, code) for vr, code in NUMBER_CODES.items()}
    return {**_TEXT, **binary, "AT": _tags(order)}


def text_of(vr: str, value: bytes, encodings: Encodings, order: str) -> str:
    """A value as text, several of them separated by backslashes; empty where it cannot be understood."""
    if vr in NUMBER_CODES:
        found = numbers(value, order, NUMBER_CODES[vr])
        return "\\".join(map(str, found or ()))
    if vr == "PN":
        return "\\".join("=".join(groups) for groups in name_groups(value, encodings)).strip("\0 ")
    if vr in ("LO", "SH", "UC"):
        return "\\".join(part.rstrip("\0 ") for part in decode(value, encodings).split("\\")).strip("\0 ")
    if vr in ("LT", "ST", "UT"):
        return decode(value, encodings).strip("\0 ")
    if vr == "UR":
        return value.decode("latin-1").rstrip().strip("\0 ")
    if vr in ("DS", "IS") and not value.isascii():
        raise NotCoveredError
    if vr in _TEXT:
        parts = value.decode("latin-1").rstrip("\0 ").split("\\")
        trimmed = parts if _TEXT[vr] is _strings else (part.strip() for part in parts)
        return "\\".join(trimmed).strip("\0 ")
    raise NotCoveredError
