"""Does an instance keep to its object's definition? Checked against the standard's own tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import validate_value

from pellucid.dicom.standard import AttributePath, Iod, iod_of
from pellucid.errors import UnsupportedError

_BITS_TO_BYTES = {1: 0.125, 8: 1, 16: 2, 32: 4, 64: 8}
_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
_SAME_IN_A_SERIES = ("StudyInstanceUID", "Modality", "FrameOfReferenceUID", "PatientID", "SeriesNumber")


def conformance(datasets: Iterable[Dataset]) -> list[str]:
    """Where instances break their object's definition, one line each; empty where they do not.

    Checked of each instance: attributes of type 1 of the mandatory modules are there with a value and those of
    type 2 are there (in items of sequences too; conditional ones are not judged), every value fits its value
    representation, the pixel data has the length that rows, columns and bits ask for. Checked of a series:
    SOP instance UIDs differ, and study, modality, patient and frame of reference agree.
    """
    problems: list[str] = []
    instances = list(datasets)
    for number, dataset in enumerate(instances, start=1):
        where = f"instance {number}: " if len(instances) > 1 else ""
        problems += [where + problem for problem in _instance(dataset)]
    return problems + list(_series(instances))


def extensions(dataset: Dataset) -> list[str]:
    """Keywords at the top level that the object's definition does not have (allowed: a standard extension)."""
    iod = iod_of(str(dataset.SOPClassUID))
    return [found.keyword for found in dataset if found.keyword and not iod.has(found.keyword)]


def _instance(dataset: Dataset) -> Iterator[str]:
    uid = dataset.get("SOPClassUID")
    if not uid:
        yield "SOPClassUID: missing (type 1)"
        return
    try:
        iod = iod_of(str(uid))
    except UnsupportedError as error:
        yield str(error)
        return
    yield from _level(dataset, iod, ())
    yield from _pixels(dataset)


def _level(dataset: Dataset, iod: Iod, path: AttributePath) -> Iterator[str]:
    where = "".join(f"{part}." for part in path)
    optional = bool(path) and path[-1] in _GROUPS  # which macros are needed where is not in the tables
    for kind in () if optional else ("1", "2"):
        for keyword in iod.required(kind, path):
            if keyword not in dataset:
                yield f"{where}{keyword}: missing (type {kind})"
            elif kind == "1" and _is_empty(dataset[keyword]):
                yield f"{where}{keyword}: empty (type 1)"
    for found in dataset:
        yield from _values(found, where)
        if found.VR == "SQ" and found.keyword:
            for item in found.value:
                yield from _level(item, iod, (*path, found.keyword))


def _is_empty(found: DataElement) -> bool:
    return found.is_empty if found.VR != "SQ" else len(found.value) == 0


def _values(found: DataElement, where: str) -> Iterator[str]:
    if not found.keyword or found.VR in ("SQ", "UN") or found.is_empty:
        return
    if found.VR not in dictionary_VR(found.tag).split(" or "):
        yield f"{where}{found.keyword}: has value representation {found.VR}, expected {dictionary_VR(found.tag)}"
        return
    for value in found.value if found.VM > 1 else [found.value]:
        try:
            validate_value(found.VR, str(value) if found.VR in ("DS", "IS", "PN") else value, RAISE)
        except (ValueError, TypeError) as error:
            yield f"{where}{found.keyword}: {error}"


def _pixels(dataset: Dataset) -> Iterator[str]:
    meta = getattr(dataset, "file_meta", None)
    syntax = meta.get("TransferSyntaxUID") if meta is not None else None
    for keyword in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
        if keyword not in dataset or (syntax is not None and syntax.is_encapsulated):
            continue
        per_value = _BITS_TO_BYTES.get(dataset.get("BitsAllocated", 0), 0)
        count = int(dataset.get("NumberOfFrames") or 1) * (dataset.get("SamplesPerPixel") or 1)
        expected = int(count * (dataset.get("Rows") or 0) * (dataset.get("Columns") or 0) * per_value + 0.5)
        if len(dataset[keyword].value) != expected + expected % 2:
            got = len(dataset[keyword].value)
            yield f"{keyword}: has {got} bytes; rows, columns, frames and bits ask for {expected}"


def _series(instances: list[Dataset]) -> Iterator[str]:
    uids = Counter(str(dataset.get("SOPInstanceUID")) for dataset in instances)
    yield from (f"SOPInstanceUID: {uid} is used {count} times" for uid, count in uids.items() if count > 1)
    by_series: dict[str, list[Dataset]] = {}
    for dataset in instances:
        by_series.setdefault(str(dataset.get("SeriesInstanceUID")), []).append(dataset)
    for uid, members in by_series.items():
        for keyword in _SAME_IN_A_SERIES:
            found = {str(member.get(keyword)) for member in members}
            if len(found) > 1:
                yield f"{keyword}: differs within series {uid}: {', '.join(sorted(found)[:3])}"
