"""Every object read again, and compared with what the index says of it, both ways."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from pellucid.archive.inserting import recount
from pellucid.archive.objects import ObjectDamagedError, key_of, sha256_of
from pellucid.archive.schema import InstanceRow, SeriesRow, StudyRow
from pellucid.archive.study_use import count_again
from pellucid.progress import Progress, no_progress

if TYPE_CHECKING:
    from pellucid.archive.archive import Archive

_PARTS = [f"{number:02x}" for number in range(256)]
"""What names begin with: one part after the other, so that memory does not grow with the archive."""


@dataclass
class Report:
    """What was looked at and found: lines of what is wrong, and of what was set right."""

    objects: int = 0
    bytes: int = 0
    problems: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)


class Verifier:
    """Verifies an archive that may be in use meanwhile.

    `state`: a file that remembers how far it came, so that a verification that was stopped goes on. `repair`: objects
    that nothing names are removed, numbers in the index are counted again, and damaged or missing objects are taken
    from `source`, the folder of a backup, where it has them.
    """

    def __init__(
        self, archive: Archive, *, state: Path | None = None, repair: bool = False, source: Path | None = None
    ) -> None:
        self._archive = archive
        self._state = state
        self._repair = repair
        self._source = source

    def problems(self) -> Iterator[str]:
        """What is wrong, line by line as it is found."""
        report = Report()
        for part in sorted(self._used()):
            known = len(report.problems)
            self._verify_part(part, report)
            yield from report.problems[known:]
        yield from self._strangers()

    def run(self, progress: Progress = no_progress) -> Report:
        """Verify all of it, or what is left of it."""
        report, first = self._begun()
        used = self._used()
        for number, part in enumerate(_PARTS[first:], first):
            progress(number / len(_PARTS), f"{report.objects} objects, {len(report.problems)} problems")
            if part in used:
                self._verify_part(part, report)
            self._note(report, number + 1)
        self._verify_numbers(report)
        report.problems += self._strangers()
        if self._state is not None:
            self._state.unlink(missing_ok=True)
        progress(1.0, f"{report.objects} objects")
        return report

    def _strangers(self) -> list[str]:
        return [f"{name} lies among the objects and is named by nothing" for name in self._archive.objects.strangers()]

    def _used(self) -> set[str]:
        """The parts that there are objects of, or names in the index."""
        from pellucid.archive.archive import NAMING

        used = self._archive.objects.parts()
        with self._archive.reading() as session:
            for row in NAMING:
                used.update(session.scalars(select(func.substr(row.object_sha256, 1, 2)).distinct()))
        return used

    def _verify_part(self, part: str, report: Report) -> None:
        sizes = self._named(part)
        for name in sorted(sizes):
            report.objects += 1
            report.bytes += sizes[name]
            try:
                self._archive.objects.check(name)
            except ObjectDamagedError as error:
                if not self._is_named(name):
                    continue  # deleted meanwhile
                if self._repair and self._restored(name):
                    report.repaired.append(f"object {name} was taken from the backup")
                else:
                    report.problems.append(str(error))
        for name in self._archive.objects.names(part):
            if name not in sizes and not self._archive.objects.is_held(name) and not self._is_named(name):
                if self._repair:
                    self._archive.remove_unnamed({name})
                    report.repaired.append(f"object {name}, named by nothing in the index, was removed")
                else:
                    report.problems.append(f"object {name} is named by nothing in the index")

    def _named(self, part: str) -> dict[str, int]:
        from pellucid.archive.archive import NAMING

        sizes: dict[str, int] = {}
        with self._archive.reading() as session:
            for row in NAMING:
                columns = select(row.object_sha256, row.object_size)
                within = columns.where(row.object_sha256 >= part, row.object_sha256 < part + "g")
                sizes.update((found[0], found[1]) for found in session.execute(within))
        return sizes

    def _is_named(self, name: str) -> bool:
        from pellucid.archive.archive import NAMING

        with self._archive.reading() as session:
            known = (select(row.object_sha256).where(row.object_sha256 == name).limit(1) for row in NAMING)
            return any(session.scalar(one) is not None for one in known)

    def _restored(self, name: str) -> bool:
        file = None if self._source is None else self._source / "objects" / key_of(name)
        if file is None or not file.is_file() or sha256_of(file) != name:
            return False
        self._archive.objects.put_again(name, file)
        return True

    def _verify_numbers(self, report: Report) -> None:
        """The numbers of instances that studies and series say they have."""
        with self._archive.reading() as session:
            studies = list(session.scalars(select(StudyRow.study_instance_uid)))
        for study_uid in studies:
            if self._numbers_agree(study_uid):
                continue
            line = f"study {study_uid} does not have the number of series and instances that it says"
            if self._repair:
                with self._archive.writing() as session:
                    recount(session.connection(), [study_uid])
                    count_again(session, [study_uid])
                report.repaired.append(line + "; counted again")
            else:
                report.problems.append(line)

    def _numbers_agree(self, study_uid: str) -> bool:
        with self._archive.reading() as session:
            study = session.get(StudyRow, study_uid)
            rows = session.execute(
                select(SeriesRow.series_instance_uid, SeriesRow.number_of_instances).where(
                    SeriesRow.study_instance_uid == study_uid
                )
            ).all()
            of_series = select(func.count()).select_from(InstanceRow)
            total = 0
            for uid, number in rows:
                counted = session.scalar(of_series.where(InstanceRow.series_instance_uid == uid))
                if counted != number:
                    return False
                total += number
        return study is None or (study.number_of_series, study.number_of_instances) == (len(rows), total)

    def _begun(self) -> tuple[Report, int]:
        try:
            known = json.loads(self._state.read_text("utf-8")) if self._state is not None else None
        except (OSError, ValueError):
            known = None
        if not known:
            return Report(), 0
        return Report(known["objects"], known["bytes"], known["problems"], known["repaired"]), int(known["parts"])

    def _note(self, report: Report, parts: int) -> None:
        if self._state is None:
            return
        partial = self._state.with_suffix(".partial")
        partial.write_text(json.dumps({**report.__dict__, "parts": parts}), "utf-8")
        partial.replace(self._state)
