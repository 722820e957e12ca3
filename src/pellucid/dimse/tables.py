"""The tables of this room, in the archive's database: partners, worklist, procedure steps, rules and deliveries."""

from __future__ import annotations

from sqlalchemy import Boolean, Float, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pellucid.archive.schema import UID, Base

AE_TITLE = String(16)


class ApplicationEntityRow(Base):
    """A partner: from where it may call and for what, and where it is reached; lists are JSON."""

    __tablename__ = "application_entities"

    title: Mapped[str] = mapped_column(AE_TITLE, primary_key=True)
    host: Mapped[str] = mapped_column(Text)
    port: Mapped[int]
    tls: Mapped[bool] = mapped_column(Boolean)
    addresses: Mapped[str] = mapped_column(Text)
    called_titles: Mapped[str] = mapped_column(Text)
    permissions: Mapped[str] = mapped_column(Text)
    projects: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)


class WorklistRow(Base):
    """A scheduled procedure step; `attributes` is the DICOM JSON that the Modality Worklist answers."""

    __tablename__ = "worklist_items"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    start_date: Mapped[str] = mapped_column(String(8), index=True)
    patient_id: Mapped[str] = mapped_column(Text, index=True)
    accession_number: Mapped[str] = mapped_column(Text, index=True)
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    status: Mapped[str] = mapped_column(String(16))
    attributes: Mapped[str] = mapped_column(Text)


class NormalizedObjectRow(Base):
    """An object made by N-CREATE: a performed procedure step, or a notice that instances are available."""

    __tablename__ = "normalized_objects"

    sop_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    sop_class_uid: Mapped[str] = mapped_column(UID, index=True)
    status: Mapped[str] = mapped_column(String(16))
    made_by: Mapped[str] = mapped_column(AE_TITLE)
    attributes: Mapped[str] = mapped_column(Text)
    created: Mapped[str] = mapped_column(String(32))
    changed: Mapped[str] = mapped_column(String(32))


class CommitmentRow(Base):
    """A storage commitment that this side asked for; lists of instances are JSON."""

    __tablename__ = "commitments"

    transaction_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    partner: Mapped[str] = mapped_column(AE_TITLE)
    state: Mapped[str] = mapped_column(String(16))
    requested: Mapped[str] = mapped_column(Text)
    failed: Mapped[str] = mapped_column(Text)
    created: Mapped[str] = mapped_column(String(32))


class RouteRow(Base):
    """A rule: new instances that match are delivered; `match` maps keywords to values (JSON)."""

    __tablename__ = "routes"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    match: Mapped[str] = mapped_column(Text)
    destination: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(Boolean)


class DeliveryRow(Base):
    """Something to be delivered, tried until it succeeds, fails for good or is cancelled; times are Unix seconds."""

    __tablename__ = "deliveries"
    __table_args__ = (Index("ix_deliveries_due", "state", "next_attempt"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(16))
    destination: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(UID)
    payload: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    next_attempt: Mapped[float] = mapped_column(Float)
    error: Mapped[str] = mapped_column(Text)
    created: Mapped[float] = mapped_column(Float)


class DeliveryClaimRow(Base):
    """Who delivers to a destination, until it is done or the claim expires (Unix seconds of the database's clock)."""

    __tablename__ = "delivery_claims"

    destination: Mapped[str] = mapped_column(Text, primary_key=True)
    holder: Mapped[str] = mapped_column(String(32))
    expires: Mapped[float] = mapped_column(Float)


class WebPartnerRow(Base):
    """A DICOMweb server that is sent to, and how this one is known there: where secrets are, never the secrets."""

    __tablename__ = "web_partners"

    url: Mapped[str] = mapped_column(Text, primary_key=True)
    token: Mapped[str] = mapped_column(Text)
    user: Mapped[str] = mapped_column(Text)
    password: Mapped[str] = mapped_column(Text)
    authorities: Mapped[str] = mapped_column(Text)
    certificate: Mapped[str] = mapped_column(Text)
    private_key: Mapped[str] = mapped_column(Text)
