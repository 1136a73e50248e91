"""Rows of tables that people own: read, made, edited and deleted by the names of their columns.

The database checks every value and who may write it; names of tables and columns are its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import Connection, RowMapping, text

from console.queries.tables import Table, described, owned
from console.refusals import refuse

Values = Mapping[str, Any]
T = TypeVar("T")
#: What identifies one state of a row: the revision, or the hash of all its columns.
ETAG = "md5(to_jsonb(t)::text)"
_OF_REVISION = "t.revision::text"


def table_of(connection: Connection, name: str) -> Table:
    if name not in owned():
        raise refuse(404, f"people own no table {name}")
    return described(connection, name)


def get(connection: Connection, name: str, key: Values) -> RowMapping | None:
    table = table_of(connection, name)
    where, given = _where(table, key)
    asked = text(f"select {_etag(table)} as etag, t.* from {_quoted(name)} t where {where}")  # noqa: S608
    return connection.execute(asked, given).mappings().one_or_none()


def listed(
    connection: Connection,
    name: str,
    limit: int,
    after: Values | None = None,
    where: Values | None = None,
) -> Sequence[RowMapping]:
    """Rows in the order of their key; one more than ``limit`` if there are."""
    table = table_of(connection, name)
    conditions, given = ["true"], {"limit": limit + 1}
    if where:
        some, values = _equals(table, where, "w")
        conditions.append(some)
        given |= values
    if after:
        columns = ", ".join(f"t.{_quoted(one)}" for one in table.key)
        marks = ", ".join(_cast(table, one, f"a{place}") for place, one in enumerate(table.key))
        conditions.append(f"({columns}) > ({marks})")
        given |= {f"a{place}": _written(after[one]) for place, one in enumerate(table.key)}
    order = ", ".join(f"t.{_quoted(one)}" for one in table.key)
    statement = (
        f"select {_etag(table)} as etag, t.* from {_quoted(name)} t where {' and '.join(conditions)}"  # noqa: S608
        f" order by {order} limit :limit"
    )
    return connection.execute(text(statement), given).mappings().all()


def insert_row(connection: Connection, name: str, values: Values) -> RowMapping:
    table = table_of(connection, name)
    _check(table, values)
    columns = ", ".join(map(_quoted, values))
    marks = ", ".join(_cast(table, one, f"v{place}") for place, one in enumerate(values))
    body = f"({columns}) values ({marks})" if values else "default values"
    statement = f"insert into {_quoted(name)} as t {body} returning {_etag(table)} as etag, t.*"
    given = {f"v{place}": _written(value) for place, value in enumerate(values.values())}
    return connection.execute(text(statement), given).mappings().one()


def update_row(
    connection: Connection, name: str, key: Values, values: Values, etag: str | None = None
) -> RowMapping:
    """Edit a row; with ``etag`` only if nobody has edited it since."""
    table = table_of(connection, name)
    _check(table, values)
    where, given = _where(table, key)
    _require(connection, table, key, etag)
    if not values:
        return present(get(connection, name, key), name, key)
    sets = ", ".join(
        f"{_quoted(one)} = {_cast(table, one, f'v{place}')}" for place, one in enumerate(values)
    )
    given |= {f"v{place}": _written(value) for place, value in enumerate(values.values())}
    statement = (
        f"update {_quoted(name)} t set {sets} where {where} returning {_etag(table)} as etag, t.*"  # noqa: S608
    )
    return present(connection.execute(text(statement), given).mappings().one_or_none(), name, key)


def delete_row(connection: Connection, name: str, key: Values, etag: str | None = None) -> None:
    table = table_of(connection, name)
    where, given = _where(table, key)
    _require(connection, table, key, etag)
    done = connection.execute(text(f"delete from {_quoted(name)} t where {where}"), given)  # noqa: S608
    present(done.rowcount or None, name, key)


def _require(connection: Connection, table: Table, key: Values, etag: str | None) -> None:
    """Lock the row and compare; 412 when it is not the one that was read."""
    if etag is None:
        return
    where, given = _where(table, key)
    statement = f"select {_etag(table)} from {_quoted(table.name)} t where {where} for update"  # noqa: S608
    found = connection.execute(text(statement), given).scalar_one_or_none()
    present(found, table.name, key)
    if str(found) != etag:
        raise refuse(
            412, f"{table.name} {named(key)} was changed meanwhile", "Read it again, then edit that."
        )


def named(key: Values) -> str:
    return " / ".join(str(one) for one in key.values())


def present(found: T | None, name: str, key: Values) -> T:
    """What was found; refused when nothing was."""
    if found is None:
        raise refuse(404, f'no {name} "{named(key)}"')
    return found


def _check(table: Table, values: Values) -> None:
    unknown = sorted(set(values) - set(table.columns))
    if unknown:
        known = ", ".join(table.columns)
        raise refuse(422, f"{table.name} has no column {unknown[0]}", f"It has: {known}", unknown[0])


def _where(table: Table, key: Values) -> tuple[str, dict[str, Any]]:
    if set(key) != set(table.key):
        raise refuse(422, f"a row of {table.name} is known by {', '.join(table.key)}")
    return _equals(table, key, "k")


def _equals(table: Table, values: Values, prefix: str) -> tuple[str, dict[str, Any]]:
    _check(table, values)
    parts = [
        f"t.{_quoted(one)} = {_cast(table, one, f'{prefix}{place}')}"
        for place, one in enumerate(values)
    ]
    given = {f"{prefix}{place}": _written(value) for place, value in enumerate(values.values())}
    return " and ".join(parts), given


def _etag(table: Table) -> str:
    return _OF_REVISION if table.has_revision else ETAG


def _cast(table: Table, column: str, mark: str) -> str:
    kind = table.columns[column].type
    if kind.endswith("[]"):
        # Given as JSON, so that an element may hold anything.
        one = f"jsonb_array_elements_text(cast(:{mark} as jsonb))"
        return (
            f"case when cast(:{mark} as text) is not null then cast(array(select {one}) as {kind}) end"
        )
    return f"cast(:{mark} as {kind})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace(":", r"\:") + '"'


def _written(value: Any) -> Any:
    """A value as text that Postgres reads; null stays null."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool | list | dict):
        return json.dumps(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds()} seconds"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
