"""HDF5 files from elsewhere: opened only where all that they hold lies within the file, and no more than it can hold.

HDF5 lets a file point to other files of the machine (external storage, virtual datasets, external links) and claim
arrays of any size without storing a byte of them. Files come from strangers, so neither is believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.errors import InvalidInputError

if TYPE_CHECKING:
    import h5py

_SIGNATURE = b"\x89HDF\r\n\x1a\n"

LARGEST_EXPANSION = 1100
"""Deflate, the strongest common filter, makes at most 1032 bytes of one (zlib's technical details)."""


@contextmanager
def opened(path: Path, *, expansion: int = LARGEST_EXPANSION) -> Iterator[h5py.File]:
    """The HDF5 file at `path`, for reading.

    `expansion`: bytes of arrays that one byte of the file can stand for, 1 where they are stored as they are. Raises
    `InvalidInputError` naming the field that points outside the file or claims more than the file can hold, and
    `OSError` where the file is not HDF5.
    """
    import h5py

    with h5py.File(path, "r") as file:
        _check(file, path, expansion * path.stat().st_size)
        yield file


def described(item: Any) -> str:
    """What an item of a file is: a dataset's kind and shape, or a group."""
    return f"{item.dtype} {item.shape}" if hasattr(item, "dtype") else "a group"


def problem(path: Path, error: Exception) -> str:
    """Why reading a file ended in `error`, in one line: damaged, cut off, or laid out otherwise than expected."""
    # h5py raises RuntimeError where it walks through damaged links.
    if not isinstance(error, (OSError, RuntimeError)) or isinstance(error, RecursionError):
        return "its groups, datasets and their kinds are not those of the format"
    with path.open("rb") as file:
        head = file.read(64)
    if not head.startswith(_SIGNATURE):
        return f"begins with {head[:8]!r}; expected HDF5's signature {_SIGNATURE!r}"
    # HDF5 File Format Specification 3.0, section II.A: the end-of-file address of superblocks 0, 1 and 2 or 3.
    place = {0: 40, 1: 44}.get(head[8] if len(head) > 8 else -1, 28)
    size, stated = path.stat().st_size, int.from_bytes(head[place : place + 8], "little")
    if len(head) < place + 8 or size < stated:
        return f"has {size} bytes; its header says {stated if len(head) >= place + 8 else 'more'}. Truncated?"
    return f"has all its {size} bytes, but some of them are damaged, or packed with a filter that is not installed"


def _check(file: h5py.File, path: Path, most_bytes: int) -> None:
    import h5py

    links: list[tuple[bytes, int]] = []
    file.id.links.visit(lambda name, info: links.append((name, info.type)), info=True)
    claimed, seen = 0, set()
    for link, kind in links:
        name = link.decode(errors="replace")
        if kind not in (h5py.h5l.TYPE_HARD, h5py.h5l.TYPE_SOFT):
            raise InvalidInputError("is a link to another file; expected its contents here", file=path, field=name)
        item = file[link] if kind == h5py.h5l.TYPE_HARD else None
        if not isinstance(item, h5py.Dataset) or h5py.h5o.get_info(item.id).addr in seen:
            continue
        if item.is_virtual or item.external:
            raise InvalidInputError("is stored in another file; expected its contents here", file=path, field=name)
        seen.add(h5py.h5o.get_info(item.id).addr)
        claimed += _bytes(item)
        if claimed > most_bytes:
            raise InvalidInputError(
                f"claims {_bytes(item)} bytes of arrays in a file of {path.stat().st_size} bytes. Is it complete?",
                file=path,
                field=name,
            )


def _bytes(dataset: Any) -> int:
    """What reading takes: the array, or the one chunk that is larger."""
    chunk = int(np.prod(dataset.chunks or (0,), dtype=object)) * dataset.dtype.itemsize
    return max(int(dataset.size or 0) * int(dataset.dtype.itemsize), int(chunk))
