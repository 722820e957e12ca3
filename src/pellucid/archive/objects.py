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
from threading import Lock
from typing import Any

from pellucid.archive.refusals import FailureReason, StoreRefusedError
from pellucid.archive.workplace import Workplace
from pellucid.errors import PellucidError

_CHUNK = 1 << 20
_ROOM_BYTES = 64 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FOLDER = re.compile(r"[0-9a-f]{2}")
_LAYOUT = ".layout-1"


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

    def _start_holding(self, workplace: Workplace) -> None:
        self._workplace = workplace
        self._held: Counter[str] = Counter()
        self._lock = Lock()

    @contextmanager
    def taken(self, source: bytes | Path) -> Iterator[bytes | Path]:
        """The content where nobody else can change it while it is looked at: bytes, or a file of our own folder."""
        if isinstance(source, bytes) or self._workplace.folder in source.parents:
            yield source
        elif source.stat().st_size < _CHUNK:
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
        with self._lock:
            self._held[name] += 1
            self._workplace.mark(name)
        try:
            if self._size(name) != _size_of(source):
                self._write(name, source)
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

    def strangers(self) -> Iterator[str]:
        """Names beside the objects, which nothing here made."""
        for path in self.folder.iterdir():
            if path.name != _LAYOUT and not (path.is_dir() and _FOLDER.fullmatch(path.name)):
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

    def _write(self, name: str, source: bytes | Path) -> None:
        """The object under its name, whole and on disk: a power failure must not take away what the index names."""
        temporary = self._workplace.temporary()
        target = self.path(name)
        try:
            _fill(temporary, source, ours=self._workplace.folder)
            try:
                temporary.replace(target)
            except FileNotFoundError:
                target.parent.mkdir(exist_ok=True)
                _sync_folder(self.folder)
                temporary.replace(target)
            _sync_folder(target.parent)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
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


def _fill(temporary: Path, source: bytes | Path, *, ours: Path) -> None:
    """A new file with the content of `source`, on disk; a file of our own folder becomes it without a copy."""
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
        os.fsync(file)
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
