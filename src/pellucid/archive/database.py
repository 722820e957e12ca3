"""The index's database: connections, and its schema brought up to date; SQLite, or PostgreSQL."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from pellucid.archive.schema import VERSION
from pellucid.archive.unavailable import ArchiveUnavailableError
from pellucid.errors import InvalidInputError

_BUSY_SECONDS = 60
_WRITER_LOCK = 0x70656C6C
"""Of PostgreSQL's advisory locks: who holds it is the one writer, whatever process it is in."""

_POSTGRESQL = "postgresql+pg8000"


class Database:
    """Any number of readers, one writer at a time, in one process or in several.

    `where`: a file (SQLite in WAL mode) or a URL `postgresql+pg8000://user:password@host:port/name`; `version`: of the
    schema that it is brought to. Raises `ArchiveUnavailableError` where the database cannot be reached, now or later;
    it is used again once it can.
    """

    def __init__(self, where: Path | str, *, version: str = VERSION) -> None:
        self.url = _url(where)
        self.place = self.url.render_as_string(hide_password=True) if isinstance(where, str) else str(where)
        self._writer = Lock()
        self.engine = _postgresql(self.url) if self.is_postgresql else _sqlite(self.url)
        try:
            with self._available():
                self._migrate(version)
        except BaseException:
            self.close()
            raise

    @property
    def is_postgresql(self) -> bool:
        """Whether it is PostgreSQL, which other machines may use too."""
        return self.url.get_backend_name() == "postgresql"

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one moment of the index."""
        with self._available(), Session(self.engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        """A connection that reads."""
        with self._available(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction: all of it, or nothing where an error leaves the block."""
        with (
            self._available(),
            self._writer,
            self.engine.connect().execution_options(writes=True) as connection,
            Session(connection, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    @contextmanager
    def _available(self) -> Iterator[None]:
        try:
            yield
        except (DBAPIError, PoolTimeoutError, ConnectionError) as error:
            if isinstance(error, DBAPIError) and not _is_gone(error):
                raise
            raise ArchiveUnavailableError("the archive's database cannot be reached; try again later") from error

    def _migrate(self, version: str) -> None:
        if self.is_postgresql:
            self._require_plain_order()
        found = self._version()
        if found == version:
            return
        if found is not None and found > VERSION:
            raise InvalidInputError(
                f"is {found}; this program knows up to {VERSION}. Made by a newer Pellucid?",
                file=self.place,
                field="schema version",
            )
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        config.attributes["engine"] = self.engine
        command.upgrade(config, version)

    def _version(self) -> str | None:
        """The schema version without loading Alembic, which takes half a second."""
        with self.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            version: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return version

    def _require_plain_order(self) -> None:
        """Ranges of dates and times, and the order of answers, are those of the characters' codes."""
        statement = (
            "SELECT datcollate, pg_encoding_to_char(encoding) FROM pg_database WHERE datname = current_database()"
        )
        with self.engine.connect() as connection:
            collation, encoding = connection.execute(text(statement)).one()
        if encoding != "UTF8" or collation.partition(".")[0] not in ("C", "POSIX"):
            raise InvalidInputError(
                f"sorts by {collation} in {encoding}; expected C in UTF8: "
                "createdb --template=template0 --encoding=UTF8 --locale=C NAME",
                field="setting database",
            )


def _url(where: Path | str) -> URL:
    if isinstance(where, Path):
        return URL.create("sqlite", database=str(where))
    try:
        url = make_url(where)
    except ArgumentError:
        # The text is not repeated: it may hold a password.
        raise InvalidInputError(
            "is not a URL; expected postgresql://user@host:port/name", field="setting database"
        ) from None
    if url.get_backend_name() != "postgresql":
        raise InvalidInputError(
            f"is a database of kind {url.get_backend_name()}; expected postgresql", field="setting database"
        )
    return url.set(drivername=_POSTGRESQL)


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _postgresql(url: URL) -> Engine:
    # The pool would log a traceback for each connection that a server took with it when it went.
    logging.getLogger("sqlalchemy.pool.impl.QueuePool").setLevel(logging.CRITICAL)
    engine = create_engine(
        url, pool_pre_ping=True, pool_size=8, max_overflow=24, connect_args={"timeout": _BUSY_SECONDS}
    )
    event.listen(engine, "begin", _on_begin_postgresql)
    return engine


def _is_gone(error: DBAPIError) -> bool:
    """Whether the server, not the statement, is what is wrong: SQLSTATE classes 08, 53 and 57, or no answer at all."""
    if error.connection_invalidated:
        return True
    found = error.orig.args[0] if error.orig is not None and error.orig.args else None
    if isinstance(found, dict):
        return str(found.get("C", ""))[:2] in ("08", "53", "57")
    return type(error.orig).__name__ == "InterfaceError" or str(found).startswith(_SQLITE_GONE)


_SQLITE_GONE = ("database is locked", "disk I/O error", "unable to open database file", "database or disk is full")


_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "case_sensitive_like=ON",
    "automatic_index=OFF",  # the indexes that searches need are there; none is made for one search
)


def _on_connect(connection: Any, _record: Any) -> None:
    # SQLAlchemy begins transactions itself (below); the driver must not.
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Any) -> None:
    # A writer takes the lock at once: upgrading a read transaction later could fail as "busy".
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _on_begin_postgresql(connection: Any) -> None:
    # A writer sees what the one before it committed: it waits for the lock first, and looks with each statement.
    if connection.get_execution_options().get("writes", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")
    else:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
