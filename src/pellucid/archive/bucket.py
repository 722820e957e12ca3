"""Objects in an S3-compatible bucket, with a folder on this machine for what is read often."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from pellucid.archive.local_copies import LocalCopies
from pellucid.archive.objects import FOLDER, ObjectDamagedError, Objects, key_of, sha256_of
from pellucid.archive.unavailable import ArchiveUnavailableError
from pellucid.archive.workplace import Workplace
from pellucid.errors import InvalidInputError

_BLOCK = 1 << 20
_CONNECT_SECONDS = 5
_REQUEST_SECONDS = 60
_RETRY_SECONDS = 15
_MOST_RETRIES = 4
_MULTIPART_BYTES = 16 << 20
_PARTS_AT_ONCE = 4


class BucketObjects(Objects):
    """Content-addressed objects under `s3://bucket/prefix`.

    Endpoint, region and credentials come from the environment (AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY). A put becomes visible when it is complete, large ones in parts. Requests that fail are
    tried again for some seconds, then `ArchiveUnavailableError` says so.
    """

    def __init__(self, url: str, copies: LocalCopies, workplace: Workplace) -> None:
        self._start_holding(workplace)
        self._copies = copies
        self.url = url
        self._store = _opened(url)

    def _write(self, name: str, source: bytes | Path) -> None:
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        with _available():
            obstore.put(
                self._store,
                key_of(name),
                source,
                use_multipart=size > _MULTIPART_BYTES,
                chunk_size=_MULTIPART_BYTES,
                max_concurrency=_PARTS_AT_ONCE,
            )
        if self._size(name) != size:
            raise ArchiveUnavailableError("the archive's object store does not hold what it took; try again later")

    def _sync(self, name: str) -> None:
        """What a bucket shows is kept."""

    def _require_room(self, size: int) -> None:
        """A bucket has no end that could be asked for; quotas are for that."""

    def _delete(self, name: str) -> None:
        with _available(), suppress(FileNotFoundError):
            obstore.delete(self._store, key_of(name))
        self._copies.remove(name)

    def check(self, name: str) -> None:
        """Read the object again, from the bucket; raises `ObjectDamagedError` where it does not have its checksum."""
        digest = hashlib.sha256()
        with self._found(name):
            for piece in obstore.get(self._store, key_of(name)).stream(min_chunk_size=_BLOCK):
                digest.update(piece)
        if digest.hexdigest() != name:
            raise ObjectDamagedError(f"object {name} does not have its checksum: damaged in the bucket")

    def get_range(self, name: str, start: int, length: int) -> bytes:
        """`length` bytes from `start`."""
        if (copy := self._copies.find(name)) is not None:
            with suppress(OSError), copy.open("rb") as file:
                file.seek(start)
                data = file.read(length)
                if len(data) == length:
                    return data
        with self._found(name):
            data = bytes(obstore.get_range(self._store, key_of(name), start=start, length=length))
        if len(data) != length:
            raise ObjectDamagedError(f"object {name} is shorter than it was")
        return data

    def open(self, name: str) -> Any:
        """A readable, seekable file of the object; only what is read is fetched, in blocks."""
        if (copy := self._copies.find(name)) is not None:
            with suppress(FileNotFoundError):
                return copy.open("rb")
        size = self._size(name)
        if size < 0:
            raise ObjectDamagedError(f"object {name} is missing")
        return io.BufferedReader(_RangedFile(self, name, size), buffer_size=_BLOCK)

    def path(self, name: str) -> Path:
        """A verified copy of the object on this machine, there for at least a minute; never to be written."""
        if (copy := self._copies.find(name)) is not None:
            return copy

        def fetch(target: Path) -> None:
            with target.open("wb") as file, self._found(name):
                for piece in obstore.get(self._store, key_of(name)).stream(min_chunk_size=_BLOCK):
                    file.write(piece)
            if sha256_of(target) != name:
                raise ObjectDamagedError(f"object {name} does not have its checksum: damaged in the bucket")

        return self._copies.add(name, fetch)

    def names(self, prefix: str = "") -> Iterator[str]:
        """The names of all objects there are, or of those whose names begin with two given characters."""
        with _available():
            for batch in obstore.list(self._store, prefix or None):
                for item in batch:
                    yield str(item["path"]).rpartition("/")[2]

    def parts(self) -> set[str]:
        """What the names of all objects there are begin with, two characters each."""
        with _available():
            found = map(str, obstore.list_with_delimiter(self._store)["common_prefixes"])
            return {name for name in found if FOLDER.fullmatch(name)}

    def strangers(self) -> Iterator[str]:
        """Names beside the objects, which nothing here made."""
        with _available():
            found = obstore.list_with_delimiter(self._store)
        yield from (str(item["path"]) for item in found["objects"])
        yield from (name for name in map(str, found["common_prefixes"]) if not FOLDER.fullmatch(name))

    def _get(self, name: str) -> bytes:
        if (copy := self._copies.find(name)) is not None:
            with suppress(FileNotFoundError):
                return copy.read_bytes()
        with self._found(name):
            return bytes(obstore.get(self._store, key_of(name)).bytes())

    def _size(self, name: str) -> int:
        with _available():
            try:
                return int(obstore.head(self._store, key_of(name))["size"])
            except FileNotFoundError:
                return -1

    @contextmanager
    def _found(self, name: str) -> Iterator[None]:
        try:
            with _available():
                yield
        except FileNotFoundError:
            raise ObjectDamagedError(f"object {name} is missing") from None


class _RangedFile(io.RawIOBase):
    """An object as a file that is read by ranges."""

    def __init__(self, objects: BucketObjects, name: str, size: int) -> None:
        self._objects, self.name, self._size, self._position = objects, name, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: Any) -> int:
        length = min(len(buffer), self._size - self._position)
        if length <= 0:
            return 0
        buffer[:length] = self._objects.get_range(self.name, self._position, length)
        self._position += length
        return length


def _opened(url: str) -> S3Store:
    client = {
        "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
        "timeout": timedelta(seconds=_REQUEST_SECONDS),
        "allow_http": os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"),
    }
    retry = {"max_retries": _MOST_RETRIES, "retry_timeout": timedelta(seconds=_RETRY_SECONDS)}
    try:
        return S3Store.from_url(url, client_options=cast("Any", client), retry_config=cast("Any", retry))
    except (BaseError, ValueError) as error:
        raise InvalidInputError(
            f"{url} cannot be opened ({type(error).__name__}); expected s3://bucket/prefix", field="setting objects"
        ) from None


@contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except (BaseError, OSError, TimeoutError) as error:
        # The error's text names the bucket's address and the signed request: for the log of the store, not for callers.
        raise ArchiveUnavailableError(
            f"the archive's object store cannot be reached ({type(error).__name__}); try again later"
        ) from error
