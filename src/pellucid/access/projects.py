"""Which projects a study belongs to: by hand, or by rules that are applied when it arrives."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydicom.datadict import tag_for_keyword
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from pellucid.access.accounts import project_of
from pellucid.access.tables import ProjectRuleRow
from pellucid.archive import Archive, Stored
from pellucid.archive.prepared import Prepared
from pellucid.archive.schema import SeriesRow, StudyProjectRow, StudyRow
from pellucid.errors import InvalidInputError

_ANY_RULE = Prepared(select(ProjectRuleRow.name))

SOURCE = "SourceAE"
"""Instead of an attribute: the AE title that sent the study."""


@dataclass(frozen=True, kw_only=True)
class ProjectRule:
    """Studies that match join `project`; `match`: DICOM keyword of patient, study or series, or "SourceAE" → pattern.

    Patterns have the wildcards * and ?; letters of either case are the same. All of them must match.
    """

    name: str
    match: Mapping[str, str]
    project: str

    def __post_init__(self) -> None:
        project_of(self.project)
        if not re.fullmatch(r"[\w. +-]{1,64}", self.name):
            raise InvalidInputError(f"is {self.name!r}; expected 1 to 64 letters, digits, spaces", field="rule")
        if not self.match:
            raise InvalidInputError("has no condition; it would match every study", field=f"rule {self.name}")
        for keyword in self.match:
            if keyword != SOURCE and tag_for_keyword(keyword) is None:
                raise InvalidInputError(
                    f"{keyword!r} is neither a DICOM keyword nor {SOURCE}", field=f"rule {self.name}"
                )

    def matches(self, values: Callable[[str], Iterable[str]]) -> bool:
        """Whether a study matches; `values`: keyword → what the study has."""
        return all(
            any(fnmatchcase(value.casefold(), pattern.casefold()) for value in values(keyword))
            for keyword, pattern in self.match.items()
        )


class Projects:
    """Projects and their rules in the archive's database; a project is there where it has a study or a rule."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def names(self) -> list[str]:
        """Every project that has studies or a rule."""
        with self._archive.reading() as session:
            return sorted(
                {
                    *session.scalars(select(StudyProjectRow.project).distinct()),
                    *session.scalars(select(ProjectRuleRow.project).distinct()),
                }
            )

    def of(self, study_uid: str) -> list[str]:
        """The projects of a study."""
        chosen = select(StudyProjectRow.project).where(StudyProjectRow.study_instance_uid == study_uid)
        with self._archive.reading() as session:
            return sorted(session.scalars(chosen))

    def put(self, study_uid: str, projects: Iterable[str]) -> None:
        """Let a study belong to these projects and no others."""
        names = {project_of(project) for project in projects}
        with self._archive.writing() as session:
            if session.get(StudyRow, study_uid) is None:
                raise InvalidInputError(f"there is no study {study_uid[:64]}", field="study")
            session.execute(delete(StudyProjectRow).where(StudyProjectRow.study_instance_uid == study_uid))
            session.add_all(StudyProjectRow(study_instance_uid=study_uid, project=name) for name in names)

    def rules(self) -> list[ProjectRule]:
        """Every rule, by name."""
        with self._archive.reading() as session:
            return _rules(session)

    def add_rule(self, rule: ProjectRule) -> None:
        """Add a rule, or change the one of that name; it holds for studies that arrive from now on."""
        with self._archive.writing() as session:
            session.merge(ProjectRuleRow(name=rule.name, match=json.dumps(dict(rule.match)), project=rule.project))

    def remove_rule(self, name: str) -> bool:
        """Remove a rule; whether it was there."""
        with self._archive.writing() as session:
            row = session.get(ProjectRuleRow, name)
            if row is not None:
                session.delete(row)
            return row is not None

    def on_store(self, session: Session, stored: Sequence[Stored]) -> None:
        """Apply the rules to what arrives; for `Archive.on_store`."""
        if _ANY_RULE.run(session.connection(), {}).first() is None:  # asked for every instance that is stored
            return
        rules = _rules(session)
        sources: dict[str, set[str]] = {}
        for item in stored:
            sources.setdefault(item.study_instance_uid, set()).add(item.source)
        for study_uid, titles in sources.items():
            values = _values(session, study_uid, titles)
            for project in {rule.project for rule in rules if rule.matches(values)}:
                session.merge(StudyProjectRow(study_instance_uid=study_uid, project=project))


def _rules(session: Session) -> list[ProjectRule]:
    rows = session.scalars(select(ProjectRuleRow).order_by(ProjectRuleRow.name))
    return [ProjectRule(name=row.name, match=json.loads(row.match), project=row.project) for row in rows]


def _values(session: Session, study_uid: str, titles: set[str]) -> Callable[[str], Iterable[str]]:
    """What a study has: the attributes of patient, study and all its series."""
    texts = [
        *session.scalars(select(StudyRow.attributes).where(StudyRow.study_instance_uid == study_uid)),
        *session.scalars(select(SeriesRow.attributes).where(SeriesRow.study_instance_uid == study_uid)),
    ]
    levels: list[dict[str, Any]] = [json.loads(text) for text in texts]

    def values(keyword: str) -> Iterable[str]:
        if keyword == SOURCE:
            return titles
        tag = f"{tag_for_keyword(keyword):08X}"
        found = [value for level in levels for value in level.get(tag, {}).get("Value", []) or [""]]
        return [_text(value) for value in found]

    return values


def _text(value: Any) -> str:
    """A value as people write it; of names the alphabetic form."""
    return str(value.get("Alphabetic", "")) if isinstance(value, dict) else str(value)
