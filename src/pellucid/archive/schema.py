"""The tables of the index; `migrations/` holds how a database gets from one version to the next."""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

VERSION = "0011"
"""The newest migration: a database at this version needs none."""

EVERY_STUDY, EVERY_SERIES = "study_instance_uid > ''", "series_instance_uid > ''"

UID = String(64)
SHA256 = String(64)


class Base(DeclarativeBase):
    """Base of all tables."""


class StudyRow(Base):
    """A study; `attributes` is the DICOM JSON of patient and study; names are folded for matching.

    `modalities`, `sop_classes`: those of its series and instances, sorted, separated by backslashes; what they and
    the numbers say is kept with every instance that comes or goes (`counts`).
    """

    __tablename__ = "studies"
    __table_args__ = (
        Index("ix_studies_order", "study_date", "study_time", "study_instance_uid", "modalities"),
        # Searches that no other index serves go through this one instead of the table, whose rows are much
        # longer. It is for those alone: its condition, which all rows meet, must be in the statement (`query.py`).
        # PostgreSQL bounds the length of an index's rows, which texts of data sets need not keep to.
        Index(
            "ix_studies_search",
            *("study_date", "study_time", "study_instance_uid", "modalities", "sop_classes", "patient_name_folded"),
            *("patient_name_ideographic", "patient_name_phonetic", "patient_id", "patient_birth_date", "patient_sex"),
            *("referring_physician_name_folded", "study_description", "study_id", "accession_number"),
            sqlite_where=text(EVERY_STUDY),
        ).ddl_if(dialect="sqlite"),
    )

    study_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    patient_id: Mapped[str] = mapped_column(Text, index=True)
    patient_name_folded: Mapped[str] = mapped_column(Text, index=True)
    patient_birth_date: Mapped[str] = mapped_column(String(8))
    patient_sex: Mapped[str] = mapped_column(String(16))
    study_date: Mapped[str] = mapped_column(String(8))
    study_time: Mapped[str] = mapped_column(String(16))
    study_id: Mapped[str] = mapped_column(Text, index=True)
    study_description: Mapped[str] = mapped_column(Text)
    accession_number: Mapped[str] = mapped_column(Text, index=True)
    referring_physician_name_folded: Mapped[str] = mapped_column(Text)
    attributes: Mapped[str] = mapped_column(Text)
    received: Mapped[str] = mapped_column(String(32))
    number_of_series: Mapped[int] = mapped_column(server_default="0", default=0)
    number_of_instances: Mapped[int] = mapped_column(server_default="0", default=0)
    modalities: Mapped[str] = mapped_column(Text, server_default="", default="")
    sop_classes: Mapped[str] = mapped_column(Text, server_default="", default="")
    patient_name_ideographic: Mapped[str] = mapped_column(Text, index=True, server_default="", default="")
    patient_name_phonetic: Mapped[str] = mapped_column(Text, index=True, server_default="", default="")


class SeriesRow(Base):
    """A series; `attributes` is the DICOM JSON of series, equipment and frame of reference."""

    __tablename__ = "series"
    __table_args__ = (
        Index("ix_series_order", "study_instance_uid", "series_number", "received", "series_instance_uid"),
        Index(
            "ix_series_search",
            *("study_instance_uid", "series_number", "received", "series_instance_uid", "modality"),
            *("series_description", "body_part_examined", "series_date", "series_time"),
            sqlite_where=text(EVERY_SERIES),
        ).ddl_if(dialect="sqlite"),
    )

    series_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(ForeignKey("studies.study_instance_uid"))
    modality: Mapped[str] = mapped_column(String(16))
    series_number: Mapped[int | None]
    series_description: Mapped[str] = mapped_column(Text)
    series_date: Mapped[str] = mapped_column(String(8))
    series_time: Mapped[str] = mapped_column(String(16))
    body_part_examined: Mapped[str] = mapped_column(String(16))
    performed_procedure_step_start_date: Mapped[str] = mapped_column(String(8))
    performed_procedure_step_start_time: Mapped[str] = mapped_column(String(16))
    attributes: Mapped[str] = mapped_column(Text)
    received: Mapped[str] = mapped_column(String(32))
    number_of_instances: Mapped[int] = mapped_column(server_default="0", default=0)


class InstanceRow(Base):
    """An instance: where its bytes are, how its pixels lie in them, and all else as DICOM JSON, one attribute a line.

    `long_attributes`: those that are long (`levels.is_long`), empty where there are none: what most searches give is
    found without reading them. `content_sha256`: of the data set as it was received, where `object_sha256`
    is of another form of it; empty where it is as received.

    `pixel_offset`, `pixel_length`: the value of the pixel element within the object; -1 where it cannot be sliced
    (deflated) or there is none.
    """

    __tablename__ = "instances"
    __table_args__ = (Index("ix_instances_order", "series_instance_uid", "instance_number", "sop_instance_uid"),)

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
    long_attributes: Mapped[str] = mapped_column(Text, server_default="", default="")


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
