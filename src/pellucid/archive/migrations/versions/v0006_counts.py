"""Counts are kept, long attributes lie apart, one attribute a line; indexes for every order and for all of a name."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from pellucid.archive.columns import name_columns
from pellucid.archive.levels import is_long

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_KEYS = {"studies": "study_instance_uid", "series": "series_instance_uid", "instances": "sop_instance_uid"}
_TABLES = {
    name: sa.table(name, *(sa.column(column) for column in (key, "attributes", *others)))
    for (name, key), others in zip(
        _KEYS.items(),
        (
            ("modalities", "sop_classes", "patient_name_folded", "patient_name_ideographic", "patient_name_phonetic"),
            (),
            ("long_attributes",),
        ),
        strict=True,
    )
}
_LISTS = {
    "modalities": "SELECT DISTINCT study_instance_uid, modality FROM series ORDER BY 1, 2",
    "sop_classes": "SELECT DISTINCT study_instance_uid, sop_class_uid FROM series JOIN instances "
    "ON instances.series_instance_uid = series.series_instance_uid ORDER BY 1, 2",
}
_COLUMNS: dict[str, dict[str, sa.types.TypeEngine[Any]]] = {
    "studies": {
        "number_of_series": sa.Integer(),
        "number_of_instances": sa.Integer(),
        "modalities": sa.Text(),
        "sop_classes": sa.Text(),
        "patient_name_ideographic": sa.Text(),
        "patient_name_phonetic": sa.Text(),
    },
    "series": {"number_of_instances": sa.Integer()},
    "instances": {"long_attributes": sa.Text()},
}
_OLD_INDEXES = {
    "ix_studies_study_date": ("studies", ["study_date"]),
    "ix_series_study_instance_uid": ("series", ["study_instance_uid"]),
    "ix_series_modality": ("series", ["modality"]),
    "ix_instances_series": ("instances", ["series_instance_uid", "instance_number"]),
}
_INDEXES = {
    "ix_studies_order": ("studies", ["study_date", "study_time", "study_instance_uid", "modalities"]),
    "ix_studies_study_id": ("studies", ["study_id"]),
    "ix_studies_patient_name_ideographic": ("studies", ["patient_name_ideographic"]),
    "ix_studies_patient_name_phonetic": ("studies", ["patient_name_phonetic"]),
    "ix_series_order": ("series", ["study_instance_uid", "series_number", "received", "series_instance_uid"]),
    "ix_instances_order": ("instances", ["series_instance_uid", "instance_number", "sop_instance_uid"]),
}


def upgrade() -> None:
    """Go to this version."""
    for table, columns in _COLUMNS.items():
        for name, kind in columns.items():
            default = "0" if isinstance(kind, sa.Integer) else ""
            op.add_column(table, sa.Column(name, kind, nullable=False, server_default=default))
    for name, (table, _) in _OLD_INDEXES.items():
        op.drop_index(name, table_name=table)
    for name, (table, indexed) in _INDEXES.items():
        op.create_index(name, table, indexed, unique=False)
    _count()
    for name, key in _KEYS.items():
        _rewrite(_TABLES[name], key)


def downgrade() -> None:
    """Go back; the JSON may stay as it is, but for the long attributes, which return to the others."""
    connection, table = op.get_bind(), _TABLES["instances"]
    for row in list(connection.execute(sa.select(table).where(table.c.long_attributes != ""))):
        whole = json.dumps({**json.loads(row.attributes), **json.loads(row.long_attributes)}, ensure_ascii=False)
        _update(table, "sop_instance_uid", row.sop_instance_uid, {"attributes": whole})
    for name, (on, _) in _INDEXES.items():
        op.drop_index(name, table_name=on)
    for name, (on, indexed) in _OLD_INDEXES.items():
        op.create_index(name, on, indexed, unique=False)
    for on, columns in _COLUMNS.items():
        for column in columns:
            op.drop_column(on, column)


def _count() -> None:
    connection = op.get_bind()
    connection.execute(
        sa.text(
            "UPDATE series SET number_of_instances = "
            "(SELECT count(*) FROM instances WHERE instances.series_instance_uid = series.series_instance_uid)"
        )
    )
    connection.execute(
        sa.text(
            "UPDATE studies SET number_of_series = "
            "(SELECT count(*) FROM series WHERE series.study_instance_uid = studies.study_instance_uid), "
            "number_of_instances = (SELECT coalesce(sum(number_of_instances), 0) FROM series "
            "WHERE series.study_instance_uid = studies.study_instance_uid)"
        )
    )
    for column, query in _LISTS.items():
        found: dict[str, list[str]] = {}
        for study, value in connection.execute(sa.text(query)):
            found.setdefault(study, []).append(value)
        for study, values in found.items():
            _update(_TABLES["studies"], "study_instance_uid", study, {column: "\\".join(values)})


def _rewrite(table: sa.TableClause, key: str) -> None:
    """One attribute a line, in order, the long ones of an instance apart; a name's groups for themselves."""
    connection, last = op.get_bind(), ""
    page = sa.select(table.c[key], table.c.attributes).order_by(table.c[key]).limit(500)
    while rows := list(connection.execute(page.where(table.c[key] > last))):
        for uid, text in rows:
            attributes = json.loads(text)
            lines = [f'"{tag}":{_dump(value)}' for tag, value in sorted(attributes.items())]
            values = {"attributes": _object(lines)}
            if table.name == "instances":
                values["attributes"] = _object([line for line in lines if not is_long(line)])
                values["long_attributes"] = _object([line for line in lines if is_long(line)])
            if table.name == "studies":
                values |= name_columns(_name(attributes))
            _update(table, key, uid, values)
            last = uid


def _update(table: sa.TableClause, key: str, uid: str, values: dict[str, str]) -> None:
    op.get_bind().execute(sa.update(table).where(table.c[key] == uid).values(values))


def _name(attributes: dict[str, Any]) -> str:
    groups = (attributes.get("00100010", {}).get("Value") or [{}])[0]
    return "=".join(groups.get(word, "") for word in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")


def _object(lines: list[str]) -> str:
    return "{" + ",\n".join(lines) + "}" if lines else ""


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
