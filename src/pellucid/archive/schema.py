"""The tables of the index; `migrations/` holds how a database gets from one version to the next."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

VERSION = "0005"
"""The newest migration: a database at this version needs none."""

UID = String(64)
SHA256 = String(64)


class Base(DeclarativeBase):
    """Base of all tables."""


class StudyRow(Base):
    """A study; `attributes` is the DICOM JSON of patient and study; names are folded for matching."""

    __tablename__ = "studies"

    study_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    patient_id: Mapped[str] = mapped_column(Text, index=True)
    patient_name_folded: Mapped[str] = mapped_column(Text, index=True)
    patient_birth_date: Mapped[str] = mapped_column(String(8))
    patient_sex: Mapped[str] = mapped_column(String(16))
    study_date: Mapped[str] = mapped_column(String(8), index=True)
    study_time: Mapped[str] = mapped_column(String(16))
    study_id: Mapped[str] = mapped_column(Text)
    study_description: Mapped[str] = mapped_column(Text)
    accession_number: Mapped[str] = mapped_column(Text, index=True)
    referring_physician_name_folded: Mapped[str] = mapped_column(Text)
    attributes: Mapped[str] = mapped_column(Text)
    received: Mapped[str] = mapped_column(String(32))


class SeriesRow(Base):
    """A series; `attributes` is the DICOM JSON of series, equipment and frame of reference."""

    __tablename__ = "series"

    series_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(ForeignKey("studies.study_instance_uid"), index=True)
    modality: Mapped[str] = mapped_column(String(16), index=True)
    series_number: Mapped[int | None]
    series_description: Mapped[str] = mapped_column(Text)
    series_date: Mapped[str] = mapped_column(String(8))
    series_time: Mapped[str] = mapped_column(String(16))
    body_part_examined: Mapped[str] = mapped_column(String(16))
    performed_procedure_step_start_date: Mapped[str] = mapped_column(String(8))
    performed_procedure_step_start_time: Mapped[str] = mapped_column(String(16))
    attributes: Mapped[str] = mapped_column(Text)
    received: Mapped[str] = mapped_column(String(32))


class InstanceRow(Base):
    """An instance: where its bytes are, how its pixels lie in them, and all else as DICOM JSON.

    `pixel_offset`, `pixel_length`: the value of the pixel element within the object; -1 where it cannot be sliced
    (deflated) or there is none.
    """

    __tablename__ = "instances"
    __table_args__ = (Index("ix_instances_series", "series_instance_uid", "instance_number"),)

    sop_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    series_instance_uid: Mapped[str] = mapped_column(ForeignKey("series.series_instance_uid"))
    sop_class_uid: Mapped[str] = mapped_column(UID)
    transfer_syntax_uid: Mapped[str] = mapped_column(UID)
    instance_number: Mapped[int | None]
    content_date: Mapped[str] = mapped_column(String(8))
    content_time: Mapped[str] = mapped_column(String(16))
    number_of_frames: Mapped[int]
    rows: Mapped[int]
    columns: Mapped[int]
    samples_per_pixel: Mapped[int]
    bits_allocated: Mapped[int]
    pixel_tag: Mapped[str] = mapped_column(String(8))
    pixel_offset: Mapped[int] = mapped_column(BigInteger)
    pixel_length: Mapped[int] = mapped_column(BigInteger)
    object_sha256: Mapped[str] = mapped_column(SHA256, index=True)
    object_size: Mapped[int] = mapped_column(BigInteger)
    content_sha256: Mapped[str] = mapped_column(SHA256)
    received: Mapped[str] = mapped_column(String(32))
    attributes: Mapped[str] = mapped_column(Text)


class AcquisitionRow(Base):
    """A raw signal kept as one file."""

    __tablename__ = "acquisitions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    modality: Mapped[str] = mapped_column(String(32))
    description: Mapped[str] = mapped_column(Text)
    patient_name: Mapped[str] = mapped_column(Text)
    study_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    object_sha256: Mapped[str] = mapped_column(SHA256, index=True)
    object_size: Mapped[int] = mapped_column(BigInteger)
    created: Mapped[str] = mapped_column(String(32))


class SeriesSourceRow(Base):
    """What a series was reconstructed from, by which method; `parameters` is JSON."""

    __tablename__ = "series_sources"

    series_instance_uid: Mapped[str] = mapped_column(ForeignKey("series.series_instance_uid"), primary_key=True)
    acquisition_id: Mapped[str] = mapped_column(ForeignKey("acquisitions.id"), index=True)
    method: Mapped[str] = mapped_column(Text)
    parameters: Mapped[str] = mapped_column(Text)


class StudyProjectRow(Base):
    """A study belongs to a project; who sees the project sees the study."""

    __tablename__ = "study_projects"

    study_instance_uid: Mapped[str] = mapped_column(ForeignKey("studies.study_instance_uid"), primary_key=True)
    project: Mapped[str] = mapped_column(String(64), primary_key=True, index=True)
