"""Statements that go to the driver as text."""

import sqlite3

import pytest
from sqlalchemy import bindparam, literal_column, select
from sqlalchemy.exc import OperationalError

from pellucid.archive.prepared import Prepared
from pellucid.archive.schema import StudyRow

FAILS_LATER = Prepared(select(literal_column("fails(study_instance_uid)").label("answer")).select_from(StudyRow))
OF_PATIENT = Prepared(
    select(StudyRow.study_instance_uid, StudyRow.patient_id).where(StudyRow.patient_id == bindparam("patient"))
)


def add_study(connection, uid, patient):
    columns = {column.name: 0 if "number" in column.name else "" for column in StudyRow.__table__.columns}
    connection.execute(StudyRow.__table__.insert(), [{**columns, "study_instance_uid": uid, "patient_id": patient}])


def test_rows_have_the_names_of_their_columns(archive):
    with archive.writing() as session:
        for number in range(3):
            add_study(session.connection(), f"1.{number}", "P")
    with archive.looking() as connection:
        found = OF_PATIENT.run(connection, {"patient": "P"})
        assert sorted(row.study_instance_uid for row in found.all()) == ["1.0", "1.1", "1.2"]
        assert OF_PATIENT.run(connection, {"patient": "P"}).first().patient_id == "P"
        assert OF_PATIENT.run(connection, {"patient": "Q"}).first() is None
        assert OF_PATIENT.run(connection, {"patient": "Q"}).scalar() is None


def test_it_sees_what_its_transaction_wrote_and_is_undone_with_it(archive):
    with archive.writing() as session:
        add_study(session.connection(), "1.5", "P")
        assert OF_PATIENT.run(session.connection(), {"patient": "P"}).scalar() == "1.5"
        session.rollback()
    with archive.looking() as connection:
        assert OF_PATIENT.run(connection, {"patient": "P"}).first() is None


def test_a_connection_that_reads_sees_one_moment(archive):
    with archive.looking() as connection:
        assert OF_PATIENT.run(connection, {"patient": "P"}).first() is None
        with archive.writing() as session:
            add_study(session.connection(), "1.5", "P")
        assert OF_PATIENT.run(connection, {"patient": "P"}).first() is None


@pytest.mark.parametrize("take", ["all", "first"])
def test_errors_are_sqlalchemys_also_while_rows_are_fetched(archive, take):
    def fails(uid):
        raise sqlite3.OperationalError(uid)

    with archive.writing() as session:
        add_study(session.connection(), "1.5", "P")
    with archive.looking() as connection:
        connection.connection.driver_connection.create_function("fails", 1, fails)
        with pytest.raises(OperationalError):
            getattr(FAILS_LATER.run(connection, {}), take)()
