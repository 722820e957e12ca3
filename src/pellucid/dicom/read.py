"""DICOM series → Images."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from pellucid.acquisition import require_finite
from pellucid.dicom.describe import attributes_of, description_of, quantity_of, require_modality, study_of
from pellucid.dicom.frames import Frame, frames_of
from pellucid.dicom.pixels import DECODING_ERRORS
from pellucid.dicom.stacks import Stack, stacks_of
from pellucid.errors import InvalidInputError, UnsupportedError
from pellucid.image import Image, Provenance

_DEFERRED_BYTES = 65536
"""Elements longer than this (pixels) stay in the file until they are needed."""

_NAMES_WITHOUT_IMAGES = ("DICOMDIR",)


def sniff(head: bytes, name: str) -> bool:  # noqa: ARG001
    """Whether a file may be DICOM: the prefix at byte 128, or an old file that begins with group 0008."""
    if head[128:132] == b"DICM":
        return True
    return len(head) >= 12 and head[:2] == b"\x08\x00" and head[3] == 0 and head[2] <= 0x18 and head[2] % 1 == 0


def read_series(paths: Path | str | Iterable[Path | str]) -> list[Image]:
    """Every image in a DICOM file, a folder (searched through) or several of both.

    A series becomes one Image, or several where it holds several stacks (a localiser's planes, magnitude and phase,
    slices of different thickness). Slices are sorted along their normal; gantry tilt gives a sheared affine; echoes,
    b-values, times become channels; classic, enhanced multi-frame, NM tomographic and mosaic instances are read, in
    every transfer syntax that a codec is installed for. Files of a folder that are not DICOM are passed over, and so
    are objects that are no images (structure sets, reports …) where there is an image as well.

    Raises `InvalidInputError` naming file and field where a file is broken or slices contradict each other, and
    `UnsupportedError` with the reason where nothing but objects of other kinds is found.
    """
    found, refused = read_all(paths)
    if not found:
        if refused:
            raise refused[0]
        raise InvalidInputError("holds no DICOM file", file=paths if isinstance(paths, (str, Path)) else None)
    return found


def read_all(paths: Path | str | Iterable[Path | str]) -> tuple[list[Image], list[UnsupportedError]]:
    """As `read_series`, with the objects passed over and why."""
    return images_of(_datasets(paths))


def from_datasets(datasets: Iterable[Dataset]) -> list[Image]:
    """As `read_series`, of instances in memory."""
    found, refused = images_of((dataset, str(dataset.get("SOPInstanceUID", ""))) for dataset in datasets)
    if not found and refused:
        raise refused[0]
    return found


def images_of(instances: Iterable[tuple[Dataset, str]]) -> tuple[list[Image], list[UnsupportedError]]:
    """Images of (instance, its name in messages), and the objects passed over."""
    refused: list[UnsupportedError] = []
    images: list[Image] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of values that break the standard but can be read
        series = _by_series(instances, refused)
        for frames in sorted(series.values(), key=_series_number):
            with _broken_data_named(frames[0].file):
                for stack in stacks_of(frames):
                    try:
                        images.append(_image(stack))
                    except UnsupportedError as error:
                        refused.append(error)
    return images, refused


def _by_series(instances: Iterable[tuple[Dataset, str]], refused: list[UnsupportedError]) -> dict[str, list[Frame]]:
    """Frames by series; each SOP instance once."""
    series: dict[str, list[Frame]] = {}
    seen: set[str] = set()
    for dataset, name in instances:
        with _broken_data_named(name):
            uid = str(dataset.get("SOPInstanceUID") or name)
            if uid in seen:
                continue
            seen.add(uid)
            try:
                frames = frames_of(dataset, name)
            except UnsupportedError as error:
                refused.append(error)
            else:
                series.setdefault(str(dataset.get("SeriesInstanceUID", "")), []).extend(frames)
    return series


@contextmanager
def _broken_data_named(file: str) -> Iterator[None]:
    """What pydicom raises on values it cannot convert, as one line that names the file."""
    try:
        yield
    except InvalidInputError:
        raise
    except DECODING_ERRORS as error:
        reason = " ".join(str(error).split())[:200]
        raise InvalidInputError(f"cannot be read as DICOM ({reason})", file=file) from error


def _series_number(frames: Sequence[Frame]) -> float:
    try:
        return float(frames[0].dataset.get("SeriesNumber") or 0)
    except (TypeError, ValueError):
        return 0.0


def _datasets(paths: Path | str | Iterable[Path | str]) -> Iterator[tuple[Dataset, str]]:
    for start in [paths] if isinstance(paths, (str, Path)) else paths:
        start = Path(start)
        if start.is_dir():
            for path in sorted(p for p in start.rglob("*") if p.is_file() and p.name not in _NAMES_WITHOUT_IMAGES):
                if may_be_dicom(path):
                    yield dataset_of(path), str(path)
        else:
            yield dataset_of(start), str(start)


def may_be_dicom(path: Path) -> bool:
    """Whether the file's beginning looks like DICOM."""
    try:
        with path.open("rb") as file:
            return sniff(file.read(132), path.name)
    except OSError as error:
        raise InvalidInputError(f"cannot be opened ({error.strerror or error})", file=path) from error


def dataset_of(path: Path) -> Dataset:
    """The file's data set, long elements left in the file; raises where it is none."""
    if not path.exists():
        raise InvalidInputError("does not exist", file=path)
    if not may_be_dicom(path):
        reason = "is empty" if path.stat().st_size == 0 else "is not a DICOM file"
        raise InvalidInputError(f"{reason}: neither DICM at byte 128 nor a data set of group 0008", file=path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return dcmread(path, force=True, defer_size=_DEFERRED_BYTES)
    except (*DECODING_ERRORS, InvalidDicomError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InvalidInputError(f"cannot be read as DICOM ({reason}). Truncated file?", file=path) from error


def _image(stack: Stack) -> Image:
    first = stack.first
    modality = require_modality(first.dataset, first.file)
    array = stack.array()
    if "PixelData" not in first.dataset:
        try:
            require_finite(array, "FloatPixelData")
        except InvalidInputError as error:
            raise InvalidInputError(str(error), file=first.file) from error
    dataset = first.dataset
    return Image(
        array=array,
        affine=stack.affine,
        quantity=quantity_of(first),
        modality=modality,
        channels=stack.channels,
        study=study_of(dataset),
        description=description_of(dataset),
        attributes=attributes_of(list(stack.frames)),
        provenance=Provenance(
            operation="read",
            method="dicom",
            sources=(f"DICOM series {dataset.get('SeriesInstanceUID', '')}",),
        ),
    )
