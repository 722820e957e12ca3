"""A process's own folder for files on their way into the archive, cleaned up by the next one after a crash."""

from __future__ import annotations

import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

_LOCK = "lock"
_MARK = ".held"


class Workplace:
    """A folder that only this process writes, locked while it lives, with a mark for every object it is storing.

    Opening one clears those of processes that died: their temporary files go, and `unfinished` is called with
    the names of the objects they were storing.
    """

    def __init__(self, root: Path, unfinished: Callable[[Iterable[str]], None]) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self.folder, self._lock = _locked_folder(root)
        self._own = self.folder.name
        self._numbers = itertools.count()
        for other in root.iterdir():
            if other != self.folder and other.is_dir():
                _clear_if_abandoned(other, unfinished)

    def temporary(self) -> Path:
        """The path of a new file; it is no one's until it has another name."""
        return self.folder / f"new-{next(self._numbers)}"

    def mark(self, name: str) -> None:
        """Note that an object is being stored."""
        os.close(os.open(f"{self.folder}/{name}{_MARK}", os.O_WRONLY | os.O_CREAT, 0o666))

    def unmark(self, name: str) -> None:
        """Note that the index names the object, or nobody wants it."""
        (self.folder / f"{name}{_MARK}").unlink(missing_ok=True)

    def is_marked(self, name: str) -> bool:
        """Whether this or another process is storing the object."""
        return any(self._root.glob(f"*/{name}{_MARK}"))

    def is_marked_elsewhere(self, name: str) -> bool:
        """Whether another process is storing the object."""
        with os.scandir(self._root) as folders:
            return any(Path(other.path, f"{name}{_MARK}").exists() for other in folders if other.name != self._own)

    def close(self) -> None:
        """Remove the folder."""
        self._lock.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _locked_folder(root: Path) -> tuple[Path, IO[bytes]]:
    """A new folder; another one where someone took it for abandoned before it was locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix="process-", dir=root))
        file = (folder / _LOCK).open("wb")
        if _try_to_lock(file) and (folder / _LOCK).exists():
            return folder, file
        file.close()


def _clear_if_abandoned(folder: Path, unfinished: Callable[[Iterable[str]], None]) -> None:
    """Clear the folder where nobody holds its lock; a folder that is just being made has none yet."""
    with suppress(OSError), (folder / _LOCK).open("r+b") as file:
        if _try_to_lock(file):
            unfinished([mark.name.removesuffix(_MARK) for mark in folder.glob(f"*{_MARK}")])
            shutil.rmtree(folder, ignore_errors=True)


if sys.platform == "win32":
    import msvcrt

    def _try_to_lock(file: IO[bytes]) -> bool:
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_to_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
