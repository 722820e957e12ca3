"""The tables of this room, in the archive's database: work items, who subscribes to them, and what they are told."""

from __future__ import annotations

from sqlalchemy import Boolean, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pellucid.archive.schema import UID, Base

SUBSCRIBER = String(16)


class WorkItemRow(Base):
    """A unified procedure step; `attributes` is its DICOM JSON, without the Transaction UID.

    `study_instance_uid`: the study that it is about, empty where it names none; who sees that study sees the item.
    """

    __tablename__ = "work_items"

    sop_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    state: Mapped[str] = mapped_column(String(16), index=True)
    transaction_uid: Mapped[str] = mapped_column(UID)
    start: Mapped[str] = mapped_column(String(26), index=True)
    patient_id: Mapped[str] = mapped_column(Text, index=True)
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    attributes: Mapped[str] = mapped_column(Text)
    changed: Mapped[str] = mapped_column(String(32))


class WorkItemSubscriptionRow(Base):
    """An application wants to hear of a work item, or of all (`work_item_uid` is then that of the subscription).

    `owner`: the caller who subscribed, and `visible` what that caller sees, as JSON; `filter`: of a filtered one.
    """

    __tablename__ = "work_item_subscriptions"
    __table_args__ = (Index("ix_work_item_subscriptions_item", "work_item_uid"),)

    subscriber: Mapped[str] = mapped_column(SUBSCRIBER, primary_key=True)
    work_item_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    deletion_lock: Mapped[bool] = mapped_column(Boolean)
    filter: Mapped[str] = mapped_column(Text)
    owner: Mapped[str] = mapped_column(Text)
    visible: Mapped[str] = mapped_column(Text)


class WorkItemEventRow(Base):
    """Something that a subscriber is to be told; `report` is the event report as DICOM JSON."""

    __tablename__ = "work_item_events"
    __table_args__ = (Index("ix_work_item_events_subscriber", "subscriber", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    subscriber: Mapped[str] = mapped_column(SUBSCRIBER)
    report: Mapped[str] = mapped_column(Text)
    created: Mapped[str] = mapped_column(String(32))
