"""The archive: an index and the objects it names, in one folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pellucid.archive import versions
from pellucid.archive.batch import Batch, Stored
from pellucid.archive.corrections import Corrections
from pellucid.archive.database import Database
from pellucid.archive.derived_cache import DerivedCache
from pellucid.archive.frames import Frames
from pellucid.archive.group_commit import GroupCommit, Work
from pellucid.archive.inserting import recount
from pellucid.archive.places import Places
from pellucid.archive.policies import Policies
from pellucid.archive.policy_tables import InstanceVersionRow, QuarantineRow
from pellucid.archive.quarantine import Quarantine
from pellucid.archive.schema import AcquisitionRow, InstanceRow, SeriesRow, SeriesSourceRow, StudyProjectRow, StudyRow
from pellucid.archive.sender import ANYONE, Sender
from pellucid.archive.study_use import Quota, Reads, count_again, count_new
from pellucid.archive.transcoding_rules import TranscodingNotes, TranscodingRule
from pellucid.archive.transcoding_tables import OriginalRow, TranscodingRow
from pellucid.archive.unavailable import ArchiveUnavailableError
from pellucid.archive.view import View, place
from pellucid.archive.visibility import EVERYTHING, Visible
from pellucid.archive.workplace import Workplace
from pellucid.codecs.sandbox import Sandbox

NAMING = (InstanceRow, AcquisitionRow, OriginalRow, InstanceVersionRow, QuarantineRow)
"""The tables that name objects."""

StoreListener = Callable[[Session, Sequence[Stored]], None]
"""Called within the transaction that makes new instances visible: what it writes is there if, and only if, they are."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The largest sizes accepted from outside, and what is kept of what was made from objects [byte]."""

    instance_bytes: int = 4 << 30
    inflated_bytes: int = 1 << 30
    derived_bytes: int = 4 << 30


class Archive(View):
    """Images and raw signals in a folder: `index.sqlite`, `objects/`, `incoming/`, and `derived/`, a cache.

    Safe for use from many threads, and from several processes. Every method that stores or deletes is one transaction.
    """

    def __init__(
        self,
        folder: Path,
        *,
        limits: Limits | None = None,
        places: Places | None = None,
        transcoding: Sequence[TranscodingRule] = (),
        policies: Policies | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.transcoding = tuple(transcoding)
        self.limits = limits or Limits()
        self.places = places or Places()
        database = Database(self.places.index(folder))
        unfinished: list[str] = []
        self._workplace = Workplace(folder / "incoming", unfinished.extend)
        objects = self.places.open_objects(folder, self._workplace)
        self._derived = DerivedCache(folder / "derived", self.limits.derived_bytes)
        super().__init__(database, objects, Frames(objects, self._derived, Sandbox()), EVERYTHING)
        self.on_store: list[StoreListener] = [TranscodingNotes(self.transcoding)] if transcoding else []
        self.on_store += [count_new, Corrections(self).apply_to_new]
        self.policies = policies or Policies()
        self.quota = Quota(self.policies, self.reading)
        self.quarantine = Quarantine(self)
        self.reads = Reads(self.writing)
        self._group = GroupCommit(self.writing)
        self._left: set[str] = set()
        self._left_lock = Lock()
        self.remove_unnamed(set(unfinished))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def incoming(self) -> Path:
        """A folder for files on their way in; removed when the archive closes."""
        return self._workplace.folder

    def close(self) -> None:
        """Close the index, stop the decoders and remove what was on its way in."""
        self.frames.sandbox.close()
        if self.reads is not None:
            self.reads.write_down()
        self._database.close()
        self._workplace.close()

    # Storing

    def store(self, source: bytes | Path) -> Stored:
        """Store one DICOM file exactly as received; raises `StoreRefusedError` where it cannot be kept."""
        with self.batch() as batch:
            return batch.store(source)

    def store_received(self, data_set: bytes | memoryview, *, file_meta: bytes, sender: Sender = ANYONE) -> Stored:
        """Store a data set as it came over a network; `file_meta` makes it a file: preamble, mark and group 2."""
        with self.batch(sender) as batch:
            return batch.store(b"".join((file_meta, data_set)))

    def batch(self, sender: Sender = ANYONE) -> Batch:
        """Several things stored together: all when the `with` block ends, none where it raises."""
        return Batch(self, sender)

    # Reading: see `View`

    def seen_by(self, visible: Visible) -> View:
        """The archive as a caller sees it who may see only `visible`."""
        view = View(self._database, self.objects, self.frames, visible)
        view.reads = self.reads
        return view

    # Deleting

    def delete(self, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None) -> int:
        """Delete a study, a series or an instance, and what is empty then; how many instances went."""
        chosen = select(InstanceRow.sop_instance_uid, InstanceRow.object_sha256).join(
            SeriesRow, SeriesRow.series_instance_uid == InstanceRow.series_instance_uid
        )
        with self.writing() as session:
            gone = session.execute(chosen.where(*place(study_uid, series_uid, sop_uid))).all()
            names = {name for _, name in gone}
            for part in _chunks([uid for uid, _ in gone]):
                kept = OriginalRow.sop_instance_uid.in_(part)
                names |= set(session.scalars(select(OriginalRow.object_sha256).where(kept)))
                session.execute(delete(OriginalRow).where(kept))
                session.execute(delete(TranscodingRow).where(TranscodingRow.sop_instance_uid.in_(part)))
                names |= versions.forget(session, part)
                session.execute(delete(InstanceRow).where(InstanceRow.sop_instance_uid.in_(part)))
            recount(session.connection(), [study_uid])
            count_again(session, [study_uid])
            _delete_empty(session, study_uid)
        self.remove_unnamed(names)
        return len(gone)

    def delete_acquisition(self, acquisition_id: str) -> bool:
        """Delete a raw signal; the images made from it stay."""
        with self.writing() as session:
            row = session.get(AcquisitionRow, acquisition_id)
            if row is None:
                return False
            name = row.object_sha256
            session.execute(delete(SeriesSourceRow).where(SeriesSourceRow.acquisition_id == acquisition_id))
            session.execute(delete(AcquisitionRow).where(AcquisitionRow.id == acquisition_id))
        self.remove_unnamed({name})
        return True

    def verify(self) -> Iterator[str]:
        """Read every object again; one line per object that is missing, damaged, or named by nothing."""
        from pellucid.archive.verifying import Verifier

        yield from Verifier(self).problems()

    # For batches

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """The one transaction that writes now."""
        with self._database.writing() as session:
            yield session

    def commit_with_others(self, work: Work) -> None:
        """Do `work` in a transaction that others who come at the same time may share; returns when it is committed."""
        self._group.run(work)

    def release(self, held: Iterable[str], *, named: Iterable[str] = ()) -> None:
        """Let go of objects; those that the index does not name (all but `named`, as is known) are removed."""
        names = list(held)
        for name in names:
            self.objects.release(name)
        self.remove_unnamed(set(names) - set(named))

    def remove_unnamed(self, names: set[str]) -> None:
        """Remove those of these objects that the index does not name and nobody is storing."""
        with self._left_lock:
            names, self._left = names | self._left, set()
        if not names:
            return
        try:
            self._remove_now(names)
        except ArchiveUnavailableError:
            with self._left_lock:
                self._left |= names  # with the next ones; what is left for good, `verify` names

    def _remove_now(self, names: set[str]) -> None:
        # As the writer: no batch can come to name an object between the look and the removal.
        with self.writing() as session:
            for part in _chunks(sorted(names)):
                kept = {
                    name
                    for row in NAMING
                    for name in session.scalars(select(row.object_sha256).where(row.object_sha256.in_(part)))
                }
                for name in part:
                    if name not in kept:
                        self.objects.remove_unless_held(name)
                        self._derived.forget(name)


def _delete_empty(session: Session, study_uid: str) -> None:
    """A study's series without instances (with their link to a raw signal), then itself where it has none."""
    empty = SeriesRow.study_instance_uid == study_uid, SeriesRow.number_of_instances == 0
    for part in _chunks(list(session.scalars(select(SeriesRow.series_instance_uid).where(*empty)))):
        session.execute(delete(SeriesSourceRow).where(SeriesSourceRow.series_instance_uid.in_(part)))
        session.execute(delete(SeriesRow).where(SeriesRow.series_instance_uid.in_(part)))
    recount(session.connection(), [study_uid])
    childless = StudyRow.study_instance_uid == study_uid, StudyRow.number_of_series == 0
    gone = select(StudyRow.study_instance_uid).where(*childless)
    session.execute(delete(StudyProjectRow).where(StudyProjectRow.study_instance_uid.in_(gone)))
    session.execute(delete(StudyRow).where(*childless))


def _chunks(items: list[Any], size: int = 500) -> Iterator[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))
