"""The Native DICOM Model (PS3.19 section A.1), to and from the DICOM JSON model (PS3.18 annex F)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from pydicom.datadict import keyword_for_tag

from pellucid.dicomweb.problems import RequestError

Data = dict[str, Any]

_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_COMPONENTS = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_INTEGERS = frozenset({"US", "SS", "UL", "SL", "IS", "UV", "SV"})
_REALS = frozenset({"FL", "FD", "DS"})
_DEEPEST = 64
_NAMESPACE = "http://dicom.nema.org/PS3.19/models/NativeDICOM"


def to_xml(data: Mapping[str, Any]) -> bytes:
    """A data set given as DICOM JSON, as an XML document."""
    attributes = "".join(_attributes(data))
    root = f'<NativeDicomModel xmlns="{_NAMESPACE}">{attributes}</NativeDicomModel>'
    return f'<?xml version="1.0" encoding="UTF-8"?>{root}'.encode()


def from_xml(document: bytes) -> Data:
    """A data set as DICOM JSON; raises `RequestError` 400 where the document is not of the model."""
    root = _Reader().read(document)
    if root.name != "NativeDicomModel":
        raise _malformed(f"the root is {root.name}; expected NativeDicomModel")
    return _data(root)


def _attributes(data: Mapping[str, Any]) -> Iterator[str]:
    for tag, element in data.items():
        keyword = keyword_for_tag(int(tag, 16))
        named = f" keyword={quoteattr(keyword)}" if keyword else ""
        yield f'<DicomAttribute tag="{tag}" vr="{element["vr"]}"{named}>'
        if "InlineBinary" in element:
            yield f"<InlineBinary>{element['InlineBinary']}</InlineBinary>"
        elif "BulkDataURI" in element:
            yield f"<BulkData uri={quoteattr(element['BulkDataURI'])}/>"
        for number, value in enumerate(element.get("Value", ()), start=1):
            yield _value(element["vr"], number, value)
        yield "</DicomAttribute>"


def _value(vr: str, number: int, value: Any) -> str:
    if vr == "SQ":
        return f'<Item number="{number}">{"".join(_attributes(value))}</Item>'
    if value is None:
        return f'<Value number="{number}"/>'
    if vr == "PN":
        return f'<PersonName number="{number}">{"".join(_groups(value))}</PersonName>'
    return f'<Value number="{number}">{_text(str(value))}</Value>'


def _groups(name: Mapping[str, str]) -> Iterator[str]:
    for group in _GROUPS:
        if name.get(group):
            parts = zip(_COMPONENTS, name[group].split("^"), strict=False)
            yield f"<{group}>{''.join(f'<{c}>{_text(part)}</{c}>' for c, part in parts if part)}</{group}>"


def _text(value: str) -> str:
    # XML 1.0 has no way to write these.
    return escape(re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", value))


class _Node:
    def __init__(self, name: str, attributes: Mapping[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[_Node] = []
        self.text = ""


class _Reader:
    """A tree of a document without document type declaration: there are no entities to expand."""

    def __init__(self) -> None:
        self._open = [_Node("", {})]
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._begin
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._refused

    def read(self, document: bytes) -> _Node:
        try:
            self._parser.Parse(document, True)
        except (expat.ExpatError, ValueError, LookupError) as error:
            raise _malformed(f"is not well-formed XML ({error})") from None
        return self._open[0].children[0]

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) > _DEEPEST:
            raise _malformed(f"is nested deeper than {_DEEPEST}")
        node = _Node(name.rpartition(" ")[2], attributes)
        self._open[-1].children.append(node)
        self._open.append(node)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _characters(self, text: str) -> None:
        self._open[-1].text += text

    def _refused(self, *_: Any) -> None:
        raise _malformed("has a document type declaration")


def _data(node: _Node) -> Data:
    found: Data = {}
    for child in node.children:
        tag, vr = child.attributes.get("tag", "").upper(), child.attributes.get("vr", "")
        if child.name != "DicomAttribute" or not re.fullmatch("[0-9A-F]{8}", tag) or not re.fullmatch("[A-Z]{2}", vr):
            raise _malformed(f"has a {child.name} with tag {tag!r} and vr {vr!r}; expected a DicomAttribute")
        found[tag] = _element(child, tag, vr)
    return found


def _element(node: _Node, tag: str, vr: str) -> Data:
    values: list[Any] = []
    for child in node.children:
        if child.name == "InlineBinary":
            return {"vr": vr, "InlineBinary": "".join(child.text.split())}
        if child.name == "BulkData":
            return {"vr": vr, "BulkDataURI": child.attributes.get("uri") or child.attributes.get("uuid", "")}
        if child.name not in ("Item", "PersonName", "Value"):
            raise _malformed(f"has {child.name} in attribute {tag}")
        values.append(_read_value(child, tag, vr))
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _read_value(node: _Node, tag: str, vr: str) -> Any:
    if node.name == "Item":
        return _data(node)
    if node.name == "PersonName":
        return {group.name: _name(group) for group in node.children if group.name in _GROUPS}
    if not node.text:
        return None
    try:
        return int(node.text) if vr in _INTEGERS else float(node.text) if vr in _REALS else node.text
    except ValueError:
        raise _malformed(f"has {node.text!r} in attribute {tag} of {vr}") from None


def _name(group: _Node) -> str:
    parts = {child.name: child.text for child in group.children}
    return "^".join(parts.get(component, "") for component in _COMPONENTS).rstrip("^")


def _malformed(message: str) -> RequestError:
    return RequestError(400, f"the XML {message}")
