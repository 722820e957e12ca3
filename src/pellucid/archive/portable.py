"""SQL that SQLite and PostgreSQL write differently."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Integer, String, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

_NUL = "\\u0000"
"""How JSON writes a NUL; PostgreSQL reads no JSON that has one, so it is taken out first."""

_NO_NUL = "\\\\u0000"
"""A backslash before what is no NUL then: such a data set matches by its columns only."""


class FirstText(FunctionElement[str]):
    """The first value of an attribute in a column of DICOM JSON, as text; NULL where it has none."""

    type = String()
    inherit_cache = True

    def __init__(self, column: Any, tag: str) -> None:
        super().__init__(column, literal(tag))


class FirstNumber(FunctionElement[int]):
    """The first value of an attribute in a column of DICOM JSON, as a number; NULL where it is none."""

    type = Integer()
    inherit_cache = True

    def __init__(self, column: Any, tag: str) -> None:
        super().__init__(column, literal(tag))


def _operands(element: FunctionElement[Any], compiler: SQLCompiler, **more: Any) -> tuple[str, str]:
    column, tag = element.clauses
    return compiler.process(column, **more), compiler.process(tag, **more)


@compiles(FirstText, "sqlite")
def _text_sqlite(element: FirstText, compiler: SQLCompiler, **more: Any) -> str:
    column, tag = _operands(element, compiler, **more)
    return f"CAST(json_extract({column}, '$.\"' || {tag} || '\".Value[0]') AS VARCHAR)"


@compiles(FirstNumber, "sqlite")
def _number_sqlite(element: FirstNumber, compiler: SQLCompiler, **more: Any) -> str:
    column, tag = _operands(element, compiler, **more)
    return f"json_extract({column}, '$.\"' || {tag} || '\".Value[0]')"


@compiles(FirstText, "postgresql")
def _text_postgresql(element: FirstText, compiler: SQLCompiler, **more: Any) -> str:
    column, tag = _operands(element, compiler, **more)
    value = f"(CAST(replace({column}, '{_NUL}', '') AS JSON) -> CAST({tag} AS TEXT) -> 'Value' ->> 0)"
    return f"CASE WHEN strpos({column}, '{_NO_NUL}') = 0 THEN {value} END"


@compiles(FirstNumber, "postgresql")
def _number_postgresql(element: FirstNumber, compiler: SQLCompiler, **more: Any) -> str:
    text = _text_postgresql(element, compiler, **more)  # type: ignore[arg-type]
    return f"CASE WHEN {text} ~ '^-?[0-9]+$' THEN CAST({text} AS NUMERIC) END"
