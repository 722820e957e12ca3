"""Whether two files hold the same data set: what a sender's file meta says about itself makes no other image."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from pellucid.archive.metadata import Parsed, file_meta
from pellucid.archive.objects import Objects
from pellucid.archive.refusals import StoreRefusedError

_CHUNK = 1 << 20


def same_content(objects: Objects, parsed: Parsed, row: Any, source: bytes | Path | None = None) -> bool:
    """Whether a file (`source`, or an object by now) has the data set that was received as the instance in `row`.

    Byte by byte: this is asked only of instances that come twice, so that no digest of every data set need be made.
    """
    if parsed.instance.get("object_sha256") == row.object_sha256:
        return True
    with _opened(objects, parsed, source) as new:
        new.seek(parsed.data_set)
        if row.content_sha256:
            return _digest(new) == str(row.content_sha256)
        with objects.open(row.object_sha256) as old:
            try:
                _, start = file_meta(old.read(4096))
            except StoreRefusedError:
                return False
            old.seek(start)
            return _equal(new, old)


def _opened(objects: Objects, parsed: Parsed, source: bytes | Path | None) -> BinaryIO:
    if isinstance(source, bytes):
        return BytesIO(source)
    file: BinaryIO = objects.open(parsed.instance["object_sha256"]) if source is None else source.open("rb")
    return file


def _equal(first: BinaryIO, second: BinaryIO) -> bool:
    while True:
        one, other = first.read(_CHUNK), second.read(_CHUNK)
        if one != other:
            return False
        if not one:
            return True


def _digest(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
