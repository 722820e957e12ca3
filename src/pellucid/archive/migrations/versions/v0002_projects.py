"""Studies belong to projects."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "study_projects",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("project", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["study_instance_uid"], ["studies.study_instance_uid"]),
        sa.PrimaryKeyConstraint("study_instance_uid", "project"),
    )
    op.create_index("ix_study_projects_project", "study_projects", ["project"], unique=False)


def downgrade() -> None:
    """Go back."""
    op.drop_index("ix_study_projects_project", table_name="study_projects")
    op.drop_table("study_projects")
