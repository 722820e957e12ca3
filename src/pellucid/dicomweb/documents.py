"""Documents for people: encapsulated files as they are, and structured reports as HTML (PS3.18 section 8.7.3.4)."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import UID

_ENCAPSULATED = {
    "1.2.840.10008.5.1.4.1.1.104.1": "application/pdf",
    "1.2.840.10008.5.1.4.1.1.104.2": "text/xml",
    "1.2.840.10008.5.1.4.1.1.104.3": "model/stl",
    "1.2.840.10008.5.1.4.1.1.104.4": "model/obj",
    "1.2.840.10008.5.1.4.1.1.104.5": "model/mtl",
}
_REPORTS = "1.2.840.10008.5.1.4.1.1.88."
_DEEPEST = 32
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto}dt{font-weight:600}dd{margin-left:1rem}"
)


def document_media(sop_class: str) -> str:
    """The media type that instances of a SOP class are given in for people; empty where they are no documents."""
    if sop_class.startswith(_REPORTS):
        return "text/html"
    return _ENCAPSULATED.get(sop_class, "")


def document(dataset: Dataset, sop_class: str) -> bytes:
    """A document for people."""
    if sop_class.startswith(_REPORTS):
        return _report(dataset).encode()
    length = dataset.get("EncapsulatedDocumentLength")
    data = bytes(dataset.get("EncapsulatedDocument") or b"")
    return data[: int(length)] if length else data


def _report(dataset: Dataset) -> str:
    title = _meaning(dataset.get("ConceptNameCodeSequence")) or UID(dataset.get("SOPClassUID", "")).name
    heads = [str(dataset.get(word) or "") for word in ("PatientName", "PatientID", "StudyDate", "CompletionFlag")]
    state = " · ".join([*filter(None, heads), str(dataset.get("VerificationFlag") or "UNVERIFIED")])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
        f"<h1>{escape(title)}</h1><p>{escape(state)}</p><dl>{''.join(_items(dataset, 0))}</dl></html>"
    )


def _items(dataset: Dataset, depth: int) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    for item in dataset.get("ContentSequence") or ():
        yield f"<dt>{escape(_meaning(item.get('ConceptNameCodeSequence')))}</dt><dd>{escape(_value(item))}"
        below = "".join(_items(item, depth + 1))
        yield f"<dl>{below}</dl></dd>" if below else "</dd>"


def _value(item: Dataset) -> str:
    kind = item.get("ValueType")
    if kind == "NUM":
        measured = item.get("MeasuredValueSequence") or ()
        return " ".join(
            f"{m.get('NumericValue', '')} {_meaning(m.get('MeasurementUnitsCodeSequence'))}" for m in measured
        )
    if kind == "CODE":
        return _meaning(item.get("ConceptCodeSequence"))
    if kind in ("IMAGE", "COMPOSITE", "WAVEFORM"):
        return ", ".join(str(r.get("ReferencedSOPInstanceUID", "")) for r in item.get("ReferencedSOPSequence") or ())
    keywords = {"PNAME": "PersonName", "UIDREF": "UID", "TEXT": "TextValue", "DATE": "Date", "TIME": "Time"}
    keyword = keywords.get(str(kind), "DateTime" if kind == "DATETIME" else "")
    return str(item.get(keyword, "")) if keyword else ""


def _meaning(codes: Any) -> str:
    return str(codes[0].get("CodeMeaning", "")) if codes else ""
