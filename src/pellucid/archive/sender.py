"""Who brings objects: they add to no study that they do not see, and what they bring joins their projects."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from pellucid.archive.refusals import FailureReason, StoreRefusedError
from pellucid.archive.schema import StudyProjectRow, StudyRow
from pellucid.archive.visibility import EVERYTHING, Visible


@dataclass(frozen=True, kw_only=True)
class Sender:
    """`title`: an AE title or the name of an account; `visible`: what of the archive they see."""

    title: str = ""
    visible: Visible = EVERYTHING

    def require_own(self, session: Session, study_uid: str, sop_class_uid: str = "", sop_uid: str = "") -> None:
        """Raises `StoreRefusedError` where the study is there and the sender does not see it."""
        if self.visible.everything:
            return
        known = select(StudyRow.study_instance_uid).where(StudyRow.study_instance_uid == study_uid)
        if session.scalar(known) and not session.scalar(
            known.where(*self.visible.conditions(StudyRow.study_instance_uid))
        ):
            raise StoreRefusedError(
                "its study belongs to others",
                FailureReason.NOT_AUTHORIZED,
                field="StudyInstanceUID",
                sop_class_uid=sop_class_uid,
                sop_instance_uid=sop_uid,
            )

    def brought(self, session: Session, study_uids: Iterable[str]) -> set[str]:
        """Those of the studies that are not there yet; raises `StoreRefusedError` for others' studies."""
        if self.visible.everything:
            return set()
        wanted = set(study_uids)
        for study_uid in wanted:
            self.require_own(session, study_uid)
        known = select(StudyRow.study_instance_uid).where(StudyRow.study_instance_uid.in_(wanted))
        return wanted - set(session.scalars(known))

    def claim(self, session: Session, study_uids: Iterable[str]) -> None:
        """Let studies join the sender's projects."""
        for study_uid in study_uids:
            for project in self.visible.projects:
                session.merge(StudyProjectRow(study_instance_uid=study_uid, project=project))


ANYONE = Sender()
"""A sender that is not known, or may do everything."""
