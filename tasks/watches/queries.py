"""What the `watch` and `notify` commands read: rows for people, by psycopg."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from tasks.watches.filters import Filters
from tasks.watches.watch import Watch
from workers.execution import statements

Connection = psycopg.Connection[dict[str, Any]]
SQL = statements(__file__)


def rule(connection: Connection, name: str) -> Any:
    cursor = connection.cursor(row_factory=namedtuple_row)
    return cursor.execute("select * from rule where name = %s", (name,)).fetchone()


def rule_names(connection: Connection) -> list[str]:
    return [row["name"] for row in connection.execute("select name from rule order by name")]


def common_filters(connection: Connection) -> Filters:
    row = connection.execute("select filters from global_filter").fetchone()
    return Filters().overridden(row and row["filters"])


def rows_of(
    connection: Connection,
    watch: Watch,
    *,
    span: timedelta | None = None,
    key: str | None = None,
    rule: str | None = None,
) -> Sequence[Any]:
    """Rows of a watch seen within ``span``, or the one with that key, as ``rule`` sees it now."""
    statement = re.sub(r"(?<!:):(span|key|rule)\b", r"%(\1)s", watch.rows.replace("%", "%%"))
    cursor = connection.cursor(row_factory=namedtuple_row)
    return cursor.execute(statement.encode(), {"span": span, "key": key, "rule": rule}).fetchall()


def rows_by_key(connection: Connection, watch: Watch, key: str, rule: str) -> Sequence[Any]:
    """The row with that key; where there is none, those that others know by that number."""
    is_key = not watch.has_number_key or (key.isdecimal() and len(key) < 19)
    found = rows_of(connection, watch, key=key, rule=rule) if is_key else ()
    if found or watch.numbered is None:
        return found
    keys = connection.execute(watch.numbered.encode(), {"number": key}).fetchall()
    return [row for one in keys for row in rows_of(connection, watch, key=str(one["id"]), rule=rule)]
