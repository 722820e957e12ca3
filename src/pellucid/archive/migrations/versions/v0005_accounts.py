"""Accounts, sessions, tokens, links and rules of projects."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_accounts_subject": ("accounts", ["issuer", "subject"], False),
    "ix_login_failures_last": ("login_failures", ["last"], False),
    "ix_sessions_account": ("sessions", ["account"], False),
    "ix_sessions_link": ("sessions", ["link"], False),
    "ix_sessions_expires": ("sessions", ["expires"], False),
    "ix_access_tokens_token_sha256": ("access_tokens", ["token_sha256"], True),
    "ix_access_tokens_account": ("access_tokens", ["account"], False),
    "ix_share_links_token_sha256": ("share_links", ["token_sha256"], True),
    "ix_share_links_made_by": ("share_links", ["made_by"], False),
}
_NAME = sa.String(length=128)
_SHA256 = sa.String(length=64)


def upgrade() -> None:
    """Go to this version."""
    _people()
    _secrets()
    op.create_table(
        "project_rules",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("match", sa.Text(), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    for name, (table, columns, unique) in _INDEXES.items():
        op.create_index(name, table, columns, unique=unique)


def _people() -> None:
    op.create_table(
        "accounts",
        sa.Column("name", _NAME, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("full_name", "password_hash", "issuer", "subject")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("roles", "projects", "studies")),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("last_login", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "login_failures",
        sa.Column("name_sha256", _SHA256, nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last", sa.Float(), nullable=False),
        sa.Column("locked_until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name_sha256"),
    )
    op.create_table(
        "sessions",
        sa.Column("token_sha256", _SHA256, nullable=False),
        sa.Column("account", _NAME, nullable=False),
        sa.Column("link", sa.String(length=32), nullable=False),
        sa.Column("provider_session", sa.Text(), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("created", "used", "expires")),
        sa.PrimaryKeyConstraint("token_sha256"),
    )


def _secrets() -> None:
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("token_sha256", _SHA256, nullable=False),
        sa.Column("account", _NAME, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("description", "permissions")),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("created", "used", "expires")),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "share_links",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("token_sha256", _SHA256, nullable=False),
        sa.Column("made_by", _NAME, nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("studies", "description", "passphrase_hash")),
        sa.Column("maximum_uses", sa.Integer(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.Float(), nullable=False) for name in ("created", "expires")),
        sa.PrimaryKeyConstraint("id"),
    )


def downgrade() -> None:
    """Go back."""
    for name, (table, _, _) in _INDEXES.items():
        op.drop_index(name, table_name=table)
    for table in ("project_rules", "share_links", "access_tokens", "sessions", "login_failures", "accounts"):
        op.drop_table(table)
