"""Objects that were refused because they contradict what is stored, kept until an administrator decides."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from pydicom.uid import generate_uid
from sqlalchemy import delete, select

from pellucid.archive.batch import Stored
from pellucid.archive.coercion import coerce
from pellucid.archive.metadata import Parsed
from pellucid.archive.policy_tables import QuarantineRow
from pellucid.archive.versions import now
from pellucid.errors import InvalidInputError

if TYPE_CHECKING:
    from pellucid.archive.archive import Archive

How = Literal["as-is", "replace", "new-uids"]


@dataclass(frozen=True, kw_only=True)
class Quarantined:
    """An object in quarantine, why, and who sent it; `received` is UTC, ISO 8601."""

    id: str
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    patient_id: str
    object_size: int
    reason: str
    source: str
    received: str


class Quarantine:
    """List, release, drop."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def add(self, parsed: Parsed, source: bytes | Path, reason: str, sender: str) -> None:
        """Keep an object that was refused; the same one only once."""
        name = self._archive.objects.put(source)
        try:
            with self._archive.writing() as session:
                if session.scalar(select(QuarantineRow.id).where(QuarantineRow.object_sha256 == name)) is None:
                    session.add(
                        QuarantineRow(
                            id=uuid.uuid4().hex,
                            study_instance_uid=parsed.study_instance_uid,
                            series_instance_uid=parsed.series_instance_uid,
                            sop_instance_uid=parsed.sop_instance_uid,
                            patient_id=parsed.study["patient_id"],
                            object_sha256=name,
                            object_size=len(source) if isinstance(source, bytes) else source.stat().st_size,
                            reason=reason,
                            source=sender,
                            received=now(),
                        )
                    )
        finally:
            self._archive.release([name])

    def listing(self) -> list[Quarantined]:
        """What is there, the oldest first."""
        with self._archive.reading() as session:
            rows = session.scalars(select(QuarantineRow).order_by(QuarantineRow.received, QuarantineRow.id))
            names = Quarantined.__dataclass_fields__
            return [Quarantined(**{name: getattr(row, name) for name in names}) for row in rows]

    def read(self, identifier: str) -> bytes:
        """The object as it was received."""
        return self._archive.objects.get(self._row(identifier).object_sha256)

    def release(self, identifier: str, how: How) -> Stored:
        """Store an object after all.

        `how`: as it is, where nothing stands against it any more; in the place of the one under its UID, which stays
        as a version; or under new Series and SOP Instance UIDs. Raises `StoreRefusedError` where it is still refused.
        """
        row = self._row(identifier)
        data = self._archive.objects.get(row.object_sha256)
        with TemporaryDirectory(prefix="quarantine-", dir=self._archive.incoming) as folder:
            source: bytes | Path = data
            if how == "new-uids":
                source = self._renamed(row, Path(folder) / "renamed.dcm")
            with self._archive.batch() as batch:
                stored = batch.store(source, duplicates="replace" if how == "replace" else "refuse", any_patient=True)
        self.drop(identifier)
        return stored

    def drop(self, identifier: str) -> None:
        """Delete an object from the quarantine."""
        name = self._row(identifier).object_sha256
        with self._archive.writing() as session:
            session.execute(delete(QuarantineRow).where(QuarantineRow.id == self._row(identifier).id))
        self._archive.remove_unnamed({name})

    def _renamed(self, row: QuarantineRow, file: Path) -> Path:
        """Objects of one series that are released so are one series again: its new UID follows from the old ones."""
        changes: Mapping[str, str] = {
            "SeriesInstanceUID": generate_uid(entropy_srcs=[row.series_instance_uid, row.study_instance_uid, "series"]),
            "SOPInstanceUID": generate_uid(entropy_srcs=[row.object_sha256, "instance"]),
        }
        with self._archive.objects.open(row.object_sha256) as source:
            coerce(source, file, changes, "COERCE")
        return file

    def _row(self, identifier: str) -> QuarantineRow:
        """By its id, or as much of it as no other begins with."""
        with self._archive.reading() as session:
            found = list(session.scalars(select(QuarantineRow).where(QuarantineRow.id.startswith(identifier)).limit(2)))
        if len(found) != 1 or not identifier:
            raise InvalidInputError(f"there is no single {identifier!r} in the quarantine", field="quarantine")
        return found[0]
