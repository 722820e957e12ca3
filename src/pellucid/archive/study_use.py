"""How much studies take, when they were read last, and whether there is room for more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from pellucid.archive.batch import Stored
from pellucid.archive.policies import Policies
from pellucid.archive.policy_tables import InstanceVersionRow, StudyUseRow
from pellucid.archive.prepared import Prepared
from pellucid.archive.refusals import FailureReason, StoreRefusedError
from pellucid.archive.schema import AcquisitionRow, InstanceRow, SeriesRow, StudyProjectRow
from pellucid.archive.sender import Sender
from pellucid.archive.unavailable import ArchiveUnavailableError

Sessions = Callable[[], AbstractContextManager[Session]]

_LOOK_AGAIN_SECONDS = 5.0
_WRITE_DOWN_SECONDS = 30.0
_MOST_REMEMBERED = 100_000

_MORE = Prepared(
    update(StudyUseRow)
    .where(StudyUseRow.study_instance_uid == bindparam("study"))
    .values(stored_bytes=StudyUseRow.stored_bytes + bindparam("size"))
)


def count_new(session: Session, stored: Sequence[Stored]) -> None:
    """Within the transaction that makes instances visible: what their studies take now."""
    sizes: dict[str, int] = {}
    for one in stored:
        sizes[one.study_instance_uid] = sizes.get(one.study_instance_uid, 0) + one.size
    for study_uid, size in sizes.items():
        if not _MORE.run(session.connection(), {"study": study_uid, "size": size}).rowcount:
            session.add(StudyUseRow(study_instance_uid=study_uid, stored_bytes=size, last_read=""))


def count_again(session: Session, study_uids: Iterable[str]) -> None:
    """What studies take after something else than storing changed it; a study that is gone takes nothing."""
    for study_uid in study_uids:
        of_study = (
            select(func.coalesce(func.sum(InstanceRow.object_size), 0), func.count())
            .join(SeriesRow, SeriesRow.series_instance_uid == InstanceRow.series_instance_uid)
            .where(SeriesRow.study_instance_uid == study_uid)
        )
        size, instances = session.execute(of_study).one()
        if not instances:
            session.execute(delete(StudyUseRow).where(StudyUseRow.study_instance_uid == study_uid))
            continue
        old = select(func.coalesce(func.sum(InstanceVersionRow.object_size), 0))
        versions = session.scalar(old.where(InstanceVersionRow.study_instance_uid == study_uid)) or 0
        known = update(StudyUseRow).where(StudyUseRow.study_instance_uid == study_uid)
        if not session.connection().execute(known.values(stored_bytes=int(size) + int(versions))).rowcount:
            session.add(StudyUseRow(study_instance_uid=study_uid, stored_bytes=int(size + versions), last_read=""))
            session.flush()


class Quota:
    """Whether there is room; the sums are looked up every few seconds, what is stored between is added."""

    def __init__(self, policies: Policies, reading: Sessions) -> None:
        self._policies = policies
        self._reading = reading
        self._lock = threading.Lock()
        self._sums: dict[str, int] = {}
        self._looked = float("-inf")

    def require(self, size: int, sender: Sender) -> None:
        """Raises `StoreRefusedError` where an object of `size` bytes is more than is allowed."""
        limits = {"": self._policies.quota_bytes} if self._policies.quota_bytes else {}
        if not sender.visible.everything:
            allowed = self._policies.quota_by_project
            limits |= {name: allowed[name] for name in sender.visible.projects if name in allowed}
        if not limits:
            return
        with self._lock:
            if time.monotonic() - self._looked > _LOOK_AGAIN_SECONDS:
                self._sums, self._looked = {}, time.monotonic()
            for project, limit in limits.items():
                if project not in self._sums:
                    self._sums[project] = self._sum(project)
                if self._sums[project] + size > limit:
                    whose = f"of project {project}" if project else "of the archive"
                    raise StoreRefusedError(
                        f"cannot be stored: the quota {whose}, {limit} bytes, is used up",
                        FailureReason.OUT_OF_RESOURCES,
                    )
            for project in limits:
                self._sums[project] += size

    def _sum(self, project: str) -> int:
        statement = select(func.coalesce(func.sum(StudyUseRow.stored_bytes), 0))
        with self._reading() as session:
            if project:
                joined = StudyProjectRow.study_instance_uid == StudyUseRow.study_instance_uid
                statement = statement.join(StudyProjectRow, joined).where(StudyProjectRow.project == project)
                return int(session.scalar(statement) or 0)
            signals = session.scalar(select(func.coalesce(func.sum(AcquisitionRow.object_size), 0)))
            return int(session.scalar(statement) or 0) + int(signals or 0)


class Reads:
    """The day each study was read last: remembered here, written down every half a minute, and at the end."""

    def __init__(self, writing: Sessions) -> None:
        self._writing = writing
        self._lock = threading.Lock()
        self._days: dict[str, str] = {}
        self._new: dict[str, str] = {}
        self._written = time.monotonic()

    def note(self, study_uid: str) -> None:
        """Someone reads a study."""
        today = datetime.now(UTC).date().isoformat()
        if self._days.get(study_uid) == today:
            return
        with self._lock:
            if len(self._days) >= _MOST_REMEMBERED:
                self._days.clear()
            self._days[study_uid] = self._new[study_uid] = today
            due = time.monotonic() - self._written > _WRITE_DOWN_SECONDS
            if due:
                self._written = time.monotonic()
        if due:
            threading.Thread(target=self.write_down, name="last reads", daemon=True).start()

    def write_down(self) -> None:
        """Write what is remembered into the index."""
        with self._lock:
            new, self._new = self._new, {}
        if not new:
            return
        try:
            with self._writing() as session:
                for study_uid, day in new.items():
                    row = update(StudyUseRow).where(StudyUseRow.study_instance_uid == study_uid)
                    session.execute(row.values(last_read=day))
        except ArchiveUnavailableError:
            with self._lock:
                self._new = {**new, **self._new}
