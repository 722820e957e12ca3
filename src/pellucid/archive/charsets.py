"""Text of DICOM values in Unicode: Specific Character Set (DICOM PS3.3 C.12.1.1.2, PS3.5 section 6.1.2)."""

from __future__ import annotations

import re

from pydicom.charset import CODES_TO_ENCODINGS, STAND_ALONE_ENCODINGS, python_encoding

Encodings = tuple[str, ...]
"""Python codecs: the first holds where no escape sequence says otherwise."""

_FAST = {"iso8859": "iso8859-1", "UTF8": "utf-8"}
"""The same codecs under names that CPython decodes without a look into its registry."""

DEFAULT: Encodings = (_FAST["iso8859"],)
_CODECS = {term: _FAST.get(codec, codec) for term, codec in python_encoding.items()}
_BY_ESCAPE = {escape: _FAST.get(codec, codec) for escape, codec in CODES_TO_ENCODINGS.items()}
_ESCAPES_WITH_PYTHON = frozenset({"iso2022_jp", "iso2022_jp_2", "iso_ir_58"})
_FRAGMENT = re.compile(rb"^[^\x1b]+|\x1b[^\x1b]*")
_RESETS = re.compile(rb"[\r\n\t\f]")
_known: dict[bytes, Encodings] = {}


def encodings_of(value: bytes) -> Encodings:
    """The codecs that a value of Specific Character Set names; slips of the pen are understood."""
    found = _known.get(value)
    if found is None:
        if len(_known) > 256:  # what senders invent must not fill the memory
            _known.clear()
        found = _known[value] = _encodings_of(value.decode("latin-1").rstrip(" \0").split("\\"))
    return found


def _encodings_of(terms: list[str]) -> Encodings:
    if len(terms) > 1 and terms[0] in STAND_ALONE_ENCODINGS:
        terms = terms[:1]  # no other may follow (PS3.3 section C.12.1.1.2)
    terms = [terms[0], *(term for term in terms[1:] if term not in STAND_ALONE_ENCODINGS)]
    return tuple(map(_codec, terms))


def _codec(term: str) -> str:
    if term in _CODECS:
        return _CODECS[term]
    if re.match("ISO[^_]IR", term):
        return _CODECS.get("ISO_IR" + term[6:], DEFAULT[0])
    if re.match("ISO.2022.IR.", term) and not term.startswith("ISO 2022 IR "):
        return _CODECS.get("ISO 2022 IR " + term[12:], DEFAULT[0])
    try:
        b" ".decode(term)
    except (LookupError, ValueError, UnicodeError):
        return DEFAULT[0]
    return term


def decode(value: bytes, encodings: Encodings) -> str:
    """A value in Unicode; what its character set does not have becomes U+FFFD."""
    if b"\x1b" in value:
        return "".join(_decode_fragment(fragment, encodings) for fragment in _FRAGMENT.findall(value))
    return _decode(value, encodings[0])


def _decode(value: bytes, codec: str) -> str:
    try:
        return value.decode(codec)
    except UnicodeError:
        return value.decode(codec, "replace")


def _decode_fragment(fragment: bytes, encodings: Encodings) -> str:
    """One run of characters after an escape sequence; control characters end what the sequence began."""
    if not fragment.startswith(b"\x1b"):
        return _decode(fragment, encodings[0])
    length = 4 if fragment[:3] in (b"\x1b$(", b"\x1b$)") else 3
    codec = _BY_ESCAPE.get(fragment[:length], "")
    if codec not in encodings and codec != DEFAULT[0]:
        return fragment.decode(encodings[0], "replace")
    try:
        if codec in _ESCAPES_WITH_PYTHON:
            return fragment.decode(codec)
        text = fragment[length:]
        reset = _RESETS.search(text)
        end = reset.start() if reset else len(text)
        return text[:end].decode(codec) + text[end:].decode(encodings[0])
    except UnicodeError:
        return fragment.decode(encodings[0], "replace")
