"""Objects: immutable bytes named by their SHA-256, never by anything that came from outside."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Condition, Lock
from typing import Any

from pellucid.archive.refusals import FailureReason, StoreRefusedError
from pellucid.archive.workplace import Workplace
from pellucid.errors import PellucidError

_CHUNK = 1 << 20
_ROOM_BYTES = 64 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FOLDER = re.compile(r"[0-9a-f]{2}")
_LAYOUT = ".layout-1"
_NAMES_WITH_CONTENT = ("ext4", "xfs")
"""File systems that write a new file's name to disk when the file is synced: by the order of their journal, or, ext4
without one, by syncing the folders of a new file."""


class ObjectDamagedError(PellucidError):
    """An object is missing, or its bytes no longer have the checksum that is its name."""


class Objects:
    """Content-addressed objects in a folder.

    An object that is being stored is held (`put` … `release`), so that no one else who gives up the same content
    removes it meanwhile, and so that it is known as unfinished after a crash.
    """

    def __init__(self, folder: Path, workplace: Workplace) -> None:
        self._start_holding(workplace)
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        _flatten(folder)
        self.names_with_content = _file_system_of(folder) in _NAMES_WITH_CONTENT

    def _start_holding(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._held: Counter[str] = Counter()
        self._lock = Lock()
        self._being_written: set[str] = set()
        self._written = Condition(self._lock)

    @contextmanager
    def taken(self, source: bytes | Path) -> Iterator[bytes | Path]:
        """The content where nobody else can change it while it is looked at: bytes, or a file of our own folder."""
        if isinstance(source, bytes):
            yield source
            return
        status = source.stat()
        ours, linked = self._workplace.folder in source.parents, status.st_nlink > 1
        if ours and (linked or status.st_size >= _CHUNK):  # a link is kept as one: it is to take no room
            yield source
        elif status.st_size < _CHUNK:
            yield source.read_bytes()
        else:
            _require_mark(source)
            self._require_room(source.stat().st_size)
            copy = self._workplace.temporary()
            try:
                try:
                    shutil.copyfile(source, copy)
                except OSError as error:
                    raise _not_stored(error) from error
                yield copy
            finally:
                copy.unlink(missing_ok=True)

    def put(self, source: bytes | Path) -> str:
        """Store bytes, or the content of a file, and hold the object; its name.

        Raises `StoreRefusedError` where the disk is (almost) full: the index needs room too.
        """
        self._require_room(_size_of(source))
        name = sha256_of(source)
        self.hold(name)
        try:
            with self._one_at_a_time(name):
                if self._size(name) != _size_of(source):
                    self._write(name, source)
                else:
                    self._sync(name)
        except BaseException:
            self.release(name)
            raise
        return name

    def put_again(self, name: str, file: Path) -> None:
        """Write an object over the damaged one, from a file of that content."""
        self._write(name, file)

    def hold(self, name: str) -> None:
        """Hold an object that is there: it stays until it is released, or its holder died."""
        with self._lock:
            self._held[name] += 1
            self._workplace.mark(name)

    def release(self, name: str) -> None:
        """Give up one hold."""
        with self._lock:
            self._held[name] -= 1
            if self._held[name] <= 0:
                del self._held[name]
                self._workplace.unmark(name)

    def is_held(self, name: str) -> bool:
        """Whether someone is storing this object now."""
        return self._workplace.is_marked(name)

    def exists(self, name: str) -> bool:
        """Whether there is such an object."""
        return self._size(name) >= 0

    def remove_unless_held(self, name: str) -> None:
        """Remove an object that the index does not name, unless someone is storing the same content now."""
        with self._lock:
            if not self.is_held(name):
                self._delete(name)

    def check(self, name: str) -> None:
        """Read the object again; raises `ObjectDamagedError` where it does not have its checksum."""
        try:
            found = sha256_of(self.path(name))
        except FileNotFoundError:
            raise ObjectDamagedError(f"object {name} is missing") from None
        if found != name:
            raise ObjectDamagedError(f"object {name} does not have its checksum: damaged on disk")

    def get(self, name: str) -> bytes:
        """The whole object, its checksum verified."""
        data = self._get(name)
        if hashlib.sha256(data).hexdigest() != name:
            raise ObjectDamagedError(f"object {name} does not have its checksum: damaged on disk")
        return data

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """`length` bytes from `start`."""
        try:
            with self.path(name).open("rb", buffering=0) as file:
                file.seek(start)
                data = file.read(length)
        except OSError as error:
            raise ObjectDamagedError(f"object {name} cannot be read ({type(error).__name__})") from error
        if len(data) != length:
            raise ObjectDamagedError(f"object {name} is shorter than it was")
        return data

    def open(self, name: str) -> Any:
        """A readable, seekable file of the object."""
        try:
            return self.path(name).open("rb")
        except FileNotFoundError:
            raise ObjectDamagedError(f"object {name} is missing") from None

    def path(self, name: str) -> Path:
        """The object's file, for libraries that read files only; never to be written."""
        return self.folder / key_of(name)

    def names(self, prefix: str = "") -> Iterator[str]:
        """The names of all objects there are, or of those whose names begin with two given characters."""
        for path in (self.folder / prefix).rglob("*"):
            if path.name != _LAYOUT and path.is_file():
                yield path.name

    def parts(self) -> set[str]:
        """What the names of all objects there are begin with, two characters each."""
        return {path.name for path in self.folder.iterdir() if FOLDER.fullmatch(path.name)}

    def strangers(self) -> Iterator[str]:
        """Names beside the objects, which nothing here made."""
        for path in self.folder.iterdir():
            if path.name != _LAYOUT and not (path.is_dir() and FOLDER.fullmatch(path.name)):
                yield path.name

    def _get(self, name: str) -> bytes:
        try:
            return self.path(name).read_bytes()
        except FileNotFoundError:
            raise ObjectDamagedError(f"object {name} is missing") from None

    def _size(self, name: str) -> int:
        try:
            return self.path(name).stat().st_size
        except FileNotFoundError:
            return -1

    def _require_room(self, size: int) -> None:
        if shutil.disk_usage(self.folder).free < size + _ROOM_BYTES:
            raise StoreRefusedError("cannot be stored: the disk is full", FailureReason.OUT_OF_RESOURCES)

    @contextmanager
    def _one_at_a_time(self, name: str) -> Iterator[None]:
        """Who stores the same content at the same time waits: it may have its name before it is on disk."""
        with self._written:
            self._written.wait_for(lambda: name not in self._being_written)
            self._being_written.add(name)
        try:
            yield
        finally:
            with self._written:
                self._being_written.remove(name)
                self._written.notify_all()

    def _write(self, name: str, source: bytes | Path) -> None:
        """The object under its name, whole and on disk: a power failure must not take away what the index names."""
        temporary = self._workplace.temporary()
        target = self.path(name)
        try:
            if isinstance(source, bytes) and self._is_ours_alone(name, target):
                self._name_and_sync(temporary, target, source)
                return
            with _filled(temporary, source, ours=self._workplace.folder) as file:
                os.fsync(file)
            self._name(temporary, target)
            _sync_folder(target.parent)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise _not_stored(error) from error

    def _is_ours_alone(self, name: str, target: Path) -> bool:
        """Whether nobody would miss the object, should it have its name but never reach the disk."""
        return self.names_with_content and not target.exists() and not self._workplace.is_marked_elsewhere(name)

    def _name_and_sync(self, temporary: Path, target: Path, data: bytes) -> None:
        """One wait for the disk, for content and name together."""
        with _filled(temporary, data, ours=self._workplace.folder) as file:
            self._name(temporary, target)
            try:
                os.fsync(file)
            except OSError:
                with suppress(OSError):
                    target.unlink()
                raise

    def _name(self, temporary: Path, target: Path) -> None:
        try:
            temporary.replace(target)
        except FileNotFoundError:
            for digit in "0123456789abcdef":  # several at once: each alone would be a wait for the disk
                target.parent.with_name(target.parent.name[0] + digit).mkdir(exist_ok=True)
            _sync_folder(self.folder)
            temporary.replace(target)

    def _sync(self, name: str) -> None:
        """An object that was there before: whoever wrote it may have died before it was on disk."""
        path = self.path(name)
        try:
            with path.open("r+b" if sys.platform == "win32" else "rb") as file:
                os.fsync(file.fileno())
            _sync_folder(path.parent)
        except OSError as error:
            raise _not_stored(error) from error

    def _delete(self, name: str) -> None:
        self.path(name).unlink(missing_ok=True)


def sha256_of(source: bytes | Path) -> str:
    """SHA-256 of bytes or of a file's content, in hexadecimal."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _size_of(source: bytes | Path) -> int:
    return len(source) if isinstance(source, bytes) else source.stat().st_size


def key_of(name: str) -> str:
    """Where an object lies in its folder or bucket."""
    return f"{name[:2]}/{name}"


def _not_stored(error: OSError) -> StoreRefusedError:
    full = error.errno in _FULL
    return StoreRefusedError(
        "cannot be stored: the disk is full" if full else f"cannot be stored: {error.strerror or 'disk error'}",
        FailureReason.OUT_OF_RESOURCES if full else FailureReason.PROCESSING_FAILURE,
    )


def _require_mark(file: Path) -> None:
    """Before a large file is copied."""
    with file.open("rb") as opened:
        if opened.read(132)[128:] != b"DICM":
            raise StoreRefusedError("is not a DICOM file: no DICM mark at byte 128", FailureReason.CANNOT_UNDERSTAND)


@contextmanager
def _filled(temporary: Path, source: bytes | Path, *, ours: Path) -> Iterator[int]:
    """A new open file with the content of `source`; a file of our own folder becomes it without a copy."""
    if isinstance(source, Path):
        try:
            if ours not in source.parents:
                raise OSError
            os.link(source, temporary)
        except OSError:  # also where the file system has no links
            shutil.copyfile(source, temporary)
        file = os.open(temporary, os.O_RDWR | getattr(os, "O_BINARY", 0))
    else:
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
    try:
        rest = memoryview(b"" if isinstance(source, Path) else source)
        while rest:
            rest = rest[os.write(file, rest) :]
        yield file
    finally:
        os.close(file)


def _sync_folder(folder: Path) -> None:
    """A folder's list of files on disk; Windows keeps it by itself."""
    if sys.platform != "win32":
        file = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def _file_system_of(folder: Path) -> str:
    """The kind of file system that a folder lies in, where the system says so; else nothing."""
    try:
        device = folder.stat().st_dev
        number = f"{os.major(device)}:{os.minor(device)}"
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, AttributeError):  # another system than Linux
        return ""
    kinds = {line.partition(" - ")[2].partition(" ")[0] for line in lines if line.split(" ", 3)[2] == number}
    return kinds.pop() if len(kinds) == 1 else ""


def _flatten(folder: Path) -> None:
    """Objects of an archive made before this layout (`ab/cd/abcd…`) one folder up."""
    if (folder / _LAYOUT).exists():
        return
    for path in folder.glob("??/??/*"):
        path.replace(path.parents[1] / path.name)
    for inner in folder.glob("??/??"):
        if inner.is_dir():
            inner.rmdir()
    (folder / _LAYOUT).touch()
