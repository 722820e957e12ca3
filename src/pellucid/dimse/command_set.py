"""The command set of a DIMSE message (PS3.7 section 6.3 and annex E), by keyword, as Implicit VR Little Endian."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from enum import IntEnum
from typing import Any

NO_DATA_SET = 0x0101
RESPONSE = 0x8000
"""Set in the command field of a response."""

Command = dict[str, Any]


class Operation(IntEnum):
    """Command Field (0000,0100) of requests; a response's has `RESPONSE` set (PS3.7 table E.1-1)."""

    C_STORE = 0x0001
    C_GET = 0x0010
    C_FIND = 0x0020
    C_MOVE = 0x0021
    C_ECHO = 0x0030
    N_EVENT_REPORT = 0x0100
    N_GET = 0x0110
    N_SET = 0x0120
    N_ACTION = 0x0130
    N_CREATE = 0x0140
    N_DELETE = 0x0150
    C_CANCEL = 0x0FFF


_ELEMENTS: dict[str, tuple[int, str]] = {
    "AffectedSOPClassUID": (0x0002, "UI"),
    "RequestedSOPClassUID": (0x0003, "UI"),
    "CommandField": (0x0100, "US"),
    "MessageID": (0x0110, "US"),
    "MessageIDBeingRespondedTo": (0x0120, "US"),
    "MoveDestination": (0x0600, "AE"),
    "Priority": (0x0700, "US"),
    "CommandDataSetType": (0x0800, "US"),
    "Status": (0x0900, "US"),
    "OffendingElement": (0x0901, "AT"),
    "ErrorComment": (0x0902, "LO"),
    "ErrorID": (0x0903, "US"),
    "AffectedSOPInstanceUID": (0x1000, "UI"),
    "RequestedSOPInstanceUID": (0x1001, "UI"),
    "EventTypeID": (0x1002, "US"),
    "AttributeIdentifierList": (0x1005, "AT"),
    "ActionTypeID": (0x1008, "US"),
    "NumberOfRemainingSuboperations": (0x1020, "US"),
    "NumberOfCompletedSuboperations": (0x1021, "US"),
    "NumberOfFailedSuboperations": (0x1022, "US"),
    "NumberOfWarningSuboperations": (0x1023, "US"),
    "MoveOriginatorApplicationEntityTitle": (0x1030, "AE"),
    "MoveOriginatorMessageID": (0x1031, "US"),
}
_KEYWORDS = {element: (keyword, vr) for keyword, (element, vr) in _ELEMENTS.items()}
_ERROR_COMMENT_LENGTH = 64


class CommandError(ValueError):
    """Bytes that are not a command set."""


def encode(command: Mapping[str, Any]) -> bytes:
    """The bytes of a command set, its group length first."""
    parts = []
    for keyword in sorted(command, key=lambda name: _ELEMENTS[name][0]):
        element, vr = _ELEMENTS[keyword]
        value = _encoded(command[keyword], vr)
        parts.append(struct.pack("<HHI", 0, element, len(value)) + value)
    body = b"".join(parts)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def decode(data: bytes) -> Command:
    """A command set by keyword; unknown and retired elements are left out. Raises `CommandError`."""
    command: Command = {}
    position = 0
    while position < len(data):
        if position + 8 > len(data):
            raise CommandError("ends within an element")
        group, element, length = struct.unpack_from("<HHI", data, position)
        position += 8
        if group != 0 or position + length > len(data):
            raise CommandError("holds an element of another group, or one longer than itself")
        if element in _KEYWORDS:
            keyword, vr = _KEYWORDS[element]
            command[keyword] = _decoded(data[position : position + length], vr, keyword)
        position += length
    if "CommandField" not in command or "CommandDataSetType" not in command:
        raise CommandError("names no command, or not whether a data set follows")
    return command


def _encoded(value: Any, vr: str) -> bytes:
    if vr == "US":
        return struct.pack("<H", value)
    if vr == "AT":
        tags = [value] if isinstance(value, int) else value
        return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in tags)
    text = str(value).encode("ascii", "replace")
    if vr == "LO":
        text = text[:_ERROR_COMMENT_LENGTH]
    return text + (b"\0" if vr == "UI" else b" ") * (len(text) % 2)


def _decoded(data: bytes, vr: str, keyword: str) -> Any:
    if vr == "US":
        if len(data) != 2:
            raise CommandError(f"has a {keyword} of {len(data)} bytes; expected 2")
        return int.from_bytes(data, "little")
    if vr == "AT":
        whole = len(data) // 4 * 4
        pairs = struct.iter_unpack("<HH", data[:whole])
        return [group << 16 | element for group, element in pairs]
    return data.decode("ascii", "replace").strip("\0 ")
