"""Whether the server lives (/health) and whether it can do its work (/ready)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from pellucid.archive.schema import StudyRow
from pellucid.errors import PellucidError

if TYPE_CHECKING:
    from pellucid.server.platform import Platform

_NOWHERE = "0" * 64


@dataclass(frozen=True)
class Check:
    """One thing that the server needs; `detail` says what is wrong, or how it stands."""

    name: str
    ok: bool
    detail: str


def readiness(platform: Platform) -> list[Check]:
    """Every thing that the server needs to take work."""
    return [
        _checked("index", lambda: _index(platform)),
        _checked("objects", lambda: _objects(platform)),
        _checked("disk space", lambda: _room(platform)),
        _checked("jobs", lambda: _jobs(platform)),
    ]


def _checked(name: str, look: Callable[[], tuple[bool, str]]) -> Check:
    try:
        return Check(name, *look())
    except (OSError, SQLAlchemyError, PellucidError) as error:
        return Check(name, ok=False, detail=f"cannot be used ({type(error).__name__})")


def _index(platform: Platform) -> tuple[bool, str]:
    with platform.archive.reading() as session:
        session.execute(select(StudyRow.study_instance_uid).limit(1)).first()
    return True, "answers"


def _objects(platform: Platform) -> tuple[bool, str]:
    platform.archive.objects.exists(_NOWHERE)
    probe = platform.archive.incoming / "probe"
    probe.write_bytes(b"probe")
    probe.unlink()
    return True, "can be read and written"


def _room(platform: Platform) -> tuple[bool, str]:
    free, needed = platform.storage.free_bytes(), platform.settings.minimum_free_bytes
    return free >= needed, f"{free >> 20} MiB are free; {needed >> 20} MiB are needed"


def _jobs(platform: Platform) -> tuple[bool, str]:
    if platform.jobs.stopping.is_set():
        return False, "the server is stopping"
    waiting, limit = platform.jobs.unfinished(), platform.jobs.most_unfinished
    return waiting < limit, f"{waiting} wait or run; {limit} are taken"
