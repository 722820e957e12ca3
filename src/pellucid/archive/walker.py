"""A DICOM data set walked through once, from its bytes (PS3.5 chapter 7) to DICOM JSON (PS3.18 annex F).

No value that the JSON does not need is read. What the data set claims is held against what it can be, and against
limits, before anything is allocated. Bytes that are not as the standard has them raise `NotCoveredError`.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass, field
from mmap import mmap

from pellucid.archive.charsets import DEFAULT, Encodings, encodings_of
from pellucid.archive.dicom_json import BULK_BYTES, PIXEL_TAGS, swapped
from pellucid.archive.dictionary import (
    KEYS,
    LUT_DATA,
    LUT_DESCRIPTOR,
    LUT_DESCRIPTORS,
    PIXEL_REPRESENTATION,
    PUBLIC_VRS,
    UNKNOWN_SIGN,
    private_vr,
    settled,
)
from pellucid.archive.refusals import FailureReason, StoreRefusedError
from pellucid.archive.values import BINARY_WIDTHS, NUMBER_CODES, Converter, NotCoveredError, converters, text_of

MAXIMUM_ELEMENTS = 1_000_000
"""Attributes of a data set, those of its sequences and the fragments of its pixels included."""

MAXIMUM_DEPTH = 64
"""Sequences within sequences."""

MAXIMUM_INLINE_BYTES = 64 << 20
"""Of long values that are no bulk data: texts and numbers, which the index holds."""

PLACE = "\0"
"""What the URIs of bulk data begin with until the identifiers are known; no JSON text has it."""

_UNDEFINED = 0xFFFFFFFF
_CHARACTER_SET = 0x00080005
_PIXEL_DATA = 0x7FE00010
_PADDING = 0xFFFCFFFC
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SPECIAL = frozenset({_CHARACTER_SET, PIXEL_REPRESENTATION, *LUT_DESCRIPTORS, *PIXEL_TAGS})
_LONG = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
_SHORT = frozenset(
    {"AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "PN", "SH", "SL", "SS", "ST", "TM"}
    | {"UI", "UL", "US"}
)
_EXPLICIT = {vr.encode(): (vr, vr in _LONG) for vr in _LONG | _SHORT}

_Head = tuple[int, str, int, int]
"""Tag, VR, where the value begins, its length."""


@dataclass(slots=True)
class _Scope:
    """What holds within one data set: the whole one, or an item of a sequence."""

    implicit: bool
    encodings: Encodings
    path: str = ""
    depth: int = 0
    undefined: bool = False
    sign: int | None = None
    sign_assumed: bool = False
    lut_entries: int | None = None
    creators: dict[int, tuple[str, int, int]] = field(default_factory=dict)


class Walk:
    """One walk through `data` from byte `start` on.

    `lines`: each attribute as DICOM JSON, `"00100010":{…}`, in order. `spans`: VR, begin and end of the values of
    the attributes in `wanted`. `encodings`: the character set of the data set.
    """

    def __init__(
        self, data: bytes | mmap, start: int, *, implicit: bool, big_endian: bool, wanted: frozenset[int]
    ) -> None:
        self._data = data
        self._order = ">" if big_endian else "<"
        self._explicit = struct.Struct(f"{self._order}HH2sH").unpack_from
        self._plain = struct.Struct(f"{self._order}HHL").unpack_from
        self._length = struct.Struct(f"{self._order}L").unpack_from
        self._converters: dict[str, Converter] = CONVERTERS[self._order]
        self._wanted = wanted
        self._count = self._inline = 0
        self.spans: dict[int, tuple[str, int, int]] = {}
        scope = _Scope(implicit, DEFAULT)
        try:
            if self._looks_implicit(start) != implicit:
                raise NotCoveredError
            self.lines, _ = self._dataset(start, len(data), scope)
        except struct.error:
            raise self._truncated() from None
        self.encodings = scope.encodings
        if not self._count:
            raise StoreRefusedError(
                "holds no readable attributes: truncated or damaged?", FailureReason.CANNOT_UNDERSTAND
            )

    def text(self, tag: int) -> str:
        """The value of a wanted attribute as text; empty where there is none."""
        if tag not in self.spans:
            return ""
        vr, start, stop = self.spans[tag]
        return text_of(vr, self._data[start:stop], self.encodings, self._order)

    def _dataset(self, position: int, end: int, scope: _Scope) -> tuple[list[str], int]:
        """The JSON of one data set, and where it ends."""
        data, convertible, encodings = self._data, self._converters, scope.encodings
        head = self._implicit_head if scope.implicit else self._explicit_head
        lines: list[str] = []
        previous = 0x0002FFFF  # command and file meta groups are no part of a data set
        line: str | None
        undefined = False
        while end - position >= 8:
            tag, vr, start, length = head(position, scope)
            if tag <= previous:
                raise NotCoveredError
            if tag == _ITEM_END and scope.undefined:
                return lines, start
            previous = tag
            self._count_one()
            undefined = length == _UNDEFINED
            stop = after = start + length
            if undefined:
                line, stop, after = self._undefined(tag, vr, start, end, scope)
            elif stop > end:
                raise self._overrun(scope)
            elif vr in convertible and tag not in _SPECIAL:
                if length > BULK_BYTES:
                    self._count_inline(length)
                value = convertible[vr](data[start:stop], encodings) if length else ""
                line = None if value is None else f'{KEYS[tag]}{{"vr":"{vr}"{value}}}'
            else:
                line, vr = self._special(tag, vr, start, stop, scope)
                encodings = scope.encodings
            if line is not None and tag != _PADDING:
                lines.append(line)
            if tag & 0x1FF00 == 0x10000:
                if line is None:  # a private creator that is no text
                    raise NotCoveredError
                scope.creators[tag] = vr, start, stop
            elif scope.depth == 0 and tag in self._wanted:
                self.spans[tag] = vr, start, stop
            position = after
        self._require_end(position, end, scope, undefined=undefined)
        return lines, position

    def _explicit_head(self, position: int, _scope: _Scope) -> _Head:
        group, element, code, length = self._explicit(self._data, position)
        form = _EXPLICIT.get(code)
        if form is None:
            if group == _ITEM_END >> 16:
                return group << 16 | element, "", position + 8, 0
            raise NotCoveredError
        vr, long = form
        if long:
            return group << 16 | element, vr, position + 12, self._length(self._data, position + 8)[0]
        return group << 16 | element, vr, position + 8, length

    def _implicit_head(self, position: int, scope: _Scope) -> _Head:
        group, element, length = self._plain(self._data, position)
        tag = group << 16 | element
        vr = self._private_vr(tag, scope) if group & 1 else PUBLIC_VRS[tag]
        return tag, vr, position + 8, length

    def _private_vr(self, tag: int, scope: _Scope) -> str:
        creator = scope.creators.get(tag & 0xFFFF0000 | (tag & 0xFF00) >> 8)
        if creator is None:
            return private_vr(tag, "")
        vr, start, stop = creator
        vr = "LO" if vr == "UN" else vr
        return private_vr(tag, text_of(vr, self._data[start:stop], scope.encodings, self._order))

    def _special(self, tag: int, vr: str, start: int, stop: int, scope: _Scope) -> tuple[str | None, str]:
        """The JSON of an attribute that needs a closer look, and its VR."""
        if tag in PIXEL_TAGS:
            return self._pixels(tag, vr, scope), vr
        named = vr
        if vr == "UN" and not scope.implicit:
            vr = self._known_vr(tag, stop - start, scope)
        if " or " in vr:
            vr = self._settled(tag, vr, scope)
        if vr == "SQ":
            items, end = self._sequence(tag, start, stop, stop, scope)
            if end != stop:
                raise NotCoveredError
            return f'{KEYS[tag]}{{"vr":"SQ","Value":[{",".join(items)}]}}', vr
        if vr in BINARY_WIDTHS:
            return self._binary(tag, vr, start, stop, scope), vr
        if vr not in self._converters:
            raise NotCoveredError
        if stop - start > BULK_BYTES:
            self._count_inline(stop - start)
        value = self._data[start:stop]
        if tag in _SPECIAL:
            self._note(tag, vr, value, scope)
        if tag == _CHARACTER_SET and not scope.depth:
            return f'{KEYS[tag]}{{"vr":"CS","Value":["ISO_IR 192"]}}', vr
        if tag in LUT_DESCRIPTORS and vr in NUMBER_CODES and vr not in ("US", "SS"):
            raise NotCoveredError
        if tag in LUT_DESCRIPTORS and vr == "SS" and named == vr and len(value) > 2:
            if len(value) % 2:
                raise NotCoveredError
            # The first number, how many entries the table has, is unsigned whatever the VR (PS3.3 C.11.1.1.1).
            first = struct.unpack_from(f"{self._order}H", value)[0]
            rest = struct.unpack(f"{self._order}{len(value) // 2 - 1}h", value[2:])
            return f'{KEYS[tag]}{{"vr":"SS","Value":[{",".join(map(str, (first, *rest)))}]}}', vr
        text = self._converters[vr](value, scope.encodings) if value else ""
        return (None if text is None else f'{KEYS[tag]}{{"vr":"{vr}"{text}}}'), vr

    def _note(self, tag: int, vr: str, value: bytes, scope: _Scope) -> None:
        """What later attributes depend on."""
        if tag == _CHARACTER_SET:
            if vr != "CS":
                raise NotCoveredError
            scope.encodings = encodings_of(value)
        elif tag == PIXEL_REPRESENTATION:
            plain = vr == "US" and len(value) == 2
            scope.sign = struct.unpack(f"{self._order}H", value)[0] if plain else UNKNOWN_SIGN
        elif tag == LUT_DESCRIPTOR and len(value) == 6:
            scope.lut_entries = struct.unpack_from(f"{self._order}H", value)[0]

    def _known_vr(self, tag: int, length: int, scope: _Scope) -> str:
        """The VR of an attribute that came as UN, because the sender did not know it (PS3.5 section 6.2.2)."""
        if tag & 0x10000:
            return self._private_vr(tag, scope)
        return PUBLIC_VRS[tag] if length < 0xFFFF and tag & 0xFFFF else "UN"

    def _settled(self, tag: int, vr: str, scope: _Scope) -> str:
        if tag == LUT_DATA and scope.lut_entries is not None:
            return "US" if scope.lut_entries == 1 else "OW"
        settled_vr = settled(tag, vr, scope.sign, implicit=scope.implicit)
        if vr == "US or SS" and scope.sign is None:
            scope.sign_assumed = True
        return settled_vr

    def _pixels(self, tag: int, vr: str, scope: _Scope) -> str:
        if vr in ("UN", "SQ") or (tag == _PIXEL_DATA and scope.sign_assumed):
            raise NotCoveredError
        vr = "OW" if vr == "OB or OW" else vr
        return f'{KEYS[tag]}{{"vr":"{vr}","BulkDataURI":"{PLACE}{scope.path}/{tag:08X}"}}'

    def _binary(self, tag: int, vr: str, start: int, stop: int, scope: _Scope) -> str:
        if stop == start:
            return f'{KEYS[tag]}{{"vr":"{vr}"}}'
        if stop - start > BULK_BYTES:
            return f'{KEYS[tag]}{{"vr":"{vr}","BulkDataURI":"{PLACE}{scope.path}/{tag:08X}"}}'
        value = self._data[start:stop]
        if self._order == ">":
            value = swapped(value, vr)
        return f'{KEYS[tag]}{{"vr":"{vr}","InlineBinary":"{base64.b64encode(value).decode("ascii")}"}}'

    def _undefined(self, tag: int, vr: str, start: int, end: int, scope: _Scope) -> tuple[str, int, int]:
        """An element that lasts until its delimiter: its JSON, the end of its value, and of the element."""
        if tag & 0x10000 and scope.implicit:
            group, element, _ = self._plain(self._data, start)
            vr = "SQ" if group << 16 | element == _ITEM else ""
        if vr == "SQ" or (vr == "UN" and not scope.implicit and tag not in PIXEL_TAGS):
            items, after = self._sequence(tag, start, None, end, scope)
            return f'{KEYS[tag]}{{"vr":"SQ","Value":[{",".join(items)}]}}', after - 8, after
        if tag in PIXEL_TAGS:
            line = self._pixels(tag, vr, scope)
            stop = self._fragments_end(start, end, scope)
        elif vr in BINARY_WIDTHS:
            stop = self._fragments_end(start, end, scope)
            line = self._binary(tag, vr, start, stop, scope)
        else:
            raise NotCoveredError
        return line, stop, stop + 8

    def _sequence(self, tag: int, start: int, stop: int | None, end: int, scope: _Scope) -> tuple[list[str], int]:
        """The JSON of a sequence's items, and where it ends; `stop` is None where a delimiter says so."""
        if scope.depth >= MAXIMUM_DEPTH:
            raise _too_large(f"nests sequences more than {MAXIMUM_DEPTH} deep")
        sign = scope.sign if stop is not None else None
        if stop is not None and tag < PIXEL_REPRESENTATION:
            sign = UNKNOWN_SIGN
        items: list[str] = []
        position = start
        while stop is None or position < stop:
            if end - position < 8:
                raise NotCoveredError
            group, element, length = self._plain(self._data, position)
            mark = group << 16 | element
            position += 8
            if mark == _SEQUENCE_END and stop is None:
                break
            if mark != _ITEM or (length != _UNDEFINED and length > end - position):
                raise NotCoveredError
            self._count_one()
            item = _Scope(
                implicit=scope.implicit or self._looks_implicit(position),
                encodings=scope.encodings,
                path=f"{scope.path}/{tag:08X}/{len(items)}",
                depth=scope.depth + 1,
                undefined=length == _UNDEFINED,
                sign=sign,
            )
            lines, position = self._dataset(position, end if item.undefined else position + length, item)
            items.append("{" + ",".join(lines) + "}")
        return items, position

    def _looks_implicit(self, position: int) -> bool:
        """Whether the element here has no VR: items within UN are implicit VR whatever is around them."""
        code = self._data[position + 4 : position + 6]
        return not (len(code) == 2 and 0x40 < code[0] < 0x5B and 0x40 < code[1] < 0x5B)

    def _fragments_end(self, position: int, end: int, scope: _Scope) -> int:
        """Where the delimiter of encapsulated fragments is (PS3.5 annex A.4)."""
        while end - position >= 8:
            group, element, length = self._plain(self._data, position)
            mark = group << 16 | element
            if mark == _SEQUENCE_END:
                return position
            if mark != _ITEM:
                raise NotCoveredError
            self._count_one()
            position += 8 + length
        raise self._overrun(scope)

    def _require_end(self, position: int, end: int, scope: _Scope, *, undefined: bool) -> None:
        if scope.depth:
            if scope.undefined or position != end:
                raise NotCoveredError
        elif position != end and (undefined or self._data[position:end].strip(b"\0")):
            raise self._truncated()

    def _overrun(self, scope: _Scope) -> Exception:
        return NotCoveredError() if scope.depth else self._truncated()

    def _truncated(self) -> StoreRefusedError:
        return StoreRefusedError(
            f"ends at byte {len(self._data)} within an attribute: truncated", FailureReason.CANNOT_UNDERSTAND
        )

    def _count_one(self) -> None:
        self._count += 1
        if self._count > MAXIMUM_ELEMENTS:
            raise _too_large(f"has more than {MAXIMUM_ELEMENTS} attributes")

    def _count_inline(self, length: int) -> None:
        self._inline += length
        if self._inline > MAXIMUM_INLINE_BYTES:
            raise _too_large(f"has more than {MAXIMUM_INLINE_BYTES} bytes of text and numbers")


def _too_large(message: str) -> StoreRefusedError:
    return StoreRefusedError(message, FailureReason.OUT_OF_RESOURCES)


CONVERTERS = {order: converters(order) for order in "<>"}
