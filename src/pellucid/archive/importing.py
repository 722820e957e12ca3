"""A folder of DICOM files, or the storage of another archive, into this one."""

from __future__ import annotations

import hashlib
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from pellucid.archive.metadata import parse
from pellucid.archive.refusals import FailureReason, StoreRefusedError
from pellucid.archive.sender import Sender
from pellucid.errors import InvalidInputError
from pellucid.progress import Progress, no_progress

if TYPE_CHECKING:
    from pellucid.archive.archive import Archive
    from pellucid.archive.batch import Batch

How = Literal["copy", "move", "link"]

_AT_ONCE = 100
_MEDIA_DIRECTORY = b"1.2.840.10008.1.3.10"
_SENDER = Sender(title="import")
_ORTHANC_NAME = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class Imported:
    """How many files were new, were there already, were no DICOM; and which were refused, why."""

    new: int = 0
    known: int = 0
    others: int = 0
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """All that were looked at."""
        return self.new + self.known + self.others + len(self.refused)


class Importer:
    """Stores the DICOM files below a folder, whatever they are called.

    Reads folders of media with a DICOMDIR, the storage of Orthanc (its compressed attachments too) and of dcm4chee.
    `how`: files are copied, moved (removed once they are stored), or linked, which takes no room on the same disk but
    lets whoever writes the old file damage the object. `state`: a file that remembers what was done, so that an import
    that was stopped goes on; files that changed since are looked at again.
    """

    def __init__(self, archive: Archive, *, how: How = "copy", state: Path | None = None) -> None:
        if how not in ("copy", "move", "link"):
            raise InvalidInputError(f"is {how!r}; expected copy, move or link", field="how")
        self._archive = archive
        self._how = how
        self._state = state
        self._heads: dict[Path, Path] = {}

    def run(self, folder: Path, progress: Progress = no_progress) -> Imported:
        """Import a folder; raises `InvalidInputError` where there is none, `ArchiveUnavailableError`."""
        if not folder.is_dir():
            raise InvalidInputError("is not a folder", file=folder)
        done, outcome, self._heads = self._done(), Imported(), {}
        files = [file for file in _files(folder) if _mark(folder, file) not in done]
        outcome.known = len(done)
        with TemporaryDirectory(prefix="import-", dir=self._archive.incoming) as place:
            for start in range(0, len(files), _AT_ONCE):
                part = files[start : start + _AT_ONCE]
                progress(start / len(files), f"{start} of {len(files)} files")
                self._store(part, Path(place), outcome)
                self._note(_mark(folder, file) for file in part if file not in self._heads)
                if self._how == "move":
                    for file in set(part) - set(self._heads):
                        if str(file) not in outcome.refused and _kind(file) != "other":
                            file.unlink(missing_ok=True)
            for file in self._heads:
                self._add_head(file, Path(place), outcome)
        progress(1.0, f"{len(files)} files")
        if self._state is not None and self._how != "move":
            self._state.unlink(missing_ok=True)
        return outcome

    def _store(self, files: list[Path], place: Path, outcome: Imported) -> None:
        """Store files together; where two of them contradict each other, one by one."""
        found = Imported()
        try:
            with self._archive.batch(_SENDER) as batch:
                for file in files:
                    self._add(batch, file, place, found)
        except StoreRefusedError:
            found = Imported()
            for file in files:
                try:
                    with self._archive.batch(_SENDER) as batch:
                        self._add(batch, file, place, found)
                except StoreRefusedError as error:
                    found.refused[str(file)] = str(error)
        outcome.new += found.new
        outcome.known += found.known
        outcome.others += found.others
        outcome.refused |= found.refused

    def _add(self, batch: Batch, file: Path, place: Path, found: Imported) -> None:
        try:
            kind = _kind(file)
            if kind == "other":
                found.others += 1
                return
            ready = self._prepared(file, kind, place)
            if file not in self._heads and self._is_head(file, ready):
                self._heads[file] = ready
                return
            stored = batch.store(ready)
        except OSError as error:
            found.refused[str(file)] = f"cannot be read ({error.strerror or error})"
        except StoreRefusedError as error:
            if error.reason == FailureReason.OUT_OF_RESOURCES:
                raise InvalidInputError(str(error), file=file) from error
            found.refused[str(file)] = str(error)
        else:
            found.new += stored.new
            found.known += not stored.new

    def _is_head(self, file: Path, ready: Path) -> bool:
        """Whether it is what Orthanc keeps beside an image: the same file without its pixels."""
        if not _ORTHANC_NAME.fullmatch(file.name):
            return False
        try:
            instance = parse(ready, inflated_limit=self._archive.limits.inflated_bytes).instance
        except StoreRefusedError:
            return False
        return bool(instance["rows"]) and not instance["pixel_tag"]

    def _add_head(self, file: Path, place: Path, outcome: Imported) -> None:
        """What has no pixels is stored only where no other file was the whole image."""
        parsed = parse(self._heads[file], inflated_limit=self._archive.limits.inflated_bytes)
        place_of = parsed.study_instance_uid, parsed.series_instance_uid, parsed.sop_instance_uid
        if self._archive.instances(*place_of):
            outcome.others += 1
        else:
            self._store([file], place, outcome)

    def _prepared(self, file: Path, kind: str, place: Path) -> Path:
        target = place / hashlib.sha256(str(file).encode()).hexdigest()
        if kind == "compressed":
            _inflate(file, target, self._archive.limits.instance_bytes)
            return target
        if self._how == "link":
            try:
                os.link(file, target)
            except OSError:
                return file  # on another disk: copied
            return target
        return file

    def _done(self) -> set[str]:
        if self._state is None or not self._state.is_file():
            return set()
        return set(self._state.read_text("utf-8").splitlines())

    def _note(self, marks: Iterable[str]) -> None:
        if self._state is not None:
            self._state.parent.mkdir(parents=True, exist_ok=True)
            with self._state.open("a", encoding="utf-8") as file:
                file.writelines(f"{mark}\n" for mark in marks)


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders.sort()
        yield from (path for name in sorted(names) if (path := Path(root, name)).is_file())


def _mark(folder: Path, file: Path) -> str:
    """A file as it is now: hashed, because names may be those of patients."""
    status = file.stat()
    text = f"{file.relative_to(folder)}\0{status.st_size}\0{status.st_mtime_ns}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _kind(file: Path) -> str:
    """A DICOM file, one that Orthanc compressed, or something else; a DICOMDIR only repeats what files say."""
    with file.open("rb") as opened:
        head = opened.read(1024)
    if head[128:132] == b"DICM":
        return "other" if _MEDIA_DIRECTORY in head else "dicom"
    if head[8:9] == b"\x78" and int.from_bytes(head[8:10], "big") % 31 == 0:
        # Orthanc: the size in eight bytes, then zlib.
        try:
            start = zlib.decompressobj().decompress(head[8:], 132)
        except zlib.error:
            return "other"
        return "compressed" if start[128:132] == b"DICM" else "other"
    return "other"


def _inflate(file: Path, target: Path, limit: int) -> None:
    def refused(message: str) -> StoreRefusedError:
        return StoreRefusedError(message, FailureReason.CANNOT_UNDERSTAND)

    with file.open("rb") as source, target.open("wb") as out:
        size = int.from_bytes(source.read(8), "little")
        if size > limit:
            raise refused(f"inflates to {size} bytes; expected up to {limit}")
        inflater, left = zlib.decompressobj(), size
        try:
            while chunk := source.read(1 << 20):
                while chunk:
                    piece = inflater.decompress(chunk, 1 << 20)
                    left -= len(piece)
                    if left < 0:
                        raise refused("inflates to more than it says")
                    out.write(piece)
                    chunk = inflater.unconsumed_tail
        except zlib.error:
            raise refused("cannot be inflated: damaged") from None
        if left or not inflater.eof:
            raise refused("cannot be inflated: truncated")
