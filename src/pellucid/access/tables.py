"""The tables of accounts, in the archive's database; the audit trail has a file of its own (`trail.py`)."""

from __future__ import annotations

from sqlalchemy import Boolean, Float, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pellucid.archive.schema import SHA256, Base

NAME = String(128)


class AccountRow(Base):
    """A person or a program that may log in; roles, projects and studies are JSON lists.

    `issuer`, `subject`: who the person is for the identity provider; both empty for local accounts, which have a
    `password_hash`. Times are Unix seconds.
    """

    __tablename__ = "accounts"
    __table_args__ = (Index("ix_accounts_subject", "issuer", "subject"),)

    name: Mapped[str] = mapped_column(NAME, primary_key=True)
    full_name: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str] = mapped_column(Text)
    issuer: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    roles: Mapped[str] = mapped_column(Text)
    projects: Mapped[str] = mapped_column(Text)
    studies: Mapped[str] = mapped_column(Text)
    active: Mapped[bool] = mapped_column(Boolean)
    created: Mapped[float] = mapped_column(Float)
    last_login: Mapped[float] = mapped_column(Float)


class LoginFailureRow(Base):
    """Failed attempts to log in, by the digest of the name that was given, whether there is such an account or not."""

    __tablename__ = "login_failures"

    name_sha256: Mapped[str] = mapped_column(SHA256, primary_key=True)
    failures: Mapped[int]
    last: Mapped[float] = mapped_column(Float, index=True)
    locked_until: Mapped[float] = mapped_column(Float)


class SessionRow(Base):
    """A browser that logged in, or that opened a link; only the digest of its token is kept.

    `account` or `link` is empty; `provider_session`: the identity provider's id of the session ("sid").
    """

    __tablename__ = "sessions"

    token_sha256: Mapped[str] = mapped_column(SHA256, primary_key=True)
    account: Mapped[str] = mapped_column(NAME, index=True)
    link: Mapped[str] = mapped_column(String(32), index=True)
    provider_session: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(String(64))
    created: Mapped[float] = mapped_column(Float)
    used: Mapped[float] = mapped_column(Float)
    expires: Mapped[float] = mapped_column(Float, index=True)


class AccessTokenRow(Base):
    """A token that a person made for a program; `permissions` is a JSON list, within those of the account."""

    __tablename__ = "access_tokens"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    token_sha256: Mapped[str] = mapped_column(SHA256, unique=True, index=True)
    account: Mapped[str] = mapped_column(NAME, index=True)
    description: Mapped[str] = mapped_column(Text)
    permissions: Mapped[str] = mapped_column(Text)
    created: Mapped[float] = mapped_column(Float)
    used: Mapped[float] = mapped_column(Float)
    expires: Mapped[float] = mapped_column(Float)


class ShareLinkRow(Base):
    """A link that shows studies to whoever has it; `studies` is a JSON list; `maximum_uses` 0: any number."""

    __tablename__ = "share_links"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    token_sha256: Mapped[str] = mapped_column(SHA256, unique=True, index=True)
    made_by: Mapped[str] = mapped_column(NAME, index=True)
    studies: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    passphrase_hash: Mapped[str] = mapped_column(Text)
    maximum_uses: Mapped[int]
    uses: Mapped[int]
    revoked: Mapped[bool] = mapped_column(Boolean)
    created: Mapped[float] = mapped_column(Float)
    expires: Mapped[float] = mapped_column(Float)


class ProjectRuleRow(Base):
    """Arriving studies that match join a project; `match` maps keywords, or SourceAE, to values (JSON)."""

    __tablename__ = "project_rules"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    match: Mapped[str] = mapped_column(Text)
    project: Mapped[str] = mapped_column(String(64))
