"""The few verbs: read, scan, reconstruct, save, describe; the same in Python, on the command line and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.acquisition import Acquisition, summary_of
from pellucid.errors import InvalidInputError, UnknownOptionError, UnsupportedError
from pellucid.image import Image
from pellucid.modality import HEAD_BYTES, Modality, Reader, all_modalities
from pellucid.modality import modality as modality_of
from pellucid.modality import reconstruct as _reconstruct
from pellucid.parameters import changed
from pellucid.progress import Progress, no_progress
from pellucid.study import POSITION_ASSUMED, StudyContext

if TYPE_CHECKING:
    from pellucid.anatomy import Anatomy

Thing = Acquisition | Image

CONTAINER = ".pellucid.h5"
_NIFTI = (".nii", ".nii.gz")
_NO_FOLDERS = (
    ".dcm", ".dicom", ".ima", ".nrrd", ".mha", ".mhd", ".h5", ".hdf5", ".mat", ".npy", ".npz", ".png", ".jpg",
    ".jpeg", ".tif", ".tiff", ".img", ".hdr", ".gz", ".zip", ".json",
)  # fmt: skip
"""Names that ask for a file of a format that is not written."""


@dataclass
class _Found:
    """What a path holds: things with the file or folder they came from, and what was passed over, with the reason."""

    things: list[tuple[str, Thing]] = field(default_factory=list)
    passed_over: list[InvalidInputError] = field(default_factory=list)

    def add(self, file: Path, things: list[Thing]) -> None:
        """Add what a file holds, less what its other half (header or data, of the same name) gave already."""
        halves = [thing for source, thing in self.things if pair_name(Path(source)) == pair_name(file)]
        new = [thing for thing in things if not any(is_same(thing, half) for half in halves)]
        self.things += [(str(file), thing) for thing in new]


def read(path: str | Path, kind: type | None = None) -> Thing:
    """The one signal or image in a file or folder; the one of `kind` where there is exactly one of it.

    Formats: DICOM, NIfTI, `.pellucid.h5` and every modality's raw formats. Raises `InvalidInputError` where there is
    none (listing what was tried), more than one (listing what was found), or the file is broken.
    """
    things = read_all(path)
    wanted = [thing for thing in things if isinstance(thing, kind or object)]
    if len(things) == 1 or len(wanted) == 1:
        return (wanted or things)[0]
    listed = "; ".join(_title(thing) for thing in things[:8]) + ("; …" if len(things) > 8 else "")
    raise InvalidInputError(
        f"holds {len(things)} signals and images, expected one: {listed}. "
        "Name one of its files; in Python, read_all gives all",
        file=path,
    )


def read_all(path: str | Path) -> list[Thing]:
    """Every signal and image in a file or folder (searched through).

    In a folder, files of no known format are passed over, and so are objects that hold no image, where there is
    anything else; a broken file of a known format is refused. Raises `InvalidInputError`; see `read`.
    """
    return [thing for _, thing in _find(Path(path)).things]


def scan(
    anatomy: Anatomy,
    protocol: str,
    name: str | None = None,
    *,
    seed: int = 0,
    study: StudyContext | None = None,
    progress: Progress = no_progress,
    **changes: Any,
) -> Acquisition:
    """The signal of a digital patient: `scan(anatomy, "mr/t1_gre")` or `scan(anatomy, "mr", "t1_gre")`.

    `changes`: settings of the protocol, checked. `seed`: of the noise. Raises `UnknownOptionError` with the known
    names for an unknown modality, protocol or setting, `InvalidInputError` for a value out of range.
    """
    owner, settings = _protocol(protocol, name)
    new = changed(settings, changes, f"{owner.key} {protocol}")
    raw: Acquisition = owner.scan(anatomy, new, seed=seed, study=study, progress=progress)
    return raw


def reconstruct(
    raw: Acquisition, method: str | None = None, *, progress: Progress = no_progress, **parameters: Any
) -> Image:
    """Image from a signal by a named method (default: the modality's choice for this signal).

    Raises `UnknownOptionError` with the known names for an unknown method or parameter, `InvalidInputError` where
    the method cannot be used on `raw`, or a value is out of range or, other than the default, does nothing on `raw`.
    """
    if not isinstance(raw, Acquisition):
        raise InvalidInputError(f"is a {type(raw).__name__}; expected a raw signal (an Acquisition)", field="raw")
    return _reconstruct(raw, method, progress=progress, parameters=parameters)


def save(thing: Thing, target: str | Path) -> list[Path]:
    """Write a signal or an image; the files written.

    An image goes into a folder as a DICOM series (series number: the next free one there) or to `.nii`/`.nii.gz`;
    a signal goes, without loss, to `.pellucid.h5`. Raises `InvalidInputError` for any other name, and where the
    file cannot be written or DICOM cannot hold the image.
    """
    target = Path(target)
    require_place(type(thing), target)
    if isinstance(thing, Acquisition):
        return [_save_signal(thing, target)]
    from pellucid.dicom import write_nifti, write_series

    if target.name.lower().endswith(_NIFTI):
        return [write_nifti(thing, target)]
    return write_series(thing, target, series_number=_free_series_number(target))


def require_place(kind: type, target: str | Path) -> None:
    """Raise where `save` could not write a thing of `kind` to `target`: to be asked before long work."""
    target = Path(target)
    name = target.name.lower()
    if issubclass(kind, Acquisition):
        if not name.endswith(CONTAINER):
            raise InvalidInputError(
                f"is no place for a raw signal; expected a name ending in {CONTAINER}, or reconstruct it to an image",
                file=target,
            )
    elif not issubclass(kind, Image):
        raise InvalidInputError(f"is a {kind.__name__}; expected a signal or an image", field="thing")
    elif name.endswith(_NO_FOLDERS) and not name.endswith(_NIFTI) and not target.is_dir():
        raise InvalidInputError(
            "is no place for an image; expected a folder (for a DICOM series), .nii or .nii.gz", file=target
        )
    is_file = name.endswith((CONTAINER, *_NIFTI))
    folders = target.absolute().parents if is_file else (target.absolute(), *target.absolute().parents)
    if not next(folder for folder in folders if folder.exists()).is_dir():
        raise InvalidInputError("cannot be written: a file is where a folder must be", file=target)
    if is_file and target.is_dir():
        raise InvalidInputError("cannot be written: a folder is where the file must be", file=target)


def describe(path: str | Path) -> dict[str, Any]:
    """What a file or folder holds and what can be done with it, as plain data.

    Broken files beside others in a folder are named in `passed_over`; raises as `read_all` where there is no other.
    """
    found = _find(Path(path), passing_over_broken=True)
    result: dict[str, Any] = {"path": str(path), "found": [_describe(thing, source) for source, thing in found.things]}
    if found.passed_over:
        result["passed_over"] = [str(error) for error in found.passed_over]
    return result


def check(path: str | Path) -> list[str]:
    """Where the DICOM files of `path` break the standard's definition of their objects, one line each."""
    from pellucid.dicom.conformance import conformance
    from pellucid.dicom.read import dataset_of, may_be_dicom

    files = [file for file in _files(Path(path)) if may_be_dicom(file)]
    if not files:
        raise InvalidInputError("holds no DICOM file", file=path)
    return conformance(dataset_of(file) for file in files)


def _protocol(protocol: str, name: str | None) -> tuple[Modality, Any]:
    key, _, rest = protocol.partition("/")
    wanted = name or rest
    if not wanted:
        everything = [f"{owner.key}/{known.name}" for owner in all_modalities() for known in owner.protocols]
        raise UnknownOptionError("protocol", protocol, everything)
    owner = modality_of(key)
    return owner, owner.protocol(wanted).settings


def _find(path: Path, *, passing_over_broken: bool = False) -> _Found:
    if not path.exists():
        raise InvalidInputError("does not exist", file=path)
    if not (path.is_file() or path.is_dir()):
        raise InvalidInputError("is a pipe, socket or device; expected a file or folder", file=path)
    found = _Found()
    passed = InvalidInputError if passing_over_broken and path.is_dir() else ()
    dicom: list[Path] = []
    for file in _files(path):
        try:
            with _opened(file) as stream:
                head = stream.read(HEAD_BYTES)
            if not _read_raw(file, head, found) and _is_dicom(head, file.name):
                dicom.append(file)
        except passed as error:
            found.passed_over.append(error)
    try:
        if dicom:
            _read_dicom(path, dicom, found)
    except passed as error:
        found.passed_over.append(error)
    if not found.things:
        raise _nothing(path, found.passed_over)
    return found


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.rglob("*") if file.is_file())
    else:
        yield path


def _opened(file: Path) -> Any:
    try:
        return file.open("rb")
    except OSError as error:
        raise InvalidInputError(f"cannot be opened ({error.strerror or error})", file=file) from error


def _is_dicom(head: bytes, name: str) -> bool:
    from pellucid.dicom.read import sniff

    return sniff(head, name) and name != "DICOMDIR"


def _readers() -> Iterator[tuple[str, tuple[str, ...], Any, Any]]:
    """Title, extensions, sniff and read of every format that is one file, the modalities' own first."""
    from pellucid import container
    from pellucid.dicom import nifti

    for owner in all_modalities():
        reader: Reader
        for reader in owner.readers:
            yield reader.title, reader.extensions, reader.sniff, reader.read
    yield "Pellucid signal", (CONTAINER,), container.sniff, lambda file: [container.read(file)]
    yield "NIfTI", _NIFTI, nifti.sniff, lambda file: [nifti.read_nifti(file)]


def _read_raw(file: Path, head: bytes, found: _Found) -> bool:
    """Whether a reader knew the file; of those that may, the first that can read it is taken."""
    failures: list[tuple[str, InvalidInputError]] = []
    for title, reader in _candidates(file, head):
        try:
            found.add(file, reader(file))
        except InvalidInputError as error:
            failures.append((title, error))
        except (Exception, MemoryError) as error:  # noqa: BLE001 (a broken file must never end in a traceback)
            reason = f"cannot be read as {title}: it does not hold what that format has ({type(error).__name__})"
            failures.append((title, InvalidInputError(reason, file=file)))
            failures[-1][1].__cause__ = error
        else:
            return True
    if not failures:
        return False
    unsupported = next((error for _, error in failures if isinstance(error, UnsupportedError)), None)
    if unsupported is None:
        raise _none_fits(file, failures)
    found.passed_over.append(unsupported)
    return True


def pair_name(file: Path) -> Path:
    """What the two halves of a pair (header and data) have in common: folder and name up to the first dot."""
    return file.with_name(file.name.partition(".")[0] or file.name)


def is_same(a: Thing, b: Thing) -> bool:
    """Whether two signals hold the same numbers."""
    if type(a) is not type(b):
        return False
    pairs = [(getattr(a, item.name), getattr(b, item.name)) for item in fields(a)]
    arrays = [(x, y) for x, y in pairs if isinstance(x, np.ndarray) or isinstance(y, np.ndarray)]
    return bool(arrays) and all(np.array_equal(x, y) for x, y in arrays)


def _candidates(file: Path, head: bytes) -> list[tuple[str, Any]]:
    """Title and read of the readers that may know the file: those with the most telling extension alone."""
    found = []
    for title, extensions, sniff, reader in _readers():
        if sniff(head, file.name):
            found.append((max(_fitting(file, extensions)), title, reader))
    most = max((length for length, _, _ in found), default=0)
    return [(title, reader) for length, title, reader in found if length == most]


def _fitting(file: Path, extensions: tuple[str, ...]) -> list[int]:
    """Lengths of the extensions that the file's name has; [0] at least."""
    return [0, *(len(end) for end in extensions if file.name.lower().endswith(end.lower()))]


def _none_fits(file: Path, failures: list[tuple[str, InvalidInputError]]) -> InvalidInputError:
    """One line that says for each format the file may be of why it is not."""
    if len(failures) == 1:
        return failures[0][1]
    reasons = "; ".join(f"as {title}: {str(error).removeprefix(f'{file}: ')}" for title, error in failures)
    return InvalidInputError(f"cannot be read {reasons}", file=file)


def _read_dicom(path: Path, files: list[Path], found: _Found) -> None:
    from pellucid.dicom.read import read_all as read_dicom

    images, refused = read_dicom(files)
    found.things += [(str(path), image) for image in images]
    found.passed_over += refused


def _nothing(path: Path, passed_over: list[InvalidInputError]) -> InvalidInputError:
    """Why nothing was found: the first refusal, else the formats tried."""
    if passed_over:
        return passed_over[0]
    if path.is_file() and path.stat().st_size == 0:
        return InvalidInputError("is empty", file=path)
    formats = [("DICOM", ("",)), *((title, extensions) for title, extensions, _, _ in _readers())]
    hint = ""
    if path.is_file():
        lengths = {title: max(_fitting(path, ends)) for title, ends in formats}
        named = [title for title, length in lengths.items() if length == max(lengths.values()) > 0]
        hint = f"its name says {' or '.join(named)}, its content does not; " if named else ""
    known = ", ".join(f"{title} ({' '.join(ends)})" if ends[0] else title for title, ends in formats if ends)
    what = "is in no known format" if path.is_file() else "holds no file of a known format"
    return InvalidInputError(f"{what}: {hint}tried {known}", file=path)


def _save_signal(raw: Acquisition, target: Path) -> Path:
    from pellucid import container

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        container.write(raw, target)
    except OSError as error:
        raise InvalidInputError(f"cannot be written ({error.strerror or error})", file=target) from error
    return target


def _free_series_number(folder: Path) -> int:
    taken = [file.name.partition("-")[0] for file in folder.glob("*-*.dcm")] if folder.is_dir() else []
    return max((int(number) for number in taken if number.isdigit()), default=0) + 1


def _title(thing: Thing) -> str:
    text = f" {thing.description!r}" if thing.description else ""
    if isinstance(thing, Acquisition):
        return f"{thing.modality} signal{text}"
    return f"{thing.modality} image{text} {' x '.join(str(n) for n in thing.array.shape)}"


def _describe(thing: Thing, source: str) -> dict[str, Any]:
    if isinstance(thing, Acquisition):
        return _describe_signal(thing, source)
    low, high = float(thing.array.min()), float(thing.array.max())
    channels = {channel.name: f"{len(channel.values)} values [{channel.unit}]" for channel in thing.channels}
    return {
        "kind": "image",
        "source": source,
        "modality": thing.modality,
        "description": thing.description,
        **_study(thing.study),
        **({"position": POSITION_ASSUMED.removeprefix("Position ")} if thing.position_assumed else {}),
        "quantity": thing.quantity.meaning,
        "unit": thing.quantity.unit,
        "slices, rows, columns": list(thing.shape),
        "spacing_mm": [round(value, 6) for value in thing.spacing_mm],
        "smallest, largest value": [low, high],
        **({"channels": channels} if channels else {}),
        "attributes": {keyword: value for keyword, value in thing.attributes.items() if not isinstance(value, list)},
    }


def _describe_signal(raw: Acquisition, source: str) -> dict[str, Any]:
    owner = modality_of(raw.modality)
    methods = [
        {
            "name": method.name,
            "title": method.title,
            "parameters": [parameter.to_json() for parameter in method.parameters_for(raw)],
        }
        for method in owner.methods_for(raw)
    ]
    return {
        "kind": "signal",
        "source": source,
        "modality": raw.modality,
        "description": raw.description,
        **_study(raw.study),
        "summary": summary_of(raw),
        "default_method": owner.default_method(raw),
        "methods": methods,
    }


def _study(study: StudyContext) -> dict[str, str]:
    named = {"patient": study.patient_name, "study": study.study_description, "date": study.study_date}
    return {label: value for label, value in named.items() if value}
