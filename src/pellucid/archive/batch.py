"""Things stored together: all of them, or none."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy.orm import Session

from pellucid.archive.conflicts import is_in_place, require_same_patient
from pellucid.archive.inserting import insert_new, is_new, known, require_same_study, require_study, study_of
from pellucid.archive.metadata import Parsed, parse
from pellucid.archive.objects import ObjectDamagedError
from pellucid.archive.policies import Duplicates, is_conflict
from pellucid.archive.refusals import FailureReason, StoreRefusedError
from pellucid.archive.same_content import same_content
from pellucid.archive.schema import AcquisitionRow, SeriesSourceRow
from pellucid.archive.sender import ANYONE, Sender
from pellucid.archive.versions import replace

if TYPE_CHECKING:
    from pellucid.archive.archive import Archive


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An instance that is (or with the batch will be) stored; `new` is False where it was already there.

    `size` [byte]: of the file, where it is new; `source`: the AE title or the account that sent it.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    new: bool
    size: int = 0
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class AcquisitionLabel:
    """What is said of a raw signal in lists; the archive does not look inside the file."""

    modality: str
    description: str
    patient_name: str
    study_instance_uid: str


@dataclass
class _Staged:
    parsed: dict[str, Parsed] = field(default_factory=dict)
    replacing: dict[str, Parsed] = field(default_factory=dict)
    rows: list[AcquisitionRow] = field(default_factory=list)
    sources: dict[str, SeriesSourceRow] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not (self.parsed or self.replacing or self.rows or self.sources)


class Batch:
    """A set of objects that becomes visible at once when the `with` block ends, or leaves nothing behind.

    Objects are written as they come; the index names them in one transaction at the end.
    """

    def __init__(self, archive: Archive, sender: Sender = ANYONE) -> None:
        self._archive = archive
        self._sender = sender
        self._staged = _Staged()

    def store(
        self,
        source: bytes | Path,
        *,
        study_uid: str | None = None,
        duplicates: Duplicates | None = None,
        any_patient: bool = False,
    ) -> Stored:
        """Add one DICOM file as received; with `study_uid` only where it belongs to that study.

        `duplicates`, `any_patient`: instead of what the policies say. Raises `StoreRefusedError`; the batch goes on
        without the file.
        """
        limits = self._archive.limits
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        if size > limits.instance_bytes:
            raise StoreRefusedError(
                f"is {size} bytes; expected up to {limits.instance_bytes}", FailureReason.OUT_OF_RESOURCES
            )
        with self._archive.objects.taken(source) as ours:
            parsed = parse(ours, inflated_limit=limits.inflated_bytes)
            if study_uid is not None:
                require_study(parsed, study_uid, f"is {parsed.study_instance_uid}; expected {study_uid}")
            return self._stage(ours, size, parsed, duplicates, any_patient=any_patient)

    def _stage(
        self, source: bytes | Path, size: int, parsed: Parsed, duplicates: Duplicates | None, *, any_patient: bool
    ) -> Stored:
        """Write the object of one file, unless it is there already."""
        staged = self._staged.parsed
        try:
            new = self._is_new(parsed, source)
            if new and not any_patient:
                self._require_same_patient(parsed)
        except StoreRefusedError as error:
            chosen = duplicates or self._archive.policies.duplicates_of(self._sender.title)
            if not self._settles(parsed, source, error, chosen):
                raise
            new, staged = chosen == "replace", self._staged.replacing
        if new:
            self._archive.quota.require(size, self._sender)
            name = self._put(source)
            parsed.instance.update(object_sha256=name, object_size=size)
            staged[parsed.sop_instance_uid] = parsed
        return _stored(parsed, self._sender, new=new)

    def add_acquisition(self, file: Path, label: AcquisitionLabel) -> str:
        """Add a raw signal's file; its id. Raises `StoreRefusedError` where its study belongs to others."""
        with self._archive.reading() as session:
            self._sender.require_own(session, label.study_instance_uid)
        row = AcquisitionRow(
            id=uuid.uuid4().hex,
            modality=label.modality,
            description=label.description,
            patient_name=label.patient_name,
            study_instance_uid=label.study_instance_uid,
            object_sha256=self._put(file),
            object_size=file.stat().st_size,
            created=_now(),
        )
        self._staged.rows.append(row)
        return row.id

    def link(self, series_uid: str, acquisition_id: str, method: str, parameters: Mapping[str, Any]) -> None:
        """Record what a series of this batch (or a stored one) was reconstructed from."""
        self._staged.sources[series_uid] = SeriesSourceRow(
            series_instance_uid=series_uid,
            acquisition_id=acquisition_id,
            method=method,
            parameters=json.dumps(dict(parameters)),
        )

    def series_in_study(self, study_uid: str) -> set[str]:
        """UIDs of the series that this batch adds to a study."""
        staged = self._staged.parsed.values()
        return {p.series_instance_uid for p in staged if p.study_instance_uid == study_uid}

    def commit(self) -> None:
        """Make everything visible in one transaction; called by the end of the `with` block."""
        staged, self._staged = self._staged, _Staged()
        named: set[str] = set()
        try:
            if not staged.is_empty:
                named = self._write(staged)
        finally:
            self._archive.release(staged.held, named=named)

    def _write(self, staged: _Staged) -> set[str]:
        """Name what is staged in the index; the objects that are named now."""
        named: set[str] = set()

        def work(session: Session) -> None:
            brought = self._sender.brought(session, (p.study_instance_uid for p in staged.parsed.values()))
            new = insert_new(session.connection(), staged.parsed.values(), self._same)
            for parsed in staged.replacing.values():
                replace(session, parsed, "", reason="another object of the same UID", made_by=self._sender.title)
                new.append(parsed)
            session.add_all(staged.rows)
            self._require_objects(staged.held)
            session.flush()
            session.add_all(staged.sources.values())
            self._sender.claim(session, brought)
            self._tell_listeners(session, [_stored(parsed, self._sender, new=True) for parsed in new])
            named.update(parsed.instance["object_sha256"] for parsed in new)
            named.update(row.object_sha256 for row in staged.rows)

        self._archive.commit_with_others(work)
        return named

    def discard(self) -> None:
        """Leave nothing behind."""
        staged, self._staged = self._staged, _Staged()
        self._archive.release(staged.held)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
        else:
            self.discard()

    def _tell_listeners(self, session: Session, stored: list[Stored]) -> None:
        if stored:
            session.flush()
            for listener in self._archive.on_store:
                listener(session, stored)

    def _require_objects(self, names: list[str]) -> None:
        """The index must never name an object that is not there."""
        for name in names:
            if not self._archive.objects.exists(name):
                raise ObjectDamagedError(f"object {name} was removed while it was being stored")

    def _put(self, source: bytes | Path) -> str:
        name = self._archive.objects.put(source)
        self._staged.held.append(name)
        return name

    def _is_new(self, parsed: Parsed, source: bytes | Path) -> bool:
        """False where the same object is there already; raises where it contradicts what is there."""
        staged = self._staged.parsed.get(parsed.sop_instance_uid)
        if staged is not None:
            row = SimpleNamespace(**staged.instance)
            return is_new(parsed, row, lambda one, other: same_content(self._archive.objects, one, other, source))
        for other in self._staged.parsed.values():
            if other.series_instance_uid == parsed.series_instance_uid:
                require_same_study(parsed, other.study_instance_uid)
                break
        if not self._sender.visible.everything:
            with self._archive.reading() as session:
                self._sender.require_own(
                    session, parsed.study_instance_uid, parsed.sop_class_uid, parsed.sop_instance_uid
                )
        with self._archive.looking() as connection:
            there = known(connection, [parsed.sop_instance_uid]).get(parsed.sop_instance_uid)
            if there is None and (study := study_of(connection, parsed.series_instance_uid)) is not None:
                require_same_study(parsed, study)
        return is_new(parsed, there, lambda one, other: same_content(self._archive.objects, one, other, source))

    def _require_same_patient(self, parsed: Parsed) -> None:
        if self._archive.policies.other_patients == "refuse":
            with self._archive.reading() as session:
                require_same_patient(session, parsed)

    def _settles(self, parsed: Parsed, source: bytes | Path, error: StoreRefusedError, duplicates: Duplicates) -> bool:
        """Whether the policies let an object be accepted that was refused; where not, it may go into quarantine."""
        staged = parsed.sop_instance_uid in self._staged.parsed
        if error.reason == FailureReason.DUPLICATE_INSTANCE and not staged:
            if duplicates == "keep":
                return True
            with self._archive.looking() as connection:
                if duplicates == "replace" and is_in_place(connection, parsed):
                    return True
        if self._archive.policies.quarantine and is_conflict(error):
            self._archive.quarantine.add(parsed, source, str(error), self._sender.title)
            error.add_note("kept in quarantine")
        return False

    def _same(self, parsed: Parsed, row: Any) -> bool:
        return same_content(self._archive.objects, parsed, row)


def _stored(parsed: Parsed, sender: Sender, *, new: bool) -> Stored:
    return Stored(
        study_instance_uid=parsed.study_instance_uid,
        series_instance_uid=parsed.series_instance_uid,
        sop_instance_uid=parsed.sop_instance_uid,
        sop_class_uid=parsed.sop_class_uid,
        new=new,
        size=parsed.instance.get("object_size", 0) if new else 0,
        source=sender.title,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
