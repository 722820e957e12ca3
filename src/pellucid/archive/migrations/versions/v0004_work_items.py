"""Work items (unified procedure steps), subscriptions to them, and events for the subscribers."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_work_items_state": ("work_items", ["state"]),
    "ix_work_items_start": ("work_items", ["start"]),
    "ix_work_items_patient_id": ("work_items", ["patient_id"]),
    "ix_work_items_study_instance_uid": ("work_items", ["study_instance_uid"]),
    "ix_work_item_subscriptions_item": ("work_item_subscriptions", ["work_item_uid"]),
    "ix_work_item_events_subscriber": ("work_item_events", ["subscriber", "id"]),
}


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "work_items",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("start", sa.String(length=26), nullable=False),
        sa.Column("patient_id", sa.Text(), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("attributes", sa.Text(), nullable=False),
        sa.Column("changed", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("sop_instance_uid"),
    )
    op.create_table(
        "work_item_subscriptions",
        sa.Column("subscriber", sa.String(length=16), nullable=False),
        sa.Column("work_item_uid", sa.String(length=64), nullable=False),
        sa.Column("deletion_lock", sa.Boolean(), nullable=False),
        sa.Column("filter", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("visible", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subscriber", "work_item_uid"),
    )
    op.create_table(
        "work_item_events",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("subscriber", sa.String(length=16), nullable=False),
        sa.Column("report", sa.Text(), nullable=False),
        sa.Column("created", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    for name, (table, columns) in _INDEXES.items():
        op.create_index(name, table, columns, unique=False)


def downgrade() -> None:
    """Go back."""
    for table in ("work_item_events", "work_item_subscriptions", "work_items"):
        op.drop_table(table)
