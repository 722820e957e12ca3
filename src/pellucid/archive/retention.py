"""Which studies are deleted after how long, and which never."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select

from pellucid.archive.policy_tables import HoldRow, RetentionRuleRow, StudyUseRow
from pellucid.archive.schema import AcquisitionRow, SeriesRow, StudyProjectRow, StudyRow
from pellucid.archive.versions import now
from pellucid.errors import InvalidInputError
from pellucid.progress import Progress, no_progress

if TYPE_CHECKING:
    from pellucid.archive.archive import Archive

_DAYS = ("older_than_days", "unread_for_days")
_TEXTS = ("modality", "project")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Studies that match all of `match` are deleted, or kept whatever other rules say.

    `match`: `modality` (one of the study's), `project`, `older_than_days` (since the Study Date, else since it came),
    `unread_for_days` (since it was read last, else since it came).
    """

    name: str
    action: Literal["delete", "keep"]
    match: Mapping[str, str] = field(default_factory=dict)
    enabled: bool = True

    def __post_init__(self) -> None:
        """Raises `InvalidInputError` where a condition is none, or a rule would delete everything."""
        for key, value in self.match.items():
            if key not in (*_DAYS, *_TEXTS):
                raise InvalidInputError(f"is {key!r}; expected one of {', '.join((*_DAYS, *_TEXTS))}", field="rule")
            if key in _DAYS and not (value.isdecimal() and int(value) < 1_000_000):
                raise InvalidInputError(f"is {value!r}; expected a number of days", field=key)
        if self.action not in ("delete", "keep"):
            raise InvalidInputError(f"is {self.action!r}; expected delete or keep", field="action")
        if self.action == "delete" and not any(key in self.match for key in _DAYS):
            raise InvalidInputError(
                "deletes without regard to age: give older_than_days or unread_for_days", field="rule"
            )


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A study that no rule deletes."""

    study_instance_uid: str
    reason: str
    made_by: str
    created: str


@dataclass(frozen=True, kw_only=True)
class Due:
    """A study that a rule says to delete."""

    study_instance_uid: str
    rule: str
    stored_bytes: int


class Retention:
    """Rules and holds, and doing what they say."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def rules(self) -> list[Rule]:
        """All rules."""
        with self._archive.reading() as session:
            rows = session.scalars(select(RetentionRuleRow).order_by(RetentionRuleRow.name))
            return [_rule(row) for row in rows]

    def set_rule(self, rule: Rule) -> None:
        """Add a rule, or change the one of that name."""
        with self._archive.writing() as session:
            session.merge(
                RetentionRuleRow(
                    name=rule.name, action=rule.action, match=json.dumps(dict(rule.match)), enabled=rule.enabled
                )
            )

    def remove_rule(self, name: str) -> bool:
        """Remove a rule; whether there was one."""
        with self._archive.writing() as session:
            known = delete(RetentionRuleRow).where(RetentionRuleRow.name == name)
            return bool(session.connection().execute(known).rowcount)

    def holds(self) -> list[Hold]:
        """All holds."""
        names = Hold.__dataclass_fields__
        with self._archive.reading() as session:
            rows = session.scalars(select(HoldRow).order_by(HoldRow.created, HoldRow.study_instance_uid))
            return [Hold(**{name: getattr(row, name) for name in names}) for row in rows]

    def hold(self, study_uid: str, *, reason: str, made_by: str) -> None:
        """No rule deletes this study any more; raises `InvalidInputError` where there is none."""
        with self._archive.writing() as session:
            if session.get(StudyRow, study_uid) is None:
                raise InvalidInputError(f"there is no study {study_uid}", field="hold")
            session.merge(HoldRow(study_instance_uid=study_uid, reason=reason, made_by=made_by, created=now()))

    def unhold(self, study_uid: str) -> bool:
        """Rules apply to this study again; whether it was held."""
        with self._archive.writing() as session:
            known = delete(HoldRow).where(HoldRow.study_instance_uid == study_uid)
            return bool(session.connection().execute(known).rowcount)

    def due(self) -> list[Due]:
        """The studies that rules say to delete now, the oldest first."""
        rules = [rule for rule in self.rules() if rule.enabled]
        spared: list[ColumnElement[bool]] = [_matches(rule) for rule in rules if rule.action == "keep"]
        spared.append(_exists(HoldRow.study_instance_uid == StudyRow.study_instance_uid))
        found: dict[str, Due] = {}
        with self._archive.reading() as session:
            for rule in rules:
                if rule.action == "delete":
                    statement = (
                        select(StudyRow.study_instance_uid, StudyUseRow.stored_bytes)
                        .outerjoin(StudyUseRow, StudyUseRow.study_instance_uid == StudyRow.study_instance_uid)
                        .where(_matches(rule), ~or_(*spared))
                        .order_by(StudyRow.study_date, StudyRow.received, StudyRow.study_instance_uid)
                    )
                    for uid, size in session.execute(statement):
                        due = Due(study_instance_uid=uid, rule=rule.name, stored_bytes=size or 0)
                        found.setdefault(uid, due)
        return list(found.values())

    def run(self, progress: Progress = no_progress) -> list[Due]:
        """Delete what is due, with the raw signals of those studies; what was deleted."""
        due = self.due()
        for number, one in enumerate(due):
            progress(number / len(due), f"study {number + 1} of {len(due)}")
            with self._archive.reading() as session:
                of_study = AcquisitionRow.study_instance_uid == one.study_instance_uid
                signals = list(session.scalars(select(AcquisitionRow.id).where(of_study)))
            self._archive.delete(one.study_instance_uid)
            for signal in signals:
                self._archive.delete_acquisition(signal)
        return due


def _matches(rule: Rule) -> ColumnElement[bool]:
    match, conditions = rule.match, [StudyRow.study_instance_uid != ""]
    if "modality" in match:
        of_study = SeriesRow.study_instance_uid == StudyRow.study_instance_uid
        conditions.append(_exists(of_study, SeriesRow.modality == match["modality"]))
    if "project" in match:
        of_study = StudyProjectRow.study_instance_uid == StudyRow.study_instance_uid
        conditions.append(_exists(of_study, StudyProjectRow.project == match["project"]))
    if "older_than_days" in match:
        day = _day(match["older_than_days"])
        dated = and_(StudyRow.study_date != "", StudyRow.study_date < day.strftime("%Y%m%d"))
        conditions.append(or_(dated, and_(StudyRow.study_date == "", StudyRow.received < day.isoformat())))
    if "unread_for_days" in match:
        day = _day(match["unread_for_days"])
        read = StudyUseRow.study_instance_uid == StudyRow.study_instance_uid
        lately = _exists(read, StudyUseRow.last_read >= day.date().isoformat())
        conditions.append(and_(~lately, StudyRow.received < day.isoformat()))
    return and_(*conditions)


def _exists(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(*conditions).correlate(StudyRow)


def _day(days: str) -> datetime:
    return datetime.now(UTC) - timedelta(days=int(days))


def _rule(row: RetentionRuleRow) -> Rule:
    values: dict[str, Any] = {"name": row.name, "action": row.action, "enabled": row.enabled}
    return Rule(match=json.loads(row.match), **values)
