"""The tables of policies: versions of instances, quarantine, corrections, holds, rules of retention, use of studies."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pellucid.archive.schema import SHA256, UID, Base


class InstanceVersionRow(Base):
    """What an instance was before it was replaced or corrected; `columns` is its row of the index then, as JSON.

    `correction`: the one that changed it, 0 where another object replaced it.
    """

    __tablename__ = "instance_versions"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    sop_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    object_sha256: Mapped[str] = mapped_column(SHA256, index=True)
    object_size: Mapped[int] = mapped_column(BigInteger)
    columns: Mapped[str] = mapped_column(Text)
    correction: Mapped[int] = mapped_column(index=True)
    reason: Mapped[str] = mapped_column(Text)
    made_by: Mapped[str] = mapped_column(Text)
    created: Mapped[str] = mapped_column(String(32))


class QuarantineRow(Base):
    """An object that was refused because it contradicts what is stored, kept for an administrator to decide."""

    __tablename__ = "quarantine"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    series_instance_uid: Mapped[str] = mapped_column(UID)
    sop_instance_uid: Mapped[str] = mapped_column(UID)
    patient_id: Mapped[str] = mapped_column(Text)
    object_sha256: Mapped[str] = mapped_column(SHA256, index=True)
    object_size: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    received: Mapped[str] = mapped_column(String(32))


class CorrectionRow(Base):
    """Attributes of a study that were corrected; `changes`: keyword → value as JSON; those of a merge share `batch`.

    `undone`: when it was taken back, UTC, ISO 8601; empty while it holds.
    """

    __tablename__ = "corrections"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    batch: Mapped[str] = mapped_column(String(32), index=True)
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    changes: Mapped[str] = mapped_column(Text)
    previous: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    made_by: Mapped[str] = mapped_column(Text)
    created: Mapped[str] = mapped_column(String(32))
    undone: Mapped[str] = mapped_column(String(32))


class HoldRow(Base):
    """A study that no rule deletes."""

    __tablename__ = "holds"

    study_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    reason: Mapped[str] = mapped_column(Text)
    made_by: Mapped[str] = mapped_column(Text)
    created: Mapped[str] = mapped_column(String(32))


class RetentionRuleRow(Base):
    """A rule of retention: `action` ("delete", "keep") for studies that `match` (JSON) describes."""

    __tablename__ = "retention_rules"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    action: Mapped[str] = mapped_column(String(8))
    match: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(Boolean)


class StudyUseRow(Base):
    """How much a study takes [byte], and the day it was read last (YYYY-MM-DD; empty: not since it came)."""

    __tablename__ = "study_use"
    __table_args__ = (Index("ix_study_use_last_read", "last_read"),)

    study_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    stored_bytes: Mapped[int] = mapped_column(BigInteger)
    last_read: Mapped[str] = mapped_column(String(10))
