"""Which jobs a caller sees: their own, those whose studies they see, and all where they administer."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from pellucid.access import Caller, Permission
from pellucid.archive import Archive
from pellucid.archive.schema import StudyRow
from pellucid.server.job import Job

_MOST = 500


def seen(jobs: Iterable[Job], caller: Caller, archive: Archive) -> list[Job]:
    """Those of the jobs that the caller sees."""
    found = list(jobs)
    if caller.kind == "local" or caller.may(Permission.ADMINISTER):
        return found
    others = {uid for job in found if not _is_own(job, caller) for uid in _studies(job)}
    visible = _visible(others, caller, archive) if caller.may(Permission.READ) else set()
    return [job for job in found if _is_own(job, caller) or (_studies(job) and _studies(job) <= visible)]


def _is_own(job: Job, caller: Caller) -> bool:
    return bool(job.owner) and job.owner == owner_of(caller)


def owner_of(caller: Caller) -> str:
    """How a job remembers who started it."""
    return "" if caller.kind == "local" else f"{caller.kind} {caller.name}"


def _studies(job: Job) -> set[str]:
    return {*job.studies, *(job.result or {}).get("study_instance_uids", [])}


def _visible(studies: set[str], caller: Caller, archive: Archive) -> set[str]:
    if caller.visible.everything:
        return studies
    wanted, visible = sorted(studies), set()
    with archive.reading() as session:
        for start in range(0, len(wanted), _MOST):
            chosen = select(StudyRow.study_instance_uid).where(
                StudyRow.study_instance_uid.in_(wanted[start : start + _MOST]),
                *caller.visible.conditions(StudyRow.study_instance_uid),
            )
            visible |= set(session.scalars(chosen))
    return visible
