"""Statements that run with every instance, written out once for each kind of database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable


class Prepared:
    """A statement with named parameters, as SQL text: building and looking it up each time costs more than running it.

    For texts and integers only, which go to the driver as they are.
    """

    def __init__(self, statement: Executable, columns: Sequence[str] | None = None) -> None:
        self._statement: Any = statement
        self._columns = columns
        self._written: dict[str, tuple[str, tuple[str, ...]]] = {}

    def run(self, connection: Connection, values: Mapping[str, Any]) -> CursorResult[Any]:
        """Execute it once."""
        text, names = self._text(connection)
        return connection.exec_driver_sql(text, tuple([values[name] for name in names]))

    def run_all(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute it for each of the rows."""
        text, names = self._text(connection)
        connection.exec_driver_sql(text, [tuple([row[name] for name in names]) for row in rows])

    def _text(self, connection: Connection) -> tuple[str, tuple[str, ...]]:
        found = self._written.get(connection.dialect.name)
        if found is None:
            compiled = self._statement.compile(dialect=connection.dialect, column_keys=self._columns)
            found = self._written[connection.dialect.name] = str(compiled), tuple(compiled.positiontup)
        return found
