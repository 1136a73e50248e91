"""Statements of the console, one file a module: each begins with a line ``-- name: …``."""

from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, CursorResult, Executable, text

from workers.text.statements import statements

Row = dict[str, Any]


@cache
def parts(file: str) -> dict[str, str]:
    """Statements of a file, or conditions of which statements are made, by their names."""
    return {
        name: part.strip() for name, part in statements(str(Path(__file__).with_name(file))).items()
    }


@cache
def statement(name: str) -> Executable:
    """``FILE.NAME``: the statement NAME of ``console/sql/FILE.sql``."""
    file, _, part = name.partition(".")
    return text(parts(file)[part])


def execute(connection: Connection, asked: str | Executable, /, **given: Any) -> CursorResult[Any]:
    """Run a statement, or the one of that name."""
    return connection.execute(statement(asked) if isinstance(asked, str) else asked, given)


def rows(connection: Connection, asked: str | Executable, /, **given: Any) -> list[Row]:
    found = execute(connection, asked, **given)
    columns = list(found.keys())
    return [dict(zip(columns, row, strict=True)) for row in found]


def first(connection: Connection, asked: str | Executable, /, **given: Any) -> Row | None:
    return next(iter(rows(connection, asked, **given)), None)


def scalar(connection: Connection, asked: str | Executable, /, **given: Any) -> Any:
    return execute(connection, asked, **given).scalar_one()
