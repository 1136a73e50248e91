"""Statements of the console, one file a module: each begins with a line ``-- name: …``."""

from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Executable, text

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


def execute(connection: Connection, asked: str, /, **given: Any) -> None:
    connection.execute(statement(asked), given)


def rows(connection: Connection, asked: str | Executable, /, **given: Any) -> list[Row]:
    """Rows of a statement, or of the one of that name."""
    found = connection.execute(statement(asked) if isinstance(asked, str) else asked, given)
    return [dict(row) for row in found.mappings()]


def first(connection: Connection, asked: str | Executable, /, **given: Any) -> Row | None:
    return next(iter(rows(connection, asked, **given)), None)


def scalar(connection: Connection, asked: str, /, **given: Any) -> Any:
    return connection.execute(statement(asked), given).scalar_one()
