"""How DICOMweb servers that are sent to know this one."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_COLUMNS = ("token", "user", "password", "authorities", "certificate", "private_key")


def upgrade() -> None:
    """Go to this version."""
    op.create_table(
        "web_partners",
        sa.Column("url", sa.Text(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _COLUMNS),
        sa.PrimaryKeyConstraint("url"),
    )


def downgrade() -> None:
    """Go back."""
    op.drop_table("web_partners")
