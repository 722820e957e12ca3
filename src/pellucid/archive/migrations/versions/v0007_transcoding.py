"""What waits to be transcoded, and originals that are kept."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_transcodings_sop_instance_uid": ("transcodings", ["sop_instance_uid"]),
    "ix_transcodings_refused": ("transcodings", ["refused"]),
    "ix_transcodings_not_before": ("transcodings", ["not_before"]),
    "ix_originals_object_sha256": ("originals", ["object_sha256"]),
}


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "transcodings",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("transfer_syntax_uid", sa.String(length=64), nullable=False),
        sa.Column("keep_original", sa.Boolean(), nullable=False),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.String(length=32), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "originals",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("object_sha256", sa.String(length=64), nullable=False),
        sa.Column("object_size", sa.BigInteger(), nullable=False),
        sa.Column("transfer_syntax_uid", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid"),
    )
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns, unique=False)


def downgrade() -> None:
    """Go back; originals that were kept are named by nothing then."""
    for table in ("originals", "transcodings"):
        op.drop_table(table)
