"""Rows of tables that people own: read, made, edited and deleted by the names of their columns.

The database checks every value and who may write it; names of tables and columns are its own.
"""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import Column, Connection, Table, Text, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB

from console import sql
from console.queries.lists import Piece, Search, cut, decode
from console.refusals import refuse
from console.sql import Row
from tasks.watches.comparing import containing
from workers.cli.output import plain
from workers.installation.domains import domains
from workers.roles import PEOPLE

Values = Mapping[str, Any]
T = TypeVar("T")
ALL = sa.text("*")


@cache
def owned() -> dict[str, str]:
    """Tables that people own → what an operator may do there."""
    return {**PEOPLE, **{name: may for one in domains().values() for name, may in one.tables.items()}}


_known: dict[str, Table] = {}


def table_of(connection: Connection, name: str) -> Table:
    """The table as the catalog has it; kept: the schema does not change under a running program."""
    if name not in owned():
        raise refuse(404, f"people own no table {name}")
    if name not in _known:
        _known[name] = Table(name, sa.MetaData(), autoload_with=connection, resolve_fks=False)
    return _known[name]


def key_of(of: Table) -> list[str]:
    return [column.name for column in of.columns if column.primary_key]


def preset(column: Column[Any]) -> str | None:
    """The expression of a column's default."""
    default: Any = column.server_default
    return str(default.arg) if isinstance(default, sa.DefaultClause) else None


def get(connection: Connection, name: str, key: Values) -> Row:
    of = table_of(connection, name)
    asked = select(_etag(of), ALL).select_from(of).where(*_at(of, key))
    return present(sql.first(connection, asked), name, key)


def listed(connection: Connection, name: str, asked: Search, having: Values | None = None) -> Piece:
    """Rows by their key; with ``q`` those that hold that text, of which columns have these values."""
    of = table_of(connection, name)
    columns = [of.c[one] for one in key_of(of)]
    wanted = select(_etag(of), ALL).select_from(of).order_by(*columns).limit(asked.limit + 1)
    if place := decode(asked.cursor, *[str | float] * len(columns)):
        given = _given(of, dict(zip(key_of(of), place, strict=True)))
        wanted = wanted.where(sa.tuple_(*columns) > sa.tuple_(*given.values()))
    wanted = wanted.where(*(of.c[one] == value for one, value in _given(of, having or {}).items()))
    if asked.q:
        wanted = wanted.where(cast(of.table_valued(), Text).ilike(containing(asked.q)))
    return cut(sql.rows(connection, wanted), asked.limit, *key_of(of))


def insert_row(connection: Connection, name: str, values: Values) -> Row:
    of = table_of(connection, name)
    made = sa.insert(of).values(_given(of, values)).returning(_etag(of), ALL)
    return present(sql.first(connection, made), name, values)


def update_row(
    connection: Connection, name: str, key: Values, values: Values, etag: str | None = None
) -> Row:
    """Edit a row; with ``etag`` only if nobody has edited it since."""
    of = table_of(connection, name)
    given = _given(of, values)
    _require(connection, of, key, etag)
    if not given:
        return get(connection, name, key)
    edited = sa.update(of).where(*_at(of, key)).values(given).returning(_etag(of), ALL)
    return present(sql.first(connection, edited), name, key)


def delete_row(connection: Connection, name: str, key: Values, etag: str | None = None) -> None:
    of = table_of(connection, name)
    _require(connection, of, key, etag)
    done = connection.execute(sa.delete(of).where(*_at(of, key)))
    present(done.rowcount or None, name, key)


def _require(connection: Connection, of: Table, key: Values, etag: str | None) -> None:
    """Lock the row and compare; 412 when it is not the one that was read."""
    if etag is None:
        return
    locked = select(_etag(of)).where(*_at(of, key)).with_for_update()
    found = present(connection.execute(locked).scalar_one_or_none(), of.name, key)
    if found != etag:
        what = f"{of.name} {_named(key)} was changed meanwhile"
        raise refuse(412, what, "Read it again, then edit that.")


def _etag(of: Table) -> Any:
    """What identifies one state of a row: the revision, or the hash of all its columns."""
    if "revision" in of.columns:
        return cast(of.c.revision, Text).label("etag")
    return func.md5(cast(func.to_jsonb(of.table_valued()), Text)).label("etag")


def _at(of: Table, key: Values) -> list[Any]:
    if set(key) != set(key_of(of)):
        raise refuse(422, f"a row of {of.name} is known by {', '.join(key_of(of))}")
    return [of.c[name] == value for name, value in _given(of, key).items()]


def _given(of: Table, values: Values) -> dict[str, Any]:
    """Expressions of values by column; refused when there is no such column."""
    if unknown := sorted(set(values) - set(of.columns.keys())):
        known, first = ", ".join(of.columns.keys()), unknown[0]
        raise refuse(422, f"{of.name} has no column {first}", f"It has: {known}", first)
    return {name: _expression(of.c[name], value) for name, value in values.items()}


def _expression(column: Column[Any], value: Any) -> Any:
    """A value, which Postgres reads from text."""
    # The parameter is named by its column and a number.
    written = sa.bindparam(column.key, _written(value), Text, unique=True)
    if not isinstance(column.type, sa.ARRAY) or value is None:
        return cast(written, column.type)
    # Given as JSON, so that an element may hold anything.
    elements = select(func.jsonb_array_elements_text(cast(written, JSONB)))
    return cast(func.array(elements.scalar_subquery()), column.type)


def _named(key: Values) -> str:
    return " / ".join(map(str, key.values()))


def present(found: T | None, name: str, key: Values) -> T:
    """What was found; refused when nothing was."""
    if found is None:
        raise refuse(404, f'no {name} "{_named(key)}"')
    return found


def _written(value: Any) -> str | None:
    """A value as text that Postgres reads; null stays null."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, bool | list | dict) else str(plain(value))
