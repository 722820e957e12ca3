"""What of the archive a caller may see, as a condition on the index: nothing that is not seen is ever read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, or_, select

from pellucid.archive.schema import StudyProjectRow


@dataclass(frozen=True, kw_only=True)
class Visible:
    """`everything`, or the studies of some `projects` and the named `studies` (Study Instance UIDs)."""

    everything: bool = False
    projects: frozenset[str] = frozenset()
    studies: frozenset[str] = frozenset()

    def conditions(self, study_uid: Any) -> list[ColumnElement[bool]]:
        """SQL conditions on a column that holds Study Instance UIDs; none where everything is seen."""
        if self.everything:
            return []
        in_projects = select(StudyProjectRow.study_instance_uid).where(StudyProjectRow.project.in_(self.projects))
        return [or_(study_uid.in_(self.studies), study_uid.in_(in_projects))]


EVERYTHING = Visible(everything=True)
NOTHING = Visible()
