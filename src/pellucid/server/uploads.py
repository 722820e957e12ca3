"""Uploads: received into a temporary folder, zip files expanded safely, each file stored or reconstructed."""

from __future__ import annotations

import re
import shutil
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from starlette.concurrency import run_in_threadpool

from pellucid import container
from pellucid.access import LOCAL, AuditEvent, Caller
from pellucid.acquisition import Acquisition
from pellucid.archive import Sender, StoreRefusedError
from pellucid.dicomweb.multipart import MultipartReader, ReceivedPart, boundary_of, new_folder
from pellucid.dicomweb.problems import RequestError
from pellucid.errors import InvalidInputError
from pellucid.image import Image
from pellucid.modality import HEAD_BYTES, all_modalities, modality, reconstruct
from pellucid.progress import Progress, part
from pellucid.server.job import Job
from pellucid.server.job_access import owner_of
from pellucid.server.old_dicom import begins_as_data_set, with_header
from pellucid.server.platform import Deposit, Platform, is_dicom

_MAXIMUM_RATIO = 200
_RATIO_FREE_BYTES = 64 << 20
_MAXIMUM_DEPTH = 3
_NAME_BYTES = 200
"""Of 255, which file systems allow: numbers and endings are added."""
_DEEPEST = 16
_IGNORED = re.compile(r"(\..*|__MACOSX|Thumbs\.db|desktop\.ini|DICOMDIR)", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class UploadLimits:
    """Most bytes and files of one upload; what zip files expand to counts."""

    total_bytes: int
    files: int


async def receive(
    platform: Platform, limits: UploadLimits, content_type: str, body: AsyncIterator[bytes]
) -> tuple[Path, list[str]]:
    """Stream a multipart/form-data request into a new folder; the folder and the names of the files in it.

    Raises `RequestError`; the folder is gone then.
    """
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise RequestError(415, "Content-Type: expected multipart/form-data with files")
    folder = await run_in_threadpool(new_folder, platform.archive.incoming, "upload-")
    try:
        parts = await _received(folder, limits, content_type, body)
        names = await run_in_threadpool(_named, folder, parts)
        if not names:
            raise RequestError(400, "files: is missing; expected at least one file")
    except BaseException:
        await run_in_threadpool(shutil.rmtree, folder, ignore_errors=True)
        raise
    return folder, names


def submit(platform: Platform, folder: Path, names: list[str], limits: UploadLimits, caller: Caller = LOCAL) -> Job:
    """Queue the storing of what `receive` gave.

    What holds DICOM images alone does not wait for long jobs: it takes the memory of one instance.
    """
    return platform.jobs.submit(
        "upload",
        f"Upload of {_title(names)}",
        lambda progress: process(platform, folder, limits, progress, caller),
        takes_long=lambda progress: _takes_long(folder, limits, progress),
        cleanup=lambda: shutil.rmtree(folder, ignore_errors=True),
        owner=owner_of(caller),
    )


def _title(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _takes_long(folder: Path, limits: UploadLimits, progress: Progress) -> bool:
    """Whether something in the folder is not stored as it is: signals, and images of other formats."""
    progress(0.0, "Looking at the files")
    with _said_to_sender(folder):
        _expand_all(folder, limits)
        return any(_is_known(file) for file in _files(folder))


def process(
    platform: Platform, folder: Path, limits: UploadLimits, progress: Progress, caller: Caller = LOCAL
) -> dict[str, list[str]]:
    """Store everything in the folder; raises `InvalidInputError` naming the file, and nothing is stored then."""
    with _said_to_sender(folder):
        _expand_all(folder, limits)
        files = _files(folder)
        if not files:
            raise InvalidInputError("holds no files that could be read", field="upload")
        with platform.deposit(Sender(title=caller.name, visible=caller.visible)) as deposit:
            others = _store_dicom(deposit, files, part(progress, 0.0, 0.3))
            passed_over = _store_others(deposit, others, part(progress, 0.3, 0.99)) if others else []
            progress(1.0, _summary(passed_over))
        made = deposit.made.to_json()
        studies = dict.fromkeys(made["study_instance_uids"], "")
        platform.keeper.audit(AuditEvent(event="Import", action="C", caller=caller, studies=studies))
        return made


@contextmanager
def _said_to_sender(folder: Path) -> Iterator[None]:
    """Errors without the temporary folder's name, which means nothing to the sender."""
    try:
        yield
    except InvalidInputError as error:
        raise InvalidInputError(str(error).replace(f"{folder / 'files'}/", "")) from error


async def _received(
    folder: Path, limits: UploadLimits, content_type: str, body: AsyncIterator[bytes]
) -> list[ReceivedPart]:
    reader = MultipartReader(
        boundary_of(content_type),
        folder,
        part_bytes=limits.total_bytes,
        total_bytes=limits.total_bytes,
        parts=limits.files,
    )
    try:
        async for piece in body:
            await run_in_threadpool(reader.feed, piece)
        return reader.finish()
    finally:
        reader.close()


def _named(folder: Path, parts: list[ReceivedPart]) -> list[str]:
    """Give the received files their names (some formats are pairs of files), made harmless; form fields are dropped."""
    names = []
    for item in parts:
        name = item.disposition("filename")
        if not name:
            item.file.unlink()
            continue
        target = _harmless(folder / "files", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        item.file.rename(target)
        names.append(target.name)
    return names


def _harmless(folder: Path, name: str) -> Path:
    """A path for `name` that is within `folder` and free, below folders that no file is in the place of."""
    parts = PurePosixPath(name.replace("\\", "/")).parts[-_DEEPEST:]
    words = [_word(part) for part in parts if part != "/"]
    *parents, last = [word for word in words if word not in ("", ".", "..")] or ["file"]
    for parent in parents:
        folder = _free(folder / parent, taken=Path.is_file)
    return _free(folder / last)


def _word(part: str) -> str:
    """One part of a path without odd characters; of a long one the end, which tells the format."""
    harmless = re.sub(r"[^\w.,()+=@ -]", "_", part)
    return harmless.encode()[-_NAME_BYTES:].decode(errors="ignore").strip()


def _free(path: Path, *, taken: Callable[[Path], bool] = Path.exists) -> Path:
    """The path, with a number before its name where it is taken."""
    name, number = path.name, 1
    while taken(path):
        number += 1
        path = path.with_name(f"{number}_{name}")
    return path


def _files(folder: Path) -> list[Path]:
    """The files to read: not what operating systems and media add."""
    root = folder / "files"
    found = (path for path in root.rglob("*") if path.is_file())
    return sorted(p for p in found if not any(_IGNORED.fullmatch(name) for name in p.relative_to(root).parts))


def _expand_all(folder: Path, limits: UploadLimits) -> None:
    """Replace every zip file by a folder with its content."""
    for _ in range(_MAXIMUM_DEPTH):
        zips = [file for file in _files(folder) if _is_zip(file)]
        if not zips:
            return
        for file in zips:
            _expand(file, folder, limits)
    raise InvalidInputError(f"holds zip files within zip files more than {_MAXIMUM_DEPTH} deep", field="upload")


def _is_zip(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def _expand(file: Path, folder: Path, limits: UploadLimits) -> None:
    target = _free(file.with_name(f"{file.name}.content"))
    count = len(_files(folder))
    try:
        with zipfile.ZipFile(file) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if count + len(members) > limits.files:
                raise InvalidInputError(f"holds {len(members)} files; up to {limits.files} are accepted", file=file)
            budget = _Budget(file, limits.total_bytes - _size(folder))
            for info in members:
                _extract(archive, info, target, budget)
    except (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, OSError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(f"cannot be expanded as a zip file ({error})", file=file) from error
    file.unlink()


class _Budget:
    """Counts what a zip file really expands to: the sizes it declares may be lies."""

    def __init__(self, file: Path, limit: int) -> None:
        self._file = file
        self._left = limit
        self._expanded = 0
        self._allowed = max(_RATIO_FREE_BYTES, _MAXIMUM_RATIO * file.stat().st_size)

    def spend(self, size: int) -> None:
        self._left -= size
        self._expanded += size
        if self._left < 0 or self._expanded > self._allowed:
            raise InvalidInputError("expands to more than is accepted: a zip bomb?", file=self._file)


def _extract(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, budget: _Budget) -> None:
    path = _harmless(target, info.filename)
    path.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(info) as source, path.open("wb") as out:
        while piece := source.read(1 << 18):
            budget.spend(len(piece))
            out.write(piece)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _store_dicom(deposit: Deposit, files: list[Path], progress: Progress) -> list[Path]:
    """Store DICOM images as received; the files that are something else."""
    others = []
    for index, file in enumerate(files):
        progress(index / len(files), f"Reading file {index + 1} of {len(files)}")
        dicom, old = is_dicom(file), begins_as_data_set(_head(file))
        if not (dicom or old) or _is_raw(file):
            others.append(file)
            continue
        try:
            deposit.add_dicom(file if dicom else with_header(file))
        except StoreRefusedError as error:
            raise InvalidInputError(str(error), file=file) from error
        file.unlink()
    return others


def _is_raw(file: Path) -> bool:
    """Whether a modality's reader knows the file: some raw formats are DICOM too."""
    head = _head(file)
    return any(reader.sniff(head, file.name) for owner in all_modalities() for reader in owner.readers)


def _is_known(file: Path) -> bool:
    """Whether the file is in a format other than DICOM that can be read."""
    from pellucid.dicom import nifti

    head = _head(file)
    return container.sniff(head, file.name) or nifti.sniff(head, file.name) or _is_raw(file)


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(HEAD_BYTES)


def _store_others(deposit: Deposit, files: list[Path], progress: Progress) -> list[str]:
    """Read signals (kept, and reconstructed by their default method) and images of other formats.

    The names of files in no known format (notes, or the second file of a pair) are returned.
    """
    from pellucid.verbs import Thing, is_same, pair_name, read_all

    known = sorted((file for file in files if _is_known(file)), key=lambda file: (pair_name(file), file))
    if not known and not deposit.made.study_instance_uids:
        read_all(files[0])  # says what is wrong with it
    halves: list[Thing] = []
    for index, file in enumerate(known):
        if index and pair_name(file) != pair_name(known[index - 1]):
            halves = []
        step = part(progress, index / len(known), (index + 1) / len(known))
        step(0.0, f"Reading {file.name}")
        try:
            new = [thing for thing in read_all(file) if not any(is_same(thing, half) for half in halves)]
            for thing in new:
                _store_thing(deposit, thing, step)
            halves += new
        except InvalidInputError as error:
            raise error if error.file else InvalidInputError(str(error), file=file) from error
    return [file.name for file in files if file not in known]


def _store_thing(deposit: Deposit, thing: Acquisition | Image, progress: Progress) -> None:
    if isinstance(thing, Image):
        deposit.add_image(thing)
        return
    acquisition_id = deposit.add_acquisition(thing)
    title = modality(thing.modality).title
    image = reconstruct(thing, progress=_titled(progress, f"{title}: reconstruct"))
    deposit.add_image(image, acquisition_id=acquisition_id)


def _summary(passed_over: list[str]) -> str:
    if not passed_over:
        return "Stored"
    names = ", ".join(passed_over[:3]) + (", …" if len(passed_over) > 3 else "")
    return f"Stored; no images or signals by themselves: {names}"


def _titled(progress: Progress, title: str) -> Progress:
    def report(fraction: float, message: str = "", preview: object = None) -> None:
        progress(fraction, f"{title}: {message}" if message else title, preview)

    return report
