"""Statements that run with every instance or request, written out once for each kind of database."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from sqlalchemy import Connection, Executable
from sqlalchemy.exc import DBAPIError


class Answer:
    """What a statement answered: rows with the names of their columns, and how many it changed."""

    def __init__(self, driver: _Driver, cursor: Any, row: Any) -> None:
        self._driver = driver
        self._cursor = cursor
        self._row = row

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        return int(self._cursor.rowcount)

    def first(self) -> Any:
        """The first row, or None."""
        found = self._only()
        return None if found is None else self._row(*found)

    def one(self) -> Any:
        """The only row."""
        (found,) = self.all()
        return found

    def scalar(self) -> Any:
        """The first value of the first row, or None."""
        found = self._only()
        return None if found is None else found[0]

    def all(self) -> list[Any]:
        """Every row."""
        with self._driver.errors():
            return [self._row(*found) for found in self._cursor.fetchall()]

    def _only(self) -> Any:
        with self._driver.errors(), closing(self._cursor):  # there may be more rows, which hold the statement open
            return self._cursor.fetchone()


class Prepared:
    """A statement with named parameters, as SQL text: building and looking it up each time costs more than running it.

    It goes to the driver within the connection's transaction. For texts and integers only, which the driver takes and
    gives as they are.
    """

    def __init__(self, statement: Executable, columns: Sequence[str] | None = None) -> None:
        self._statement: Any = statement
        self._columns = columns
        self._written: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._row = _row_of([column.name for column in getattr(statement, "exported_columns", ())])

    def run(self, connection: Connection, values: Mapping[str, Any]) -> Answer:
        """Execute it once."""
        text, names = self._text(connection)
        driver = _Driver(connection, text)
        return Answer(driver, driver.execute(tuple([values[name] for name in names])), self._row)

    def run_all(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute it for each of the rows."""
        text, names = self._text(connection)
        if len(rows) == 1:
            _Driver(connection, text).execute(tuple([rows[0][name] for name in names]))
        else:
            connection.exec_driver_sql(text, [tuple([row[name] for name in names]) for row in rows])

    def _text(self, connection: Connection) -> tuple[str, tuple[str, ...]]:
        found = self._written.get(connection.dialect.name)
        if found is None:
            compiled = self._statement.compile(dialect=connection.dialect, column_keys=self._columns)
            found = self._written[connection.dialect.name] = str(compiled), tuple(compiled.positiontup)
        return found


def _row_of(columns: Sequence[str]) -> Any:
    """A tuple with names, made now: the columns are known from the statement alone."""
    return namedtuple("Row", columns)


class _Driver:
    """The driver behind a connection, within the connection's transaction; its errors are raised as SQLAlchemy's."""

    def __init__(self, connection: Connection, text: str) -> None:
        self._connection = connection
        self._text = text

    def execute(self, values: tuple[Any, ...]) -> Any:
        """The cursor after the statement."""
        if not self._connection.in_transaction():
            self._connection.begin()
        with self.errors():
            cursor = self._connection.connection.cursor()
            cursor.execute(self._text, values)
            return cursor

    @contextmanager
    def errors(self) -> Iterator[None]:
        """What the driver raises in the block."""
        dialect = self._connection.dialect
        try:
            yield
        except dialect.loaded_dbapi.Error as error:
            gone = dialect.is_disconnect(error, self._connection.connection, None)
            raised = DBAPIError.instance(
                self._text,
                None,
                error,
                dialect.loaded_dbapi.Error,
                hide_parameters=True,
                connection_invalidated=gone,
                dialect=dialect,
            )
            if gone:
                self._connection.invalidate(error)
            raise raised from error
