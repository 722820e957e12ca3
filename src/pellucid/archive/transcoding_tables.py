"""The tables of transcoding: what waits to be transcoded, and originals that are kept beside what they became."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pellucid.archive.schema import SHA256, UID, Base


class TranscodingRow(Base):
    """An instance that waits to be transcoded; `not_before` is when it is tried (again), UTC, ISO 8601.

    `error`: why the last attempt failed; one that can never succeed is kept with `refused`.
    """

    __tablename__ = "transcodings"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    sop_instance_uid: Mapped[str] = mapped_column(UID, index=True)
    transfer_syntax_uid: Mapped[str] = mapped_column(UID)
    keep_original: Mapped[bool] = mapped_column(Boolean)
    refused: Mapped[bool] = mapped_column(Boolean, index=True)
    attempts: Mapped[int]
    not_before: Mapped[str] = mapped_column(String(32), index=True)
    error: Mapped[str] = mapped_column(Text)


class OriginalRow(Base):
    """The object that an instance was received as, where it is kept beside the one it is now."""

    __tablename__ = "originals"

    sop_instance_uid: Mapped[str] = mapped_column(UID, primary_key=True)
    object_sha256: Mapped[str] = mapped_column(SHA256, index=True)
    object_size: Mapped[int] = mapped_column(BigInteger)
    transfer_syntax_uid: Mapped[str] = mapped_column(UID)
