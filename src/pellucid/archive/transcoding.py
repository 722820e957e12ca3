"""Stored instances into another transfer syntax: written, compared, and only then named instead of the original."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Select, func, select

from pellucid.archive.archive import Archive
from pellucid.archive.metadata import file_meta, parse
from pellucid.archive.query import Query
from pellucid.archive.records import InstanceRecord
from pellucid.archive.schema import InstanceRow, SeriesRow
from pellucid.archive.transcoding_tables import OriginalRow
from pellucid.codecs import NotLosslessError, require_same_pixels
from pellucid.codecs.syntaxes import require_known
from pellucid.errors import InvalidInputError, PellucidError, UnsupportedError
from pellucid.progress import Progress, no_progress

_PAGE = 500
_RECORD = [
    SeriesRow.study_instance_uid,
    *(getattr(InstanceRow, name) for name in InstanceRecord.__dataclass_fields__ if name != "study_instance_uid"),
]


class ChangedMeanwhileError(PellucidError):
    """An instance was deleted or changed while it was being transcoded; nothing was done."""


@dataclass
class Outcome:
    """What a run did: instances, and bytes before and after; `refused` counts reasons, `failed` names instances."""

    done: int = 0
    before: int = 0
    after: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


class Transcoder:
    """Transcodes stored instances without loss.

    The original is removed `grace_seconds` after nothing names it any more: whoever reads it now reads on.
    With `keep_original` it stays, and goes with its instance.
    """

    def __init__(self, archive: Archive, *, keep_original: bool = False, grace_seconds: float = 0.0) -> None:
        self._archive = archive
        self._keep = keep_original
        self._grace = grace_seconds
        self._left: deque[tuple[float, str]] = deque()

    def transcode(self, sop_uid: str, to_syntax: str) -> tuple[int, int]:
        """One instance; its size before and after [byte], both 0 where there is nothing to do.

        Raises `UnsupportedError` where its pixels cannot become that, `NotLosslessError` where they would not be the
        same, and `ChangedMeanwhileError`.
        """
        record, content = self._record(sop_uid)
        if record.transfer_syntax_uid == to_syntax:
            return 0, 0
        frames, objects = self._archive.frames, self._archive.objects
        reason = frames.refusal(record, to_syntax)
        if reason:
            raise UnsupportedError(reason)
        with TemporaryDirectory(prefix="transcoding-", dir=self._archive.incoming) as folder:
            file = Path(folder) / "new.dcm"
            with file.open("w+b") as target:
                frames.write(target, record, to_syntax)
            original = objects.open(record.object_sha256)
            require_same_pixels(original, file, converter=frames.sandbox.convert)
            name = objects.put(file)
            objects.hold(record.object_sha256)  # should this process die now, the next one removes what is not named
            try:
                self._switch(record, file, name, content or self._received_digest(record))
            except BaseException:
                self._archive.release([name, record.object_sha256])
                raise
            size = file.stat().st_size
        self._archive.release([name], named=[name])
        self._left.append((time.monotonic(), record.object_sha256))
        self.drop_originals()
        return record.object_size, size

    def drop_originals(self, *, all_of_them: bool = False) -> None:
        """Remove originals whose time has come."""
        gone = []
        while self._left and (all_of_them or time.monotonic() - self._left[0][0] >= self._grace):
            gone.append(self._left.popleft()[1])
        if gone:
            self._archive.release(gone)

    def run(self, to_syntax: str, where: Mapping[str, str], progress: Progress = no_progress) -> Outcome:
        """All instances that match `where` and are not in the transfer syntax yet; may be stopped and begun again."""
        chosen = self._chosen(to_syntax, where)
        outcome = Outcome()
        with self._archive.reading() as session:
            total = session.scalar(select(func.count()).select_from(chosen.subquery())) or 0
        progress(0.0, f"0 of {total} instances")
        try:
            for count, (uid, work) in enumerate(self._in_parallel(chosen, to_syntax), 1):
                _note(outcome, uid, work)
                progress(min(1.0, count / max(1, total)), f"{count} of {total} instances")
        finally:
            self.drop_originals(all_of_them=True)
        return outcome

    def _in_parallel(self, chosen: Select[Any], to_syntax: str) -> Iterator[tuple[str, Callable[[], tuple[int, int]]]]:
        workers = self._archive.frames.sandbox.workers
        with ThreadPoolExecutor(workers, thread_name_prefix="transcode") as pool:
            waiting: deque[tuple[str, Future[tuple[int, int]]]] = deque()
            try:
                for uid in self._uids(chosen):
                    waiting.append((uid, pool.submit(self.transcode, uid, to_syntax)))
                    if len(waiting) >= 2 * workers:
                        first, work = waiting.popleft()
                        yield first, work.result
                for uid, work in waiting:
                    yield uid, work.result
            finally:
                for _, work in waiting:
                    work.cancel()

    def _chosen(self, to_syntax: str, where: Mapping[str, str]) -> Select[Any]:
        require_known(to_syntax)
        query = Query("instance", dict(where))
        if query.unsupported:
            raise InvalidInputError("cannot be matched", field=", ".join(query.unsupported))
        return query.instance_uids().where(InstanceRow.transfer_syntax_uid != to_syntax, InstanceRow.pixel_tag != "")

    def _uids(self, chosen: Select[Any]) -> Iterator[str]:
        """A page at a time, each in its own look at the index."""
        last = ""
        while True:
            page = chosen.where(InstanceRow.sop_instance_uid > last).order_by(InstanceRow.sop_instance_uid).limit(_PAGE)
            with self._archive.reading() as session:
                uids = list(session.scalars(page))
            yield from uids
            if len(uids) < _PAGE:
                return
            last = uids[-1]

    def _record(self, sop_uid: str) -> tuple[InstanceRecord, str]:
        """The instance, and the digest of what was received, where it is not that any more."""
        statement = (
            select(*_RECORD, InstanceRow.content_sha256)
            .join(SeriesRow, SeriesRow.series_instance_uid == InstanceRow.series_instance_uid)
            .where(InstanceRow.sop_instance_uid == sop_uid)
        )
        with self._archive.reading() as session:
            row = session.execute(statement).mappings().one_or_none()
        if row is None:
            raise ChangedMeanwhileError("the instance is not there any more")
        values = dict(row)
        content = str(values.pop("content_sha256"))
        return InstanceRecord(**values), content

    def _received_digest(self, record: InstanceRecord) -> str:
        """SHA-256 of the data set as it was received: whoever sends it again sends what is there."""
        digest = hashlib.sha256()
        with self._archive.objects.open(record.object_sha256) as file:
            _, start = file_meta(file.read(4096))
            file.seek(start)
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        return digest.hexdigest()

    def _switch(self, record: InstanceRecord, file: Path, name: str, content: str) -> None:
        """Name the new object in one transaction, unless something else happened to the instance."""
        parsed = parse(file, inflated_limit=self._archive.limits.inflated_bytes)
        with self._archive.writing() as session:
            row = session.get(InstanceRow, record.sop_instance_uid)
            if row is None or row.object_sha256 != record.object_sha256:
                raise ChangedMeanwhileError("the instance was changed or deleted meanwhile")
            for column, value in parsed.instance.items():
                setattr(row, column, value)
            row.object_sha256, row.object_size, row.content_sha256 = name, file.stat().st_size, content
            if self._keep and session.get(OriginalRow, record.sop_instance_uid) is None:
                session.add(
                    OriginalRow(
                        sop_instance_uid=record.sop_instance_uid,
                        object_sha256=record.object_sha256,
                        object_size=record.object_size,
                        transfer_syntax_uid=record.transfer_syntax_uid,
                    )
                )


def _note(outcome: Outcome, uid: str, work: Callable[[], tuple[int, int]]) -> None:
    try:
        before, after = work()
    except (UnsupportedError, NotLosslessError) as error:
        outcome.refused[str(error)] = outcome.refused.get(str(error), 0) + 1
    except ChangedMeanwhileError:
        pass
    except PellucidError as error:
        outcome.failed[uid] = str(error)
    else:
        outcome.done += before > 0
        outcome.before += before
        outcome.after += after
