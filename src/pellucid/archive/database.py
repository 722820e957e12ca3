"""The index's database: connections, and its schema brought up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import create_engine, event, inspect, text
from sqlalchemy.orm import Session

from pellucid.archive.schema import VERSION
from pellucid.errors import InvalidInputError

_BUSY_SECONDS = 60


class Database:
    """SQLite in WAL mode: any number of readers, one writer at a time."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._writer = Lock()
        self.engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": _BUSY_SECONDS})
        event.listen(self.engine, "connect", _on_connect)
        event.listen(self.engine, "begin", _on_begin)
        try:
            self._migrate()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one moment of the index."""
        with Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction: all of it, or nothing where an error leaves the block."""
        with (
            self._writer,
            self.engine.connect().execution_options(writes=True) as connection,
            Session(connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _migrate(self) -> None:
        found = self._version()
        if found == VERSION:
            return
        if found is not None and found > VERSION:
            raise InvalidInputError(
                f"is {found}; this program knows up to {VERSION}. Made by a newer Pellucid?",
                file=self.file,
                field="schema version",
            )
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        config.attributes["engine"] = self.engine
        command.upgrade(config, VERSION)

    def _version(self) -> str | None:
        """The schema version without loading Alembic, which takes half a second."""
        with self.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return version


def _on_connect(connection: Any, _record: Any) -> None:
    # SQLAlchemy begins transactions itself (below); the driver must not.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "case_sensitive_like=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Any) -> None:
    # A writer takes the lock at once: upgrading a read transaction later could fail as "busy".
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
