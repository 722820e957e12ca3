"""Objects: immutable bytes named by their SHA-256, never by anything that came from outside."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from pellucid.archive.refusals import FailureReason, StoreRefusedError
from pellucid.archive.workplace import Workplace
from pellucid.errors import PellucidError

_CHUNK = 1 << 20
_ROOM_BYTES = 64 << 20


class ObjectDamagedError(PellucidError):
    """An object is missing, or its bytes no longer have the checksum that is its name."""


class Objects:
    """Content-addressed objects in a folder.

    An object that is being stored is held (`put` … `release`), so that no one else who gives up the same content
    removes it meanwhile, and so that it is known as unfinished after a crash.
    """

    def __init__(self, folder: Path, workplace: Workplace) -> None:
        self.folder = folder
        self._workplace = workplace
        self._store = LocalStore(prefix=folder, mkdir=True)
        self._held: Counter[str] = Counter()
        self._lock = Lock()

    def put(self, source: bytes | Path) -> str:
        """Store bytes, or the content of a file, and hold the object; its name.

        Raises `StoreRefusedError` where the disk is (almost) full: the index needs room too.
        """
        if shutil.disk_usage(self.folder).free < _size_of(source) + _ROOM_BYTES:
            raise StoreRefusedError("cannot be stored: the disk is full", FailureReason.OUT_OF_RESOURCES)
        name = sha256_of(source)
        with self._lock:
            self._held[name] += 1
            self._workplace.mark(name)
        try:
            if self._size(name) != _size_of(source):
                obstore.put(self._store, _path(name), source)
                self._to_disk(name)
        except BaseException:
            self.release(name)
            raise
        return name

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
                with suppress(FileNotFoundError):
                    obstore.delete(self._store, _path(name))

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
            data = bytes(obstore.get_range(self._store, _path(name), start=start, length=length))
        except (FileNotFoundError, BaseError) as error:
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
        return self.folder / _path(name)

    def names(self) -> Iterator[str]:
        """The names of all objects there are."""
        for batch in obstore.list(self._store):
            for item in batch:
                yield str(item["path"]).rpartition("/")[2]

    def _get(self, name: str) -> bytes:
        try:
            return bytes(obstore.get(self._store, _path(name)).bytes())
        except FileNotFoundError:
            raise ObjectDamagedError(f"object {name} is missing") from None

    def _size(self, name: str) -> int:
        try:
            return int(obstore.head(self._store, _path(name))["size"])
        except FileNotFoundError:
            return -1

    def _to_disk(self, name: str) -> None:
        # The index must never name an object that a power failure can still take away.
        with self.path(name).open("r+b") as file:
            os.fsync(file.fileno())


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


def _path(name: str) -> str:
    return f"{name[:2]}/{name[2:4]}/{name}"
