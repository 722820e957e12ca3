"""Searches that no other index serves read these instead of the tables, whose rows are much longer."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_INDEXES = {
    "ix_studies_search": (
        "studies",
        "study_date study_time study_instance_uid modalities sop_classes patient_name_folded patient_name_ideographic "
        "patient_name_phonetic patient_id patient_birth_date patient_sex referring_physician_name_folded "
        "study_description study_id accession_number",
        "study_instance_uid > ''",
    ),
    "ix_series_search": (
        "series",
        "study_instance_uid series_number received series_instance_uid modality series_description body_part_examined "
        "series_date series_time",
        "series_instance_uid > ''",
    ),
}


def upgrade() -> None:
    """Go to this version."""
    # PostgreSQL bounds the length of an index's rows, which texts of data sets need not keep to.
    if op.get_bind().dialect.name == "sqlite":
        for name, (table, columns, condition) in _INDEXES.items():
            op.create_index(name, table, columns.split(), sqlite_where=sa.text(condition))


def downgrade() -> None:
    """Go back."""
    if op.get_bind().dialect.name == "sqlite":
        for name, (table, *_) in _INDEXES.items():
            op.drop_index(name, table)
