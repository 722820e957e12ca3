"""The database that migrations make is the one that the program expects."""

import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from tests.archive.samples import dicom

from pellucid import archive as package
from pellucid.access import tables as _access_tables  # noqa: F401 (tables that a room keeps for itself)
from pellucid.archive import Archive, Query
from pellucid.archive.schema import VERSION, Base
from pellucid.dicomweb import tables as _dicomweb_tables  # noqa: F401 (tables that a door keeps for itself)
from pellucid.dimse import tables as _dimse_tables  # noqa: F401
from pellucid.errors import InvalidInputError


def test_migrations_make_the_schema(archive):
    engine = create_engine(f"sqlite:///{archive.folder / 'index.sqlite'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_the_newest_migration_is_the_schemas_version():
    assert ScriptDirectory(f"{package.__path__[0]}/migrations").get_current_head() == VERSION


def test_opening_again_finds_everything(tmp_path):
    with Archive(tmp_path) as archive:
        archive.store(dicom())
    with Archive(tmp_path) as archive:
        assert len(archive.find(Query("instance"))) == 1


def test_a_newer_database_is_refused(tmp_path):
    Archive(tmp_path).close()
    with sqlite3.connect(tmp_path / "index.sqlite") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(InvalidInputError, match="schema version: is 9999"):
        Archive(tmp_path)


def test_downgrade_leaves_nothing(tmp_path):
    from alembic import command
    from alembic.config import Config

    from pellucid.archive.database import Database

    database = Database(tmp_path / "index.sqlite")
    config = Config()
    config.set_main_option("script_location", f"{package.__path__[0]}/migrations")
    config.attributes["engine"] = database.engine
    command.downgrade(config, "base")
    database.close()
    with sqlite3.connect(tmp_path / "index.sqlite") as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert tables == {"alembic_version"}
