"""Where an archive keeps its index and its objects, when not in its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pellucid.archive.objects import Objects
from pellucid.archive.workplace import Workplace
from pellucid.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True)
class Places:
    """`database`: a PostgreSQL URL, empty for SQLite in the folder; `objects`: `s3://bucket/prefix`, empty for it.

    `copies_bytes`: what is kept in the folder of objects that lie in a bucket [byte].
    """

    database: str = ""
    objects: str = ""
    copies_bytes: int = 8 << 30

    def __post_init__(self) -> None:
        """Raises `InvalidInputError` where the place of the objects is none that is known."""
        if self.objects and not self.objects.startswith("s3://"):
            raise InvalidInputError(f"is {self.objects!r}; expected s3://bucket/prefix", field="setting objects")

    def index(self, folder: Path) -> Path | str:
        """What the database is opened with."""
        return self.database or folder / "index.sqlite"

    def open_objects(self, folder: Path, workplace: Workplace) -> Objects:
        """The objects."""
        if not self.objects:
            return Objects(folder / "objects", workplace)
        from pellucid.archive.bucket import BucketObjects
        from pellucid.archive.local_copies import LocalCopies

        return BucketObjects(self.objects, LocalCopies(folder / "copies", self.copies_bytes), workplace)
