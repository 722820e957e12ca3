"""How much is stored, and how much room is left."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from pellucid.archive import Archive
from pellucid.archive.schema import AcquisitionRow, InstanceRow, SeriesRow, StudyRow

_FRESH_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """What the index names, and its own size; sizes in bytes. `object_bytes`: every content once."""

    studies: int
    series: int
    instances: int
    acquisitions: int
    object_bytes: int
    index_bytes: int


class Storage:
    """The amounts of one archive; they are counted at most twice a minute, for counting reads the whole index."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._lock = threading.Lock()
        self._counted: tuple[float, Amounts] | None = None

    def amounts(self) -> Amounts:
        """What is stored, as it was up to half a minute ago."""
        with self._lock:
            if self._counted is None or time.monotonic() - self._counted[0] > _FRESH_SECONDS:
                self._counted = time.monotonic(), self._count()
            return self._counted[1]

    def free_bytes(self) -> int:
        """Room left where the archive's folder is."""
        return shutil.disk_usage(self._archive.folder).free

    def total_bytes(self) -> int:
        """Size of the volume where the archive's folder is."""
        return shutil.disk_usage(self._archive.folder).total

    def _count(self) -> Amounts:
        objects = select(InstanceRow.object_sha256, InstanceRow.object_size).union(
            select(AcquisitionRow.object_sha256, AcquisitionRow.object_size)
        )
        with self._archive.reading() as session:
            counts = {
                name: session.scalar(select(func.count()).select_from(row)) or 0
                for name, row in (
                    ("studies", StudyRow),
                    ("series", SeriesRow),
                    ("instances", InstanceRow),
                    ("acquisitions", AcquisitionRow),
                )
            }
            object_bytes = int(session.scalar(select(func.sum(objects.subquery().c.object_size))) or 0)
        return Amounts(**counts, object_bytes=object_bytes, index_bytes=_size_of_index(self._archive.folder))


def _size_of_index(folder: Path) -> int:
    """SQLite's file with its log; 0 where the index is elsewhere."""
    return sum(file.stat().st_size for file in folder.glob("index.sqlite*") if file.is_file())
